//! Which known name an unknown one probably stands for.

/// The known name nearest to `unknown` by edit distance (insertions, deletions, replacements and
/// swapped neighbours, whatever the case), for "did you mean"; None when none is near. Of equally
/// near ones the first by the alphabet, so that the order of `known` does not matter.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    // Nothing known is this long; a hostile name costs nothing.
    if unknown.len() > 64 {
        return None;
    }
    let unknown: Vec<char> = unknown.to_ascii_lowercase().chars().collect();
    known
        .iter()
        .map(|&name| (distance(&unknown, &name.to_ascii_lowercase().chars().collect::<Vec<_>>()), name))
        .filter(|&(distance, name)| distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

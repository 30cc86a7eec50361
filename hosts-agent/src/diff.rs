//! A unified diff of two versions of a file, as `diff -u` prints it and `patch` reads it.

/// The lines of others that a reader sees around the change.
const CONTEXT: usize = 3;

/// The change from `old` to `new` as one hunk: our block is one place. Nothing when they are
/// equal. Bytes, because a hosts file need not be UTF-8.
pub fn unified(name: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    let old: Vec<&[u8]> = old.split_inclusive(|byte| *byte == b'\n').collect();
    let new: Vec<&[u8]> = new.split_inclusive(|byte| *byte == b'\n').collect();
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - after, new.len() - after);
    let from = before.saturating_sub(CONTEXT);
    let trailing = after.min(CONTEXT);

    let mut out = format!(
        "--- {name}\n+++ {name}\n@@ -{} +{} @@\n",
        place(from, old_end + trailing),
        place(from, new_end + trailing)
    )
    .into_bytes();
    let mut add = |sign: u8, lines: &[&[u8]]| {
        for line in lines {
            out.push(sign);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    add(b' ', &old[from..before]);
    add(b'-', &old[before..old_end]);
    add(b'+', &new[before..new_end]);
    add(b' ', &old[old_end..old_end + trailing]);
    out
}

/// The first line's number and how many: as in `diff`, an empty place is named by the line before.
fn place(from: usize, to: usize) -> String {
    let first = if to > from { from + 1 } else { from };
    format!("{first},{}", to - from)
}

#[cfg(test)]
mod tests;

//! The chart's values, with the comments that stand above them in values.yaml.

/// A value that a user may set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Such as `webhook.replicas`.
    pub(super) path: String,
    /// As it is written; empty for what has values below it.
    pub(super) default: String,
    pub(super) meaning: String,
}

/// The values that have no others below them. One that has no comment of its own has that of the value above it, but not
/// that of a whole section.
///
/// Reads the form that values.yaml is kept in: two blanks for each level, a comment above a key, a list or a map that
/// is not empty as a default of several lines.
pub(super) fn read(text: &str) -> Vec<Value> {
    let mut values: Vec<(usize, Value)> = Vec::new();
    let mut above: Vec<(usize, String, String)> = Vec::new();
    let mut comment = String::new();
    let mut skipped: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if skipped.is_some_and(|level| indent >= level) && !trimmed.is_empty() {
            continue;
        }
        skipped = None;
        if trimmed.is_empty() {
            comment.clear();
        } else if let Some(words) = trimmed.strip_prefix('#') {
            comment.push_str(words);
        } else if let Some((key, rest)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with("- ")) {
            above.retain(|(level, _, _)| *level < indent);
            let inherited = above.last().filter(|(level, _, _)| *level > 0);
            let inherited = inherited.map(|(_, _, meaning)| meaning.clone()).unwrap_or_default();
            let own = std::mem::take(&mut comment).trim().to_owned();
            let meaning = if own.is_empty() { inherited } else { own };
            let path =
                above.iter().map(|(_, key, _)| key.as_str()).chain([key]).collect::<Vec<_>>().join(".");
            let default = rest.trim();
            match default.is_empty() || default == "|" {
                true => above.push((indent, key.to_owned(), meaning)),
                false => values.push((indent, Value { path, default: default.to_owned(), meaning })),
            }
        } else {
            // A list of several lines.
            skipped = Some(indent);
            if let Some((_, key, meaning)) = above.pop() {
                let path = above.iter().map(|(_, key, _)| key.as_str()).chain([key.as_str()]);
                let path = path.collect::<Vec<_>>().join(".");
                values.push((indent, Value { path, default: "list".to_owned(), meaning }));
            }
        }
    }
    values.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_path_its_default_and_the_comment_above_it() {
        let text = "\
# What is asked.
# In two lines.
registry:
  check: true
  # Hosts.
  realms: []

# Lists.
policy:
  # Whom it asks.
  users:
    - a
    # Not a value.
    - b
  mode: on
  # At most.
  limits:
    cpu: 1
";
        let value = |path: &str, default: &str, meaning: &str| Value {
            path: path.to_owned(),
            default: default.to_owned(),
            meaning: meaning.to_owned(),
        };
        assert_eq!(
            read(text),
            [
                value("registry.check", "true", ""),
                value("registry.realms", "[]", "Hosts."),
                value("policy.users", "list", "Whom it asks."),
                value("policy.mode", "on", ""),
                value("policy.limits.cpu", "1", "At most."),
            ]
        );
    }
}

//! The forms of names, labels and keys that Kubernetes accepts
//! (`k8s.io/apimachinery/pkg/util/validation`).

use crate::dns::is_subdomain;

/// Why `name` is no DNS subdomain (RFC 1123), the form of most objects' names.
pub(crate) fn subdomain_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    if name.len() > 253 {
        return Some(format!("has {} characters, and 253 are allowed", name.len()));
    }
    (!is_subdomain(name)).then(|| {
        "must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending \
         with a letter or digit"
            .to_owned()
    })
}

/// Why `key` is no label key: an optional DNS subdomain and a slash, then a name.
pub(crate) fn label_key_problem(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            if let Some(problem) = subdomain_problem(prefix) {
                return Some(format!("the part before the / {problem}"));
            }
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Some(if key.is_empty() { "is empty" } else { "has no name after the /" }.to_owned());
    }
    label_name_problem(name)
}

/// Why `value` is no label value: at most 63 characters, or nothing at all.
pub(crate) fn label_value_problem(value: &str) -> Option<String> {
    if value.is_empty() { None } else { label_name_problem(value) }
}

fn label_name_problem(name: &str) -> Option<String> {
    let is_alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let legal = name.starts_with(is_alphanumeric)
        && name.ends_with(is_alphanumeric)
        && name.chars().all(|c| is_alphanumeric(c) || matches!(c, '-' | '_' | '.'));
    if !legal {
        return Some(
            "must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit"
                .to_owned(),
        );
    }
    (name.len() > 63).then(|| format!("has {} characters, and 63 are allowed", name.len()))
}

/// Why `key` is no key of a Secret's data.
pub(crate) fn data_key_problem(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some("is empty".to_owned());
    }
    if key.len() > 253 {
        return Some(format!("has {} characters, and 253 are allowed", key.len()));
    }
    if key == "." || key.starts_with("..") {
        return Some("must not be \".\" or begin with \"..\"".to_owned());
    }
    let legal = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (!legal).then(|| "must be letters, digits, hyphens, underscores and dots".to_owned())
}

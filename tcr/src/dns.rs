//! The rules of DNS names: of host names (RFC 1123), and of the names that Kubernetes makes of them
//! (`k8s.io/apimachinery/pkg/util/validation`).

const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 253;

/// Whether a text is a DNS label, such as the name of a namespace: at most 63 lower-case letters, digits and hyphens, with
/// a letter or digit at both ends (`IsDNS1123Label`).
pub fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_part(text)
}

/// Whether a text is a DNS subdomain, such as the name of a Secret: at most 253 characters, of which each part between
/// dots is a label, however long (`IsDNS1123Subdomain`).
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.chars().all(|c| is_alphanumeric(c) || c == '-')
}

/// What is wrong with a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostNameProblem {
    /// A character that no host name has.
    Character(char),
    /// Two dots in a row, or one at an end.
    EmptyLabel,
    /// A label begins or ends with a hyphen.
    Hyphen,
    /// A label has more than 63 characters.
    LongLabel,
    /// The name has more than 253 characters.
    Long,
}

/// What is wrong with a host name, in whatever case.
pub(crate) fn host_name_problem(name: &str) -> Option<HostNameProblem> {
    use HostNameProblem as Problem;
    if let Some(character) = name.chars().find(|&c| !c.is_ascii_alphanumeric() && c != '-' && c != '.') {
        return Some(Problem::Character(character));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Some(Problem::EmptyLabel);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some(Problem::Hyphen);
        }
        if label.len() > LONGEST_LABEL {
            return Some(Problem::LongLabel);
        }
    }
    (name.len() > LONGEST_NAME).then_some(Problem::Long)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_and_subdomains_are_what_kubernetes_takes() {
        let (long, longest) = ("a".repeat(64), "a".repeat(63));
        for (text, label, subdomain) in [
            ("a", true, true),
            ("0-9", true, true),
            (longest.as_str(), true, true),
            (long.as_str(), false, true),
            ("a.b", false, true),
            ("", false, false),
            ("A", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("a_b", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("a.-b", false, false),
            ("\u{e9}", false, false),
        ] {
            assert_eq!((is_label(text), is_subdomain(text)), (label, subdomain), "{text:?}");
        }
        assert!(is_subdomain(&"a".repeat(253)) && !is_subdomain(&"a".repeat(254)));
    }

    proptest! {
        #[test]
        fn a_label_is_a_host_name_and_a_subdomain(text in "[a-zA-Z0-9.-]{0,70}") {
            prop_assert!(!is_label(&text) || is_subdomain(&text) && host_name_problem(&text).is_none());
        }
    }
}

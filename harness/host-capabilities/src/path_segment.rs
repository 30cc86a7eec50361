//! Names that become a part of an API path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name of an object: that of a DNS subdomain, which all kinds but RBAC's must be
/// (`DNS1123SubdomainMaxLength` in k8s.io/apimachinery/pkg/util/validation). Those of RBAC have no
/// bound of their own, and no longer names either.
const LONGEST_NAME: usize = 253;

/// The characters that a path segment keeps unescaped (RFC 3986: the unreserved characters, and the colon of
/// names such as `system:node`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Why a text is not the name of an object or a namespace. Kubernetes' own rule for a name that is
/// part of a path (`IsValidPathSegmentName` in k8s.io/apimachinery/pkg/api/validation/path), with a
/// bound and without control characters.
pub fn path_segment_fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("must not be empty"),
        "." | ".." => Some("must not be \".\" or \"..\""),
        _ if name.len() > LONGEST_NAME => Some("must have at most 253 bytes"),
        _ if name.contains(['/', '%']) => Some("must not contain \"/\" or \"%\""),
        _ if name.contains(char::is_control) => Some("must not contain control characters"),
        _ => None,
    }
}

/// A name as one segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes_as_a_segment_of_a_path() {
        for good in ["a", "shop", "system:node", "a.b", "...", ".a", "A_b~c", "a b", "名", "a?b#c", "x;y=z"]
        {
            assert_eq!(path_segment_fault(good), None, "{good:?}");
        }
        let longest = "a".repeat(253);
        assert_eq!(path_segment_fault(&longest), None);
        let too_long = "a".repeat(254);
        for bad in
            ["", ".", "..", "a/b", "/", "../a", "a%2fb", "%", "a\0", "a\nb", "\u{7f}", "\u{85}", &too_long]
        {
            assert!(path_segment_fault(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_of_a_name_ends_its_segment() {
        assert_eq!(encoded("system:node"), "system:node");
        assert_eq!(encoded("a?b#c d;名"), "a%3Fb%23c%20d%3B%E5%90%8D");
        assert_eq!(encoded("kube-system/secrets?x="), "kube-system%2Fsecrets%3Fx%3D");
    }
}

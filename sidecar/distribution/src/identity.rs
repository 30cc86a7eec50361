//! Uids and resource versions in compact form: there is one of each for every Secret and ServiceAccount of
//! the cluster, and as text they would be a third of the controller's memory.

use std::fmt;

/// An object's uid: a UUID in 16 bytes, which is what Kubernetes makes; any other text as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Form);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    Uuid([u8; 16]),
    Other(Box<str>),
}

/// Where a UUID's text has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Uid {
    /// Reads a uid. [`fmt::Display`] gives exactly this text again.
    pub fn of(text: &str) -> Self {
        Self(uuid(text).map_or_else(|| Form::Other(text.into()), Form::Uuid))
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut number = 0_u128;
    for (index, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'-' if HYPHENS.contains(&index) => continue,
            _ if HYPHENS.contains(&index) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number.to_be_bytes())
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Other(text) => f.write_str(text),
            Form::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let hyphen = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{hyphen}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

/// A resource version as a number, which tells the newer of two views of one object: the answer to
/// our write and the watch event of it arrive in any order. Kubernetes promises the order from 1.35
/// on and has always kept it; a version that is no number counts as the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The version that an object states.
    pub fn of(resource_version: &str) -> Self {
        Self(resource_version.parse().unwrap_or(0))
    }
}

/// A resource version that is sent back to the API server byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceVersion(Stated);

#[derive(Clone, PartialEq, Eq)]
enum Stated {
    Number(u64),
    Other(Box<str>),
}

impl ResourceVersion {
    /// Reads a resource version. [`fmt::Display`] gives exactly this text again.
    pub fn of(text: &str) -> Self {
        let is_canonical = text == "0" || !text.starts_with(['0', '+']);
        let number = text.parse::<u64>().ok().filter(|_| is_canonical);
        Self(number.map_or_else(|| Stated::Other(text.into()), Stated::Number))
    }

    /// The version as a number, for comparisons.
    pub fn version(&self) -> Version {
        match self.0 {
            Stated::Number(number) => Version(number),
            Stated::Other(_) => Version(0),
        }
    }
}

impl Default for ResourceVersion {
    fn default() -> Self {
        Self::of("")
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stated::Number(number) => write!(f, "{number}"),
            Stated::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<&str> for ResourceVersion {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_kubernetes_makes_takes_few_bytes() {
        let is_short = |text: &str| matches!(Uid::of(text).0, Form::Uuid(_));
        assert!(is_short("705ab4f5-6393-11e8-b7cc-42010a800002"));
        assert!(!is_short("705AB4F5-6393-11e8-b7cc-42010a800002"), "it would not come back as it was");
        assert!(!is_short("+05ab4f5-6393-11e8-b7cc-42010a800002"));
        assert!(!is_short("u1"));
        assert_eq!(std::mem::size_of::<ResourceVersion>(), 16);
        assert_eq!(
            (ResourceVersion::of("7").version(), ResourceVersion::of("07").version()),
            (Version(7), Version(0))
        );
    }

    proptest! {
        #[test]
        fn both_come_back_letter_by_letter(
            text in prop_oneof!["[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[0-9]{0,21}", ".{0,40}"],
        ) {
            prop_assert_eq!(Uid::of(&text).to_string(), text.clone());
            prop_assert_eq!(ResourceVersion::of(&text).to_string(), text);
        }
    }
}

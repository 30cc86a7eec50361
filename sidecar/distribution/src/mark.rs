//! The mark: an annotation that proves that this installation wrote a Secret, and with which content.
//!
//! Labels are for selecting, and any user edits them. The mark is `CONTENT.PLACE` in hexadecimal. `CONTENT`
//! is an HMAC over the digest of the bytes that were written; without the key it says nothing about them.
//! `PLACE` is an HMAC over namespace, name and `CONTENT`. So a Secret with an authentic mark was written here
//! by us, whatever became of its bytes and labels since, and one whose bytes give `CONTENT` again holds what
//! was written. A copy in another namespace or under another name has no authentic mark.
//!
//! An ownerReference is no alternative: when the custom resource is restored from a backup, all Secrets would
//! be garbage-collected.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tcr::hex;
use tcr::sensitive::Sensitive;

use crate::Digest;

/// Bytes of the key; its text has twice as many characters.
const KEY_BYTES: usize = 32;
/// Bytes of each half of a mark: of an HMAC-SHA256 the first 16, which RFC 2104 allows.
const HALF: usize = 16;

/// Characters of a mark.
pub const LONGEST_MARK: usize = HALF * 4 + 1;

/// The key of one installation, which authenticates marks.
#[derive(Clone, Debug)]
pub struct InstallationKey(Sensitive);

/// The HMAC by which a mark names the bytes that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentTag([u8; HALF]);

/// A text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not {} lower-case hexadecimal digits", KEY_BYTES * 2)]
pub struct NotAKey;

impl InstallationKey {
    /// A new key, from the operating system's random numbers.
    ///
    /// # Errors
    /// The operating system gives none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(Sensitive::new(hex::encode(&bytes))))
    }

    /// Reads what [`InstallationKey::text`] gave.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &[u8]) -> Result<Self, NotAKey> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == KEY_BYTES * 2);
        let text = text.filter(|text| text.as_bytes().iter().all(is_digit)).ok_or(NotAKey)?;
        Ok(Self(Sensitive::new(text)))
    }

    /// The key as text, as its Secret holds it.
    pub fn text(&self) -> &Sensitive {
        &self.0
    }

    /// The tag of these bytes.
    pub fn tag(&self, digest: Digest) -> ContentTag {
        ContentTag(first(&self.hmac(&[b"content", digest.as_bytes()]).finalize().into_bytes()))
    }

    /// The mark of the Secret `name` in `namespace` with these bytes.
    pub fn mark(&self, namespace: &str, name: &str, digest: Digest) -> String {
        let tag = self.tag(digest);
        let place = first(&self.place(namespace, name, tag).finalize().into_bytes());
        format!("{}.{}", hex::encode(&tag.0), hex::encode(&place))
    }

    /// The tag of the bytes that were written into the Secret `name` in `namespace`, if this key made the
    /// mark for exactly that Secret.
    pub fn authentic(&self, namespace: &str, name: &str, mark: &str) -> Option<ContentTag> {
        let (tag, place) = mark.split_once('.')?;
        let (tag, place) = (ContentTag(hex::decode(tag)?), hex::decode::<HALF>(place)?);
        // In constant time.
        self.place(namespace, name, tag).verify_truncated_left(&place).ok().map(|()| tag)
    }

    fn place(&self, namespace: &str, name: &str, tag: ContentTag) -> Hmac<Sha256> {
        self.hmac(&[b"place", namespace.as_bytes(), name.as_bytes(), &tag.0])
    }

    fn hmac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // The text is as long as a block of SHA-256.
        let mut block = [0; KEY_BYTES * 2];
        block.iter_mut().zip(self.0.expose().bytes()).for_each(|(to, from)| *to = from);
        let mut hmac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            // Each part is preceded by its length, so that no two lists give the same bytes.
            hmac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hmac.update(part);
        }
        hmac
    }
}

impl ContentTag {
    /// Stands for the bytes as long as nothing but their tag is known.
    pub fn unknown(self) -> Digest {
        Digest::of_unknown(self.0)
    }
}

impl fmt::Display for ContentTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

fn first(bytes: &[u8]) -> [u8; HALF] {
    let mut half = [0; HALF];
    half.copy_from_slice(&bytes[..HALF]);
    half
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn key(digit: &str) -> InstallationKey {
        InstallationKey::parse(digit.repeat(KEY_BYTES * 2).as_bytes()).unwrap()
    }

    fn digest() -> Digest {
        Digest::of(b"bytes")
    }

    #[test]
    fn a_mark_never_changes_between_versions() {
        let mark = key("a").mark("shop", "tcr.ipsdemo", digest());
        expect!["5665e65105fb132983f6a047bf8ae8c0.fa0c8ef57410b65d0d942ea623b1fc83"].assert_eq(&mark);
        assert_eq!(key("a").authentic("shop", "tcr.ipsdemo", &mark), Some(key("a").tag(digest())));
    }

    #[test]
    fn it_holds_for_one_namespace_one_name_and_one_key_only() {
        let mark = key("a").mark("shop", "tcr.ipsdemo", digest());
        assert_eq!(key("a").authentic("team", "tcr.ipsdemo", &mark), None);
        assert_eq!(key("a").authentic("shop", "tcr.ipsother", &mark), None);
        assert_eq!(key("a").authentic("sho", "ptcr.ipsdemo", &mark), None);
        assert_eq!(key("b").authentic("shop", "tcr.ipsdemo", &mark), None);
        let (_, place) = mark.split_once('.').unwrap();
        let other = format!("{}.{place}", key("a").tag(Digest::of(b"other")));
        assert_eq!(key("a").authentic("shop", "tcr.ipsdemo", &other), None, "of other content");
    }

    #[test]
    fn a_key_is_read_in_its_one_form_and_never_shown() {
        let made = InstallationKey::generate().unwrap();
        let again = InstallationKey::parse(made.text().expose().as_bytes()).unwrap();
        assert_eq!(again.tag(digest()), made.tag(digest()));
        assert_ne!(InstallationKey::generate().unwrap().text(), made.text());
        assert!(!format!("{made:?}").contains(made.text().expose()));
        for text in ["", "a", &"A".repeat(64), &"a".repeat(63), &"a".repeat(65), &"g".repeat(64)] {
            assert_eq!(InstallationKey::parse(text.as_bytes()).unwrap_err(), NotAKey, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_an_authentic_mark(text in "[0-9a-f.]{0,70}|.{0,70}|[0-9a-f]{32}\\.[0-9a-f]{32}") {
            prop_assert_eq!(key("a").authentic("shop", "tcr.ipsdemo", &text), None);
        }

        #[test]
        fn whatever_character_is_changed_it_is_authentic_no_longer(at in 0..65_usize, to in any::<char>()) {
            let mark = key("a").mark("shop", "tcr.ipsdemo", digest());
            let mut changed: Vec<char> = mark.chars().collect();
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(key("a").authentic("shop", "tcr.ipsdemo", &changed).is_some(), changed == mark);
        }
    }
}

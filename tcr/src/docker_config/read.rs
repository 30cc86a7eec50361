//! Docker configurations as kubelets read them: by the rules of Go's `encoding/json` and `encoding/base64`.
//!
//! Differences from a strict reader: names of fields match in any letter case; null leaves a field unchanged;
//! of a repeated key the last counts; invalid Unicode becomes U+FFFD; base64 may be wrapped. As in a strict
//! reader, one value of a wrong type makes the whole file unreadable.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{DockerConfigError, Login};
use crate::sensitive::{Sensitive, SensitiveBytes};

/// Levels of arrays and objects that Go's reader accepts.
const MOST_LEVELS: usize = 10_000;
/// Go ignores bits that fill up the last character.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    LENIENT.with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    LENIENT.with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The place of the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// In the object `auths`.
    Json,
    /// At the top, as in `.dockercfg`.
    Legacy,
}

/// The credential of each key, as it is written.
pub(super) fn logins(bytes: &[u8], shape: Shape) -> Result<BTreeMap<String, Login>, DockerConfigError> {
    entries(bytes, shape)?
        .into_iter()
        .map(|(host, entry)| match entry.login() {
            Some(login) => Ok((host, login)),
            None => Err(DockerConfigError::Auth { host }),
        })
        .collect()
}

/// The entries by their keys, `auth` not decoded.
pub(super) fn entries(bytes: &[u8], shape: Shape) -> Result<Entries, DockerConfigError> {
    let text = Sensitive::new(unicode(bytes));
    if is_too_deep(text.expose()) {
        return Err(DockerConfigError::Json { line: 1, column: 0 });
    }
    let text = paired_surrogates(text);
    let mut entries = Entries::new();
    let mut reader = serde_json::Deserializer::from_str(text.expose());
    let read = match shape {
        Shape::Json => reader.deserialize_any(Document(&mut entries)),
        Shape::Legacy => Auths(&mut entries).deserialize(&mut reader),
    };
    match read.and_then(|()| reader.end()) {
        Ok(()) => Ok(entries),
        // serde_json's own message repeats values, and a value here may be a password.
        Err(error) => Err(DockerConfigError::Json { line: error.line(), column: error.column() }),
    }
}

pub(super) type Entries = BTreeMap<String, Entry>;

/// One value of `auths`.
#[derive(Default)]
pub(super) struct Entry {
    username: String,
    password: Sensitive,
    auth: Sensitive,
    has_identity_token: bool,
}

impl Entry {
    /// `auth` wins over the two other fields. None when it is not base64 of `username:password`.
    fn login(self) -> Option<Login> {
        let Self { username, password, auth, has_identity_token } = self;
        if auth.is_empty() {
            return Some(Login { username, password, has_identity_token, is_not_utf8: false });
        }
        let decoded = decode(auth.expose())?;
        let decoded = decoded.expose();
        let is_not_utf8 = std::str::from_utf8(decoded).is_err();
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Login {
            username: unicode(decoded.get(..colon)?),
            password: Sensitive::new(unicode(decoded.get(colon + 1..)?)),
            has_identity_token,
            is_not_utf8,
        })
    }
}

/// Go's decoder passes over line breaks, and wants padding where the text ends with some.
fn decode(auth: &str) -> Option<SensitiveBytes> {
    let mut unbroken = SensitiveBytes::default();
    auth.split(['\r', '\n']).for_each(|line| unbroken.extend_from_slice(line.as_bytes()));
    let engine = if unbroken.expose().ends_with(b"=") { PADDED } else { UNPADDED };
    engine.decode(unbroken.expose()).ok().map(SensitiveBytes::from)
}

/// U+FFFD for every byte that is no UTF-8.
fn unicode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// U+FFFD for every escaped half of a surrogate pair without the other.
fn paired_surrogates(text: Sensitive) -> Sensitive {
    if !text.expose().contains("\\u") {
        return text;
    }
    // The replacement has the length of the escape.
    let (mut out, mut rest) = (String::with_capacity(text.expose().len()), text.expose());
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let second = || code_unit(escape.get(6..).unwrap_or_default());
        let (shown, length) = match code_unit(escape) {
            Some(0xD800..=0xDBFF) if matches!(second(), Some(0xDC00..=0xDFFF)) => (escape.get(..12), 12),
            Some(0xD800..=0xDFFF) => (Some("\\ufffd"), 6),
            _ => {
                let length: usize = escape.chars().take(2).map(char::len_utf8).sum();
                (escape.get(..length), length)
            }
        };
        out.push_str(shown.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Sensitive::new(out)
}

/// The number of `\uXXXX` at the start.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

fn is_too_deep(text: &str) -> bool {
    let (mut level, mut in_string, mut bytes) = (0_usize, false, text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => level += 1,
            b'}' | b']' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
        if level > MOST_LEVELS {
            return true;
        }
    }
    false
}

/// Whether Go takes the key for the field: it folds case, by which a long s is an s too.
fn is_field(key: &str, name: &str) -> bool {
    let folded = |c: char| if c == 'ſ' { 's' } else { c.to_ascii_lowercase() };
    key.chars().map(folded).eq(name.chars())
}

/// A string that counts for its type only.
struct Text;

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Text)
    }
}

struct Document<'a>(&'a mut Entries);

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if is_field(&key, "auths") {
                map.next_value_seed(Auths(self.0))?;
            } else if is_field(&key, "httpheaders") {
                map.next_value::<Option<BTreeMap<String, Option<Text>>>>()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A repeated `auths` is merged into the earlier one.
struct Auths<'a>(&'a mut Entries);

impl<'de> DeserializeSeed<'de> for Auths<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Auths<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of hosts")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.clear();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let entry = map.next_value::<Option<Entry>>()?;
            self.0.insert(key, entry.unwrap_or_default());
        }
        Ok(())
    }
}

impl<'de> serde::Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryFields)
    }
}

struct EntryFields;

impl<'de> Visitor<'de> for EntryFields {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a credential")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key::<String>()? {
            if is_field(&key, "username") {
                entry.username = map.next_value::<Option<String>>()?.unwrap_or(entry.username);
            } else if is_field(&key, "password") {
                entry.password = map.next_value::<Option<Sensitive>>()?.unwrap_or(entry.password);
            } else if is_field(&key, "auth") {
                entry.auth = map.next_value::<Option<Sensitive>>()?.unwrap_or(entry.auth);
            } else if is_field(&key, "email") {
                map.next_value::<Option<Text>>()?;
            } else if is_field(&key, "identitytoken") {
                // No field of a kubelet's: it may be anything.
                let token = map.next_value::<&'de RawValue>().map_err(|_| A::Error::custom("no value"))?;
                entry.has_identity_token = !matches!(token.get(), "\"\"" | "null");
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(entry)
    }
}

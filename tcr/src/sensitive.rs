//! Strings and bytes that must not reach logs, errors or Debug output, and that are wiped from memory when they are
//! dropped.
//!
//! What a wasm instance knew ends with its memory, after one request, so nothing is wiped there.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// A password, token or key. Prints as `[redacted]`; [`Sensitive::expose`] is the only way to
/// the value, so that every use can be found by its name.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct Sensitive(String);

/// Bytes that hold a password, token or key, such as a docker configuration. They grow without leaving copies behind.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SensitiveBytes(Vec<u8>);

impl Sensitive {
    /// Wraps a value that must be kept out of sight.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without one line end, which files have and passwords do not.
    #[must_use]
    pub fn without_line_end(mut self) -> Self {
        let text = self.0.strip_suffix('\n').map(|rest| rest.strip_suffix('\r').unwrap_or(rest));
        if let Some(length) = text.map(str::len) {
            self.0.truncate(length);
        }
        self
    }
}

impl SensitiveBytes {
    /// The JSON of a value.
    ///
    /// # Errors
    /// It has no JSON, such as a map whose keys are no strings.
    pub fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut bytes = Self::default();
        serde_json::to_writer(&mut bytes, value)?;
        Ok(bytes)
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends these bytes at the end.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            // A vector that grows by itself leaves what it held before in memory that it gave back.
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.0);
            wipe(&mut std::mem::replace(&mut self.0, larger));
        }
        self.0.extend_from_slice(more);
    }

    /// The text that they are; none when they are not UTF-8.
    pub fn into_text(mut self) -> Option<Sensitive> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Some(Sensitive(text)),
            Err(error) => {
                wipe(&mut error.into_bytes());
                None
            }
        }
    }
}

impl From<Vec<u8>> for SensitiveBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for SensitiveBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl io::Write for SensitiveBytes {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for SensitiveBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Sensitive {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

#[cfg(not(target_family = "wasm"))]
impl Drop for SensitiveBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites bytes that are about to be given back.
pub fn wipe(bytes: &mut Vec<u8>) {
    #[cfg(not(target_family = "wasm"))]
    zeroize::Zeroize::zeroize(bytes);
    bytes.clear();
}

/// Overwrites every text in a JSON value that is about to be given back.
pub fn wipe_json(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => wipe(&mut std::mem::take(text).into_bytes()),
        Value::Array(values) => values.iter_mut().for_each(wipe_json),
        Value::Object(fields) => fields.values_mut().for_each(wipe_json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

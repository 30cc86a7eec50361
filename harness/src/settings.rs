//! A policy's settings, as the JSON object that the guest reads.

use std::sync::Arc;

use crate::document;

/// Settings, ready to be passed on with each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings(Arc<str>);

/// Why a text is not settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFormatError {
    /// Neither JSON nor YAML.
    #[error(transparent)]
    Unreadable(#[from] document::DocumentError),
    /// There are several YAML documents instead of one.
    #[error("{0} documents where one was expected")]
    Several(usize),
    /// Something else than an object.
    #[error("settings must be a map of names to values, not {0}")]
    NotAnObject(&'static str),
}

impl Settings {
    /// Reads YAML or JSON; an empty text is empty settings.
    ///
    /// # Errors
    /// When the text is neither, or not one map.
    pub fn parse(text: &str) -> Result<Self, SettingsFormatError> {
        let documents = document::read(text)?;
        match &documents[..] {
            [] => Ok(Self::default()),
            [settings] => match document::kind_of(settings.json()) {
                "a map" => Ok(Self(settings.json().into())),
                "null" => Ok(Self::default()),
                other => Err(SettingsFormatError::NotAnObject(other)),
            },
            several => Err(SettingsFormatError::Several(several.len())),
        }
    }

    /// Whether both are the very same text: clones of each other, not only equal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The settings as a JSON object.
    pub fn json(&self) -> &str {
        &self.0
    }
}

impl Default for Settings {
    /// The settings `{}`, which say nothing.
    fn default() -> Self {
        Self("{}".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_json_and_nothing_are_settings() {
        let json = |text| Settings::parse(text).map(|settings| settings.json().to_owned());
        assert_eq!(json("b: [1, yes please]\na: {}\n").unwrap(), r#"{"b":[1,"yes please"],"a":{}}"#);
        assert_eq!(json(r#" {"b": 1e400} "#).unwrap(), r#"{"b": 1e400}"#);
        assert_eq!(json("").unwrap(), "{}");
        assert_eq!(json("# nothing yet\n").unwrap(), "{}");
        assert_eq!(
            json("- a").unwrap_err().to_string(),
            "settings must be a map of names to values, not a list"
        );
        assert_eq!(json("a: 1\n---\nb: 2").unwrap_err().to_string(), "2 documents where one was expected");
    }
}

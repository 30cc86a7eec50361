//! The grammar of `spec.namespaces` and `spec.serviceAccounts`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quoted::quoted;
use pattern::Pattern;

mod pattern;

/// A list of names, as one text: `*`, `_` or nothing for all; else names and globs (`*` any
/// characters, `?` one) separated by commas, blanks around them ignored, `!` before what is
/// excluded. Exclusions win, wherever they stand; a list of exclusions only is all but those.
///
/// Every list of Tencent's own resource (`*`, nothing, or exact names) means here what it means
/// there; a comma too many, as templates leave it behind, is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct NameList {
    text: String,
    included: Vec<Pattern>,
    excluded: Vec<Pattern>,
}

/// Why a text is not a list of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a name, a glob or an exclusion: {reason}", quoted(element))]
pub struct NameListError {
    /// The element that is wrong, without the blanks around it.
    pub element: String,
    /// What is wrong with it.
    pub reason: NameListProblem,
}

/// What is wrong with an element of a list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameListProblem {
    /// There are commas and nothing else.
    #[error("there is nothing between the commas; write \"*\" for all")]
    OnlyCommas,
    /// A `!` with nothing behind it.
    #[error("a name or a glob follows the !")]
    NothingExcluded,
    /// Two names without a comma.
    #[error("it contains a blank; separate names with commas")]
    Blank,
    /// A letter is upper-case.
    #[error("names are lower case")]
    UpperCase,
    /// A character that no name has.
    #[error("{0:?} is not allowed; names have lower-case letters, digits, hyphens and dots")]
    Character(char),
    /// A hyphen or dot first or last, or a dot beside a dot or hyphen.
    #[error("names and the parts between their dots begin and end with a letter or a digit")]
    Edge,
    /// More characters than any name has.
    #[error("names have at most 253 characters")]
    Long,
}

impl NameList {
    /// Whether `name` is selected. Time is bounded by the lengths of the list and the name
    /// multiplied, and nothing is allocated: it is called for every Pod.
    pub fn selects(&self, name: &str) -> bool {
        (self.included.is_empty() || self.included.iter().any(|pattern| pattern.matches(name)))
            && !self.excludes(name)
    }

    /// Whether `name` is one of the exclusions, which win.
    pub fn excludes(&self, name: &str) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether every name is selected, future ones too.
    pub fn is_all(&self) -> bool {
        self.excluded.is_empty() && (self.included.is_empty() || self.included.iter().any(Pattern::is_any))
    }

    /// Whether no name can be selected, because everything is excluded.
    pub fn is_none(&self) -> bool {
        self.excluded.iter().any(Pattern::is_any)
    }

    /// The names, when the list has names only: no glob, no exclusion, not all.
    pub fn exact_names(&self) -> Option<Vec<&str>> {
        let exact = self.excluded.is_empty() && !self.included.is_empty();
        (exact && self.included.iter().all(Pattern::is_exact))
            .then(|| self.included.iter().map(Pattern::as_str).collect())
    }

    /// Whether a name may be selected by both: certainly not where one has names only, and the other none of them.
    pub fn may_meet(&self, other: &Self) -> bool {
        match (self.exact_names(), other.exact_names()) {
            (Some(names), _) => names.into_iter().any(|name| other.selects(name)),
            (None, Some(names)) => names.into_iter().any(|name| self.selects(name)),
            (None, None) => !self.is_none() && !other.is_none(),
        }
    }

    /// Whether an element is `_`, which means `*`: the original's documentation prints it so.
    pub fn uses_underscore(&self) -> bool {
        elements(&self.text).any(|element| element == "_" || element == "!_")
    }

    /// The names and globs that are included; none where everything is that is not excluded.
    pub(crate) fn included(&self) -> impl Iterator<Item = &str> {
        self.included.iter().map(Pattern::as_str)
    }

    /// Every pattern, included and excluded, without the `!`.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.included.iter().chain(&self.excluded).map(Pattern::as_str)
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for NameList {
    type Err = NameListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for NameList {
    type Error = NameListError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut included = Vec::new();
        let mut excluded = Vec::new();
        for element in elements(&text) {
            let (list, pattern) = match element.strip_prefix('!') {
                Some(pattern) => (&mut excluded, pattern.trim_start()),
                None => (&mut included, element),
            };
            match Pattern::parse(pattern) {
                Ok(pattern) => list.push(pattern),
                Err(reason) => return Err(NameListError { element: element.to_owned(), reason }),
            }
        }
        if included.is_empty() && excluded.is_empty() && !text.trim().is_empty() {
            return Err(NameListError { element: text, reason: NameListProblem::OnlyCommas });
        }
        Ok(Self { text, included, excluded })
    }
}

fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

impl From<NameList> for String {
    fn from(list: NameList) -> String {
        list.text
    }
}

impl fmt::Display for NameList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;

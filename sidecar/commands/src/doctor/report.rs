//! What was found. With `-o json` this is the document.

use serde::Serialize;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// Of what.
    pub place: String,
    /// What is wrong.
    pub message: String,
    pub to_do: String,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Nothing was found.
    pub well: bool,
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub not_known: Vec<String>,
}

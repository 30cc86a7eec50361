//! The report. With `-o json` this is the document.

use serde::Serialize;

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// The object with the fault.
    pub place: String,
    /// The fault and what to do.
    pub message: String,
    pub to_do: String,
}

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// There are no findings.
    pub well: bool,
    pub findings: Vec<Finding>,
    /// What could not be read, and why.
    pub not_known: Vec<String>,
}

//! Prints the report for people.

use std::fmt::Write as _;

use super::report::{Finding, Report};

/// A line for each finding, then what could not be read.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for Finding { place, message, to_do, .. } in &report.findings {
        let _ = writeln!(out, "{place}: {message}; {to_do}");
    }
    if report.findings.is_empty() {
        out.push_str("nothing found\n");
    }
    for missing in &report.not_known {
        let _ = writeln!(out, "not known: {missing}");
    }
    out
}

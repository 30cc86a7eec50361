//! The report for people to read.

use std::fmt::Write as _;

use super::report::{Finding, Report};

/// A line for each finding, then what is not known.
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

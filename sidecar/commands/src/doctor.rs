//! `tcr-assistant doctor`: what is wrong with the installation, each with what to do.
//!
//! `gather` reads with the rights of whoever asks, side by side and within ten seconds, `checks` are functions of what was
//! read, without a client or a clock of their own, and `text` shows what they find.

pub mod checks;
pub mod facts;
pub mod gather;
pub mod text;

use std::io::Write;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::output::Output;
use crate::reader::Reader;

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
    /// What to do.
    pub to_do: String,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Nothing was found.
    pub well: bool,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub not_known: Vec<String>,
}

/// Tells `out` what is wrong; whether nothing is.
///
/// # Errors
/// The API server does not answer, or nothing can be written.
pub async fn run(reader: &Reader, output: Output, out: &mut dyn Write) -> Result<bool> {
    let facts = gather::facts(reader).await;
    if let Some(why) = facts.unreachable() {
        bail!("the API server cannot be asked: {why}; check the kubeconfig and the network: kubectl version");
    }
    let report = checks::report(&facts);
    output.print(&report, text::text, out)?;
    Ok(report.well)
}

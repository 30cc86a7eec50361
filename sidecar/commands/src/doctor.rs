//! `tcr-assistant doctor`: the faults of the installation, each with what to do.
//!
//! `gather` reads with the user's own rights, concurrently and within ten seconds, `checks` are functions of
//! what was read, without a client or a clock of their own, and `text` prints their findings.

pub mod checks;
pub mod facts;
pub mod gather;
pub mod report;
pub mod text;

mod check;

use std::io::Write;

use anyhow::{Result, bail};

use crate::output::Output;
use crate::reader::Reader;

/// Prints the faults to `out`. Returns whether there are none.
///
/// # Errors
/// The API server does not answer, or `out` cannot be written.
pub async fn run(reader: &Reader, output: Output, out: &mut dyn Write) -> Result<bool> {
    let facts = gather::facts(reader).await;
    if let Some(why) = facts.unreachable() {
        bail!("the API server cannot be asked: {why}; check the kubeconfig and the network: kubectl version");
    }
    let report = checks::report(&facts);
    output.print(&report, text::text, out)?;
    Ok(report.well)
}

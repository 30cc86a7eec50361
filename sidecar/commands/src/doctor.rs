//! `tcr-assistant doctor`: what is wrong with the installation, each with what to do.
//!
//! `gather` reads with the user's own rights, side by side and within ten seconds, `checks` are functions of what was
//! read, without a client or a clock of their own, and `text` shows what they find.

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

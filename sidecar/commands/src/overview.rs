//! `tcr-assistant status`: the state of the add-on, on one screen.
//!
//! `gather` reads the cluster with the user's own rights, `report` makes lines of these facts without a
//! client or a clock of its own, `text` prints them.

pub mod gather;
pub mod report;
pub mod text;

use std::io::Write;

use anyhow::{Result, bail};
use jiff::Timestamp;

use crate::output::Output;
use crate::reader::{Reader, Seen};

/// Prints the state of the add-on to `out`. Returns whether everything is ready.
///
/// # Errors
/// The ImagePullSecrets cannot be read, without which there is nothing to report, or `out` cannot be written.
pub async fn run(reader: &Reader, output: Output, out: &mut dyn Write) -> Result<bool> {
    let facts = gather::facts(reader).await;
    if let Seen::Denied(_) | Seen::Failed(_) = facts.asked {
        bail!("cannot read ImagePullSecrets: {}", facts.asked.missing().unwrap_or_default());
    }
    let now = Timestamp::now();
    let report = report::report(&facts, now);
    output.print(&report, |it| text::text(it, now), out)?;
    Ok(report.ready)
}

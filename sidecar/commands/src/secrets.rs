//! `tcr-assistant secrets`: the namespaces of an ImagePullSecret's Secrets, their age, and whether they hold
//! the same. `gather` reads, `report` compares without a client, `text` prints.

mod gather;
pub mod report;
mod text;

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use crate::output::Output;
use crate::reader::Reader;

/// Prints the Secrets to `out`. Returns whether all of them are ours and hold the same.
///
/// # Errors
/// There is no such ImagePullSecret, Secrets cannot be read, or `out` cannot be written.
pub async fn run(reader: &Reader, name: &str, output: Output, out: &mut dyn Write) -> Result<bool> {
    let report = report::report(gather::facts(reader, name).await?);
    output.print(&report, |it| text::text(it, Timestamp::now()), out)?;
    Ok(report.all_the_same)
}

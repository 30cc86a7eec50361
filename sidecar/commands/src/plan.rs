//! `tcr-assistant plan`: what would change in the cluster, where and why, before anything is changed.
//!
//! `input` and `values` read the wanted state, `gather` reads the cluster with the user's own rights,
//! `forecast` calls the controller's own planners, without a client or a clock, and `report` is the result;
//! `text` and `diff` print it.

pub mod diff;
pub mod forecast;
pub mod input;
pub mod known;
pub mod report;
pub mod text;

mod credentials;
mod gather;
mod hosts;
mod values;

use std::io::Write;

use anyhow::{Context as _, Result};

use crate::reader::Reader;
use input::Asked;

/// How to print a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// JSON
    Json,
    /// A unified diff
    Diff,
}

/// The result that sets the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing would change.
    Nothing,
    /// Something would change.
    Changes,
    /// Admission would refuse part of the wanted state.
    Refused,
}

/// Prints to `out` what would change. `tell` receives what is waited for, and an empty text at the end.
///
/// # Errors
/// The cluster or the wanted state cannot be read, or `out` cannot be written.
pub async fn run(
    reader: &Reader,
    asked: &Asked,
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    tell("reading the cluster ...");
    let forecast = gather::forecast(reader, asked).await;
    tell("");
    let plan = forecast?.plan();
    match output {
        Output::Text => out.write_all(text::text(&plan).as_bytes()),
        Output::Diff => out.write_all(diff::diff(&plan).as_bytes()),
        Output::Json => {
            let mut buffered = std::io::BufWriter::new(&mut *out);
            let written = serde_json::to_writer_pretty(&mut buffered, &plan).context("cannot print the plan");
            written?;
            buffered.write_all(b"\n").and_then(|()| buffered.flush())
        }
    }
    .context("cannot write to stdout")?;
    Ok(match () {
        () if !plan.refused.is_empty() => Outcome::Refused,
        () if plan.changes => Outcome::Changes,
        () => Outcome::Nothing,
    })
}

#[cfg(test)]
mod tests;

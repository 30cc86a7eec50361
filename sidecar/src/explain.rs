//! `tcr-assistant explain`: why a Pod's images can be pulled, or cannot.
//!
//! `gather` reads the cluster, with the rights of whoever asks, and asks the registries; `decide` makes findings of
//! these facts, without a client or a clock; `text` shows them.

pub mod decide;
pub mod facts;
pub mod findings;
pub mod gather;
mod image;
pub mod keyring;
mod kubelet;
mod problem;
mod selection;
pub mod text;

use std::io::Write;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use crate::reader::Reader;
use crate::registry::Checker;
use findings::Verdict;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Explains a Pod to `out`; whether nothing was found that keeps its images from being pulled. `tell` gets what is
/// waited for, and nothing at the end.
///
/// # Errors
/// The Pod cannot be read, or nothing can be written.
pub async fn run(
    reader: &Reader,
    checker: Option<&Checker>,
    (namespace, pod): (&str, &str),
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<bool> {
    tell("reading the cluster ...");
    let facts = reader.facts(namespace, pod).await;
    tell("");
    let mut facts = facts?;
    if let Some(checker) = checker {
        tell("asking the registries ...");
        gather::ask(checker, &mut facts).await;
        tell("");
    }
    let findings = decide::findings(&facts);
    let text = match output {
        Output::Text => text::text(&findings, Timestamp::now()),
        Output::Json => serde_json::to_string_pretty(&findings).context("cannot print the findings")? + "\n",
    };
    out.write_all(text.as_bytes()).context("cannot write to stdout")?;
    Ok(findings.verdict != Verdict::Fails)
}

#[cfg(test)]
mod tests;

//! `tcr-assistant explain`: why a Pod's images can be pulled, or cannot.
//!
//! `gather` reads the cluster, with the rights of whoever asks, and asks the registries; `decide` makes findings of
//! these facts, without a client or a clock; `text` shows them.

pub mod conditions;
pub mod decide;
pub mod facts;
pub mod findings;
pub mod gather;
mod image;
mod kubelet;
mod problem;
mod selection;
pub mod text;

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use crate::output::Output;
use crate::reader::Reader;
use findings::Verdict;
use registry_client::Checker;

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
    output.print(&findings, |it| text::text(it, Timestamp::now()), out)?;
    Ok(findings.verdict != Verdict::Fails)
}

#[cfg(test)]
mod tests;

//! `tcr-assistant explain`: why a Pod's images can be pulled, or cannot; and before there is a Pod, which
//! references one would get.
//!
//! `gather` reads the cluster with the user's own rights and asks the registries; `decide` makes findings of
//! these facts, without a client or a clock; `text` prints them.

mod admission;
mod case;
pub mod conditions;
pub mod decide;
pub mod facts;
pub mod findings;
pub mod gather;
mod image;
mod kubelet;
mod objects;
mod problem;
mod selection;
pub mod target;
pub mod text;

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use crate::output::Output;
use crate::reader::Reader;
use findings::Verdict;
use registry_client::Checker;
use target::Target;

/// Prints to `out` the explanation of a Pod, or of an object that Pods are made from. Returns whether nothing
/// was found that keeps its images from being pulled. `tell` receives what is waited for, and an empty text
/// at the end.
///
/// # Errors
/// The object cannot be read, or `out` cannot be written.
pub async fn run(
    reader: &Reader,
    checker: Option<&Checker>,
    (namespace, target): (&str, &Target),
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<bool> {
    tell("reading the cluster ...");
    let facts = reader.facts(namespace, target).await;
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

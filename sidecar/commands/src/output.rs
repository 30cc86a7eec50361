//! Output formats: for people, or for programs.

use std::io::Write;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// How a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// JSON
    Json,
}

impl Output {
    /// Prints an answer to `out`.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn print<T: Serialize>(
        self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
        out: &mut dyn Write,
    ) -> Result<()> {
        let text = match self {
            Self::Text => text(answer),
            Self::Json => serde_json::to_string_pretty(answer).context("cannot print the answer")? + "\n",
        };
        out.write_all(text.as_bytes()).context("cannot write to stdout")
    }
}

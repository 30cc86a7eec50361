//! `tcr-assistant rotate`: replaces the credential in use.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use super::{Outcome, ask};
use crate::output::Output;
use crate::reader::Reader;
use custom_resource::condition::RequestState;
use custom_resource::request::Request;

/// Writes the request, and waits until no copy of the previous credential is left and it is deleted. Returns
/// whether it succeeded.
///
/// # Errors
/// As of [`ask::ask`] and [`ask::wait`], or `out` cannot be written.
pub async fn run(
    reader: &Reader,
    name: &str,
    timeout: Duration,
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<bool> {
    let asked = ask::ask(reader, name, Request::Rotate).await?;
    let outcome = ask::wait(reader, name, &asked, timeout, tell).await?;
    output.print(&outcome, Outcome::text, out)?;
    Ok(outcome.request.state() == Some(RequestState::Done))
}

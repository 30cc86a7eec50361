//! Manual pages of `kubectl tcr` and its commands.

use std::path::Path;

use clap::CommandFactory as _;
use sidecar::args::people::PluginArgs;

/// Writes a page for the program and for each command, `kubectl-tcr-explain.1` and so on, into the folder.
///
/// # Errors
/// The folder cannot be written to.
pub(super) fn write(folder: &Path) -> Result<(), String> {
    // Of the release, and not of the program that prints them.
    let command = PluginArgs::command().bin_name("kubectl-tcr").version(version::NUMBER);
    clap_mangen::generate_to(command, folder)
        .map_err(|error| format!("cannot write manual pages into {}: {error}", folder.display()))
}

//! `tcr-assistant`: reads the command line, sets up logging and TLS, runs, reports.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use sidecar::args::Args;
use sidecar::args::run::LogFormat;

fn main() -> ExitCode {
    // Fails only when there is one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::of_process();
    let log = tracing_subscriber::fmt()
        .with_env_filter(args.log_filter())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match args.log_format() {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    match args.run(&mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) => {
            // A refusal of several objects has a line for each.
            for line in format!("{error:#}").lines() {
                let _ = writeln!(io::stderr().lock(), "error: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

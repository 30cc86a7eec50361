//! `hosts-updater`: see `--help`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use hosts_agent::args::Args;
use hosts_agent::message::Message;
use hosts_agent::run;

fn main() -> ExitCode {
    let args = Args::parse();
    match run::run(args, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a reader of standard error the error cannot be reported.
            let _ = writeln!(io::stderr(), "error: {}", Message::new(error));
            ExitCode::FAILURE
        }
    }
}

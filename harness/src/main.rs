//! `harness`: runs, serves, packages and inspects Kubewarden policies. See `harness --help`.

use std::process::ExitCode;

use harness::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    cli.set_up_logging();
    // One TLS provider in the process; without it the first connection would panic.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider is installed already");
    }
    match cli.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain on one line, by Display: `error: cannot read x: No such file`.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! Benchmarks of tcr-assistant: `bench NAME METRIC VALUE UNIT`, a line for each figure.
//!
//! Figures are ratios to a baseline of the same run wherever they can be, because machines differ
//! and are noisy. `./justw bench NAME` builds and runs one.

use std::process::ExitCode;

use clap::Parser;

mod harness;
mod hosts;
mod policy;
mod review;

/// Measures one part of tcr-assistant and prints a line for each figure:
/// `bench NAME METRIC VALUE UNIT`.
#[derive(Parser)]
#[command(after_help = "Examples:\n  ./justw bench policy\n  ./justw bench harness --check")]
struct Args {
    /// What to measure.
    name: Name,
    /// Exit with 1 where a figure misses its limit.
    #[arg(long)]
    check: bool,
    /// The short form: few calls, unoptimised; proves that the benchmark runs and judges nothing.
    #[arg(long, conflicts_with = "check")]
    smoke: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    /// The policy's evaluation, from AdmissionReview bytes to AdmissionReview bytes.
    Policy,
    /// The webhook's evaluation of a Pod of a megabyte; `e2e serve` measures the rest.
    Serve,
    /// The harness as a program: commands, the webhook's speed and memory, cold starts, reloads.
    Harness,
    /// What `harness` compares with: a server that answers each review with the same bytes.
    #[value(hide = true)]
    FixedServer,
    /// The node agent: its size and memory, and how the hosts file changes.
    Hosts,
}

fn main() -> ExitCode {
    let Args { name, check, smoke } = Args::parse();
    let figures = match name {
        Name::Policy => policy::measure(smoke),
        Name::Serve => policy::measure_large(smoke),
        Name::Harness => harness::measure(smoke),
        Name::FixedServer => harness::fixed_server::run().map(|()| Vec::new()),
        Name::Hosts => hosts::measure(smoke),
    };
    match figures {
        Ok(figures) => {
            figure::print(&figures);
            let missed = figures.iter().any(|figure| figure.is_missed());
            if check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

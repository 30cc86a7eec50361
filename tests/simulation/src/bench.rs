//! `bench simulate`: how many histories one core tries in a second.

use std::process::ExitCode;

use clap::Parser;
use figure::Figure;
use rustix::time::{ClockId, clock_gettime};
use simulation::campaign::{self, Progress};

/// The same as of `simulate`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The least that is good enough: a million histories in less than ten minutes.
const LEAST: f64 = 2000.0;
/// Histories of the short form.
const SMOKE: u64 = 20_000;
/// Histories of the long form.
const WHOLE: u64 = 100_000;

/// Measure how many histories one core tries in a second that it has for them.
#[derive(Debug, Parser)]
#[command(name = "bench-simulate")]
struct Args {
    /// Exit with 1 where the limit is missed
    #[arg(long)]
    check: bool,
    /// 20000 histories instead of 100000
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let began = core_seconds();
    let histories = if args.smoke { SMOKE } else { WHOLE };
    let summary = campaign::run(0..histories, 1, &Progress::default());
    let took = core_seconds() - began;
    if let Some((seed, broken)) = summary.failed.first() {
        eprintln!("seed {seed}: {}: {} (./justw simulate --seed {seed})", broken.rule, broken.how);
        return ExitCode::FAILURE;
    }
    let figure = |metric, value, unit| Figure { name: "simulate", metric, value, unit, limit: None };
    let rate = summary.histories as f64 / took;
    figure::print(&[
        figure("histories_per_second", rate, "histories"),
        figure("inputs_median", f64::from(summary.median_inputs()), "inputs"),
        figure("rarest_fault", summary.faults().first().map_or(0.0, |(_, share)| share * 100.0), "percent"),
    ]);
    if rate < LEAST {
        eprintln!("missed: simulate histories_per_second is {rate:.0}, the limit is at least {LEAST:.0}");
        if args.check {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Seconds that this thread has had a core: what else runs on the machine takes others.
fn core_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

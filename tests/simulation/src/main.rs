//! `simulate`: histories of a simulated cluster, each from its seed.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use simulation::campaign::{self, Progress, Summary};
use simulation::history::Outcome;
use simulation::view::Views;
use simulation::{action, history, shrink};

/// Histories make and drop small objects by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run the controller's decisions against a simulated cluster, cloud and registry, with faults at random.
///
/// Each seed is one history: what watches tell and when, what becomes of each call, when the controller is killed or
/// superseded, and what everybody else does. When a history is over, everything has to become right and quiet. The first
/// one in which a rule is broken is shrunk to its shortest form and printed.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    after_help = "\
Examples:
  simulate                          10000 histories, from seed 0
  simulate --seed 42                the history of seed 42, step by step
  simulate --seed 42 --histories 9  the histories of seeds 42 to 50

Exit codes: 0 no rule was broken, 1 one was, 2 wrong usage."
)]
struct Args {
    /// The first seed; without --histories its history is told step by step
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many histories, of consecutive seeds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    histories: Option<u64>,
    /// Threads; by default one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Go on after a failed history, and only name the seeds of all that failed
    #[arg(long)]
    keep_going: bool,
    /// How to print what the histories were like
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let (Some(seed), None) = (args.seed, args.histories) {
        return tell(seed);
    }
    let (first, histories) = (args.seed.unwrap_or(0), args.histories.unwrap_or(10_000));
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or_else(cores, usize::from);
    let began = Instant::now();
    let progress = Progress::default();
    let most_failures = if args.keep_going { usize::MAX } else { 1 };
    let summary = std::thread::scope(|scope| {
        let show = scope.spawn(|| show(&progress, histories));
        let summary = campaign::run_on(threads, first, histories, most_failures, &progress);
        progress.stop.store(true, Ordering::Relaxed);
        show.thread().unpark();
        summary
    });
    print(&summary, began.elapsed(), args.output);
    match summary.failed.first() {
        None => ExitCode::SUCCESS,
        Some(_) if args.keep_going => {
            for (seed, broken) in &summary.failed {
                eprintln!("seed {seed}: {}: {}", broken.rule, broken.how);
            }
            ExitCode::FAILURE
        }
        Some((seed, _)) => tell(*seed),
    }
}

/// Shows on a terminal how far it is.
fn show(progress: &Progress, histories: u64) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    while !progress.stop.load(Ordering::Relaxed) {
        eprint!("\rsimulate: {} of {histories} histories", progress.done.load(Ordering::Relaxed));
        std::thread::park_timeout(Duration::from_millis(200));
    }
    eprint!("\r{:60}\r", "");
}

/// The history of one seed, step by step; where a rule is broken, in its shortest form.
fn tell(seed: u64) -> ExitCode {
    let views = Rc::new(Views::new());
    let actions = action::draw(seed);
    let outcome = history::run(seed, &actions, &views, None);
    let Some(broken) = &outcome.broken else {
        history::run(seed, &actions, &views, Some(say));
        say(&format!("seed {seed}: {} inputs, and no rule was broken", outcome.inputs));
        return ExitCode::SUCCESS;
    };
    eprintln!("seed {seed}: {}: {}", broken.rule, broken.how);
    let (fewest, outcome) = shrink::shrink(seed, &actions, &outcome, &views);
    eprintln!("of {} actions these are left:", actions.len());
    history::run(seed, &fewest, &views, Some(say));
    let Outcome { broken: Some(broken), .. } = outcome else { return ExitCode::FAILURE };
    eprintln!("{}: {}\nseed {seed} puts it again: ./justw simulate --seed {seed}", broken.rule, broken.how);
    eprintln!("once it is mended, tests/simulation/tests/mended.rs keeps it:\n({seed}, &{fewest:?}),");
    ExitCode::FAILURE
}

fn say(line: &str) {
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn print(summary: &Summary, took: Duration, output: Output) {
    let rate = summary.histories as f64 / took.as_secs_f64();
    if output == Output::Json {
        let faults: serde_json::Map<String, serde_json::Value> =
            summary.faults().into_iter().map(|(name, share)| (name, share.into())).collect();
        return say(&serde_json::json!({
            "histories": summary.histories,
            "medianInputs": summary.median_inputs(),
            "historiesPerSecond": rate,
            "digest": format!("{:016x}", summary.digest),
            "faults": faults,
            "failed": summary.failed.iter().map(|(seed, broken)| {
                serde_json::json!({"seed": seed, "rule": broken.rule, "how": broken.how})
            }).collect::<Vec<_>>(),
        })
        .to_string());
    }
    say(&format!(
        "{} histories, {} failed; half of them have {} inputs or more; {rate:.0} histories each second",
        summary.histories,
        summary.failed.len(),
        summary.median_inputs()
    ));
    say("histories with each kind of fault:");
    for (name, share) in summary.faults() {
        say(&format!("  {:6.2} %  {name}", share * 100.0));
    }
}

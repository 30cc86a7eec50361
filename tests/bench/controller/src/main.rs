//! The controller's benchmark, on a real kube-apiserver, etcd and kube-controller-manager:
//! `./justw bench controller`.
//!
//! What takes time is compared with a writer without any logic, which holds the same watches and sends
//! as many writes of the same size with the same concurrency to the same API server, in turn with the
//! controller. What takes memory is the controller's own process, as Linux counts it. The program is the one that
//! ships: static, of the profile `image`.

use std::process::ExitCode;

use clap::Parser;

mod cluster;
mod fill;
mod hostile;
mod latency;
mod people;
mod progress;
mod raw;
mod refused;
mod sizes;
mod steady;
mod subject;
mod tenants;

use progress::say;
use sizes::Sizes;

/// Measures the controller and prints a line for each figure: `bench controller METRIC VALUE UNIT`.
#[derive(Parser)]
#[command(after_help = "Examples:\n  ./justw bench controller\n  ./justw bench controller --check\n  \
                  ./justw bench controller --smoke")]
struct Args {
    /// Exit with 1 where a figure misses its limit.
    #[arg(long)]
    check: bool,
    /// The short form: few namespaces, unoptimised; proves that the benchmark runs and judges nothing.
    #[arg(long, conflicts_with = "check")]
    smoke: bool,
    /// Namespaces of the large part, for a look in between.
    #[arg(long, value_name = "N", conflicts_with_all = ["check", "smoke"])]
    namespaces: Option<usize>,
    /// Measure what people ask instead: `bench people METRIC VALUE UNIT`.
    #[arg(long)]
    people: bool,
    /// Measure this part of memory alone, for a look in between.
    #[arg(long, value_name = "PART", conflicts_with_all = ["check", "smoke", "people"])]
    only: Option<Part>,
}

/// A part that can be measured without those before it.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// Every reference is refused.
    Refused,
    /// Objects of others, as large as may be.
    Hostile,
}

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Args { check, smoke, namespaces, people, only } = Args::parse();
    let sizes = match (smoke, namespaces) {
        (true, _) => Sizes::smoke(),
        (false, Some(namespaces)) => Sizes::full().with_namespaces(namespaces),
        (false, None) => Sizes::full(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let figures = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match (people, only) {
                (true, _) => measure_people(&sizes, smoke).await,
                (false, Some(part)) => measure_only(part, &sizes).await,
                (false, None) => measure(&sizes, smoke).await,
            }
        })
    });
    match figures {
        Ok(missed) => {
            if check && missed {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints each part's figures when it is through; whether one missed its limit.
async fn measure(sizes: &Sizes, smoke: bool) -> anyhow::Result<bool> {
    let mut missed = false;
    let mut tell = |figures: Vec<figure::Figure>| {
        figure::print(&figures);
        missed |= figures.iter().any(figure::Figure::is_missed);
    };
    say("starting a control plane");
    let program = subject::program(smoke)?;
    let mut cluster = cluster::Cluster::start(program.clone()).await?;
    let (few, all) = (sizes.few, sizes.namespaces);
    say(&format!("making {few} namespaces with one ServiceAccount each"));
    cluster.grow(few, 1).await?;
    tell(fill::small(&mut cluster, sizes).await?);
    tell(tenants::measure(&cluster, sizes).await?);
    say(&format!("making {all} namespaces with three ServiceAccounts each"));
    cluster.grow(all, 3).await?;
    tell(fill::large(&mut cluster, sizes).await?);
    tell(steady::measure(&mut cluster, sizes).await?);
    tell(latency::measure(&mut cluster, sizes).await?);
    tell(steady::foreign(&mut cluster, sizes).await?);
    tell(refused::measure(&mut cluster).await?);
    drop(cluster);
    say("starting another control plane");
    let mut cluster = cluster::Cluster::start(program).await?;
    tell(hostile::measure(&mut cluster, sizes).await?);
    Ok(missed)
}

/// Prints the figures of one part; whether one missed its limit.
async fn measure_only(part: Part, sizes: &Sizes) -> anyhow::Result<bool> {
    say("starting a control plane");
    let mut cluster = cluster::Cluster::start(subject::program(false)?).await?;
    let figures = match part {
        Part::Refused => {
            say(&format!("making {} namespaces with three ServiceAccounts each", sizes.namespaces));
            cluster.grow(sizes.namespaces, 3).await?;
            refused::measure(&mut cluster).await?
        }
        Part::Hostile => hostile::measure(&mut cluster, sizes).await?,
    };
    figure::print(&figures);
    Ok(figures.iter().any(figure::Figure::is_missed))
}

/// Prints the figures of what people ask; whether one missed its limit.
async fn measure_people(sizes: &Sizes, smoke: bool) -> anyhow::Result<bool> {
    say("starting a control plane");
    let mut cluster = cluster::Cluster::start(subject::program(smoke)?).await?;
    let figures = people::measure(&mut cluster, sizes).await?;
    figure::print(&figures);
    Ok(figures.iter().any(figure::Figure::is_missed))
}

//! Whole stories on real Kubernetes: `e2e control-plane`, `e2e alerts`, `e2e cert-manager`, `e2e gitops`, `e2e hostile`,
//! `e2e flagship`, `e2e private-network`, `e2e networks`, `e2e tenants`, `e2e broken`, `e2e upgrade`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod alerts;
mod broken;
mod caller;
mod cert_manager;
mod chart;
mod control_plane;
mod flagship;
mod gitops;
mod hostile;
mod installed;
mod networks;
mod private_network;
mod replica;
mod review;
mod serve;
mod speed;
mod steps;
mod tenants;
mod upgrade;
mod world;

use steps::Steps;

/// Tells a story on real Kubernetes, step by step, with the time that each took.
#[derive(Parser)]
#[command(
    name = "e2e",
    about,
    after_help = "The last line counts: \"N passed, N failed\". Exit codes: 0 the story holds, 1 a step failed, 2 wrong \
        usage.\nBuild what it runs first: ./justw e2e NAME does."
)]
struct Args {
    #[command(subcommand)]
    story: Story,
}

#[derive(Subcommand)]
enum Story {
    /// The chart on a control plane without nodes: the controller distributes, the policy admits
    ControlPlane,
    /// The chart's alerts, each fired by a real fault and ended by what mends it, as a real Prometheus sees it
    Alerts,
    /// The webhook's certificate by cert-manager's kinds, and its cainjector
    CertManager,
    /// Argo CD and Flux, by their own comparison: nothing that the add-on does in a cluster is a difference to them
    Gitops,
    /// Every listener of the add-on, held to its container's limits, attacked by a thousand callers in each way (root only)
    Hostile {
        /// Fewer callers, for a shorter time
        #[arg(long)]
        short: bool,
        /// Callers of each attack [default: 1000, with --short 200]
        #[arg(long, value_name = "COUNT")]
        callers: Option<usize>,
        /// Attack what the tests have built instead of what ships; nothing holds that to the limits
        #[arg(long)]
        built: bool,
    },
    /// How the webhook stands load and attack, as lines of `./justw bench serve` (root only, but for --smoke)
    Serve {
        /// Exit with 1 where a figure misses its limit
        #[arg(long)]
        check: bool,
        /// The short form, with what the tests have built; judges nothing
        #[arg(long, conflicts_with = "check")]
        smoke: bool,
    },
    /// On real nodes: a Pod with no pull secret runs from a private instance, over the private address (root only)
    Flagship,
    /// On real nodes: hosts files follow the private link, whatever happens to it, the list, the files and the nodes (root only)
    PrivateNetwork,
    /// On real nodes: those of two VPCs each follow the link of their own, over CCN too, and never have the other's entry,
    /// whatever somebody asks for (root only)
    Networks,
    /// On real nodes: two tenants of one instance, each with an account of its own that pulls its repositories and not the
    /// other's, whatever is on the node already and whoever is killed (root only)
    Tenants,
    /// On real nodes: what `explain` says of a node that is broken, and that doing it heals it (root only)
    Broken {
        /// In this way only, of those in docs/pull-failures.md (repeatable)
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
    },
    /// On real nodes: how long a change takes to reach their hosts files, as lines of `./justw bench hosts` (root only)
    Speed {
        /// Exit with 1 where a figure misses its limit
        #[arg(long)]
        check: bool,
    },
    /// The same cluster, shown to a person: what a user types, and what comes of it (root only)
    Tour {
        /// Keep the cluster until Ctrl-C, and say how to reach it
        #[arg(long)]
        keep: bool,
    },
    /// On real nodes: helm upgrades from the release before, and back, while Pods are made all the time, and none is
    /// refused or lacks its reference (root only)
    Upgrade {
        /// The release before: a folder with its chart, and its images as images/NAME.tar, as tests/release-before makes it
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Start one node and wait; the flagship kills it
    #[command(hide = true)]
    Hold,
}

fn main() -> ExitCode {
    let Args { story } = Args::parse();
    let mut steps = Steps::default();
    let told = match story {
        Story::ControlPlane => control_plane::tell(&mut steps),
        Story::Alerts => alerts::tell(&mut steps),
        Story::CertManager => cert_manager::tell(&mut steps),
        Story::Gitops => gitops::tell(&mut steps),
        Story::Hostile { short, callers, built } => {
            hostile::tell(&mut steps, hostile::Extent::new(short, callers, built))
        }
        Story::Serve { check, smoke } => return measured(serve::measure(smoke), check),
        Story::Flagship => flagship::tell(&mut steps),
        Story::Broken { only } => broken::tell(&mut steps, &only),
        Story::PrivateNetwork => private_network::tell(&mut steps),
        Story::Networks => networks::tell(&mut steps),
        Story::Tenants => tenants::tell(&mut steps),
        Story::Speed { check } => return measured(speed::measure(), check),
        Story::Upgrade { from } => upgrade::tell(&mut steps, &from),
        Story::Hold => flagship::hold(),
        Story::Tour { keep } => flagship::tour(&mut steps, keep),
    };
    steps.end(told)
}

/// The exit code of a measurement, of which it is known whether a figure missed its limit.
fn measured(missed: anyhow::Result<bool>, check: bool) -> ExitCode {
    match missed {
        Ok(missed) if check && missed => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

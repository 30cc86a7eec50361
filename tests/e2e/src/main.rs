//! Whole stories on real Kubernetes: `e2e control-plane`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod control_plane;
mod network;
mod replica;
mod steps;

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
}

fn main() -> ExitCode {
    let Args { story } = Args::parse();
    let mut steps = Steps::default();
    let told = match story {
        Story::ControlPlane => control_plane::tell(&mut steps),
    };
    steps.end(told)
}

//! A Kubernetes control plane for a developer: `cluster up`, `cluster env`, `cluster down`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use support::standing::Standing;

#[derive(Parser)]
#[command(
    name = "cluster",
    about = "A real Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager",
    long_about = "A real Kubernetes control plane on this machine: etcd, kube-apiserver and \
        kube-controller-manager, without nodes: Pods stay Pending. Its programs are built by Go the first time (about \
        10 minutes), or taken from KUBEBUILDER_ASSETS. It stays until `down`, a restart of the machine, or until \
        its keeper is killed; then nothing of it is left.",
    after_help = "Examples:\n  cluster up\n  eval \"$(cluster env)\"\n  kubectl get namespaces\n  cluster down"
)]
struct Args {
    /// The folder for the cluster's state [default: cluster in the cache folder]; another folder, another cluster
    #[arg(long, global = true, env = "TCR_ASSISTANT_CLUSTER", value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Start it, if it is not up, and wait until it is ready
    Up,
    /// Stop it and remove everything of it
    Down,
    /// Print the shell commands that point kubectl at it: eval "$(cluster env)"
    Env,
    /// Say whether it is up, and where (exit code 1: it is not)
    Status,
    /// Keep a cluster up; what `up` starts in the background
    #[command(hide = true)]
    Keep,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Args { state, what }: Args) -> Result<ExitCode> {
    let standing = Standing::new(state.clone())?;
    let not_up = "no cluster is up; `cluster up` starts one";
    match what {
        What::Up => {
            let mut keeper = Command::new(std::env::current_exe()?);
            keeper.arg("keep");
            if let Some(state) = state {
                keeper.arg("--state").arg(std::path::absolute(state)?);
            }
            let cluster = standing.up(&mut keeper).await?;
            say(&format!("up at {}\nKUBECONFIG={}", cluster.url, cluster.kubeconfig.display()))?;
        }
        What::Down => {
            say(if standing.down().await? { "down" } else { "no cluster was up" })?;
        }
        What::Env => match standing.get()? {
            Some(cluster) => {
                let [kubeconfig, programs] =
                    [&cluster.kubeconfig, &cluster.programs].map(|path| quoted(&path.display().to_string()));
                say(&format!("export KUBECONFIG={kubeconfig}\nexport PATH={programs}:\"$PATH\""))?;
            }
            None => anyhow::bail!(not_up),
        },
        What::Status => match standing.get()? {
            Some(cluster) => {
                say(&format!(
                    "up at {}\nkubeconfig: {}\nlogs and data: {}\nkept by process {}",
                    cluster.url,
                    cluster.kubeconfig.display(),
                    cluster.folder.display(),
                    cluster.keeper
                ))?;
            }
            None => {
                say(not_up)?;
                return Ok(ExitCode::FAILURE);
            }
        },
        What::Keep => standing.keep().await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

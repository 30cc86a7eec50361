//! The command line of `tcr-assistant`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use commands::withdraw;
use people::{PeopleCommand, PluginArgs, is_plugin};
use run::{LogFormat, RunArgs};

pub mod cleanup;
pub mod cloud;
pub mod cluster;
pub mod completion;
pub mod doctor;
pub mod nodes;
pub mod people;
pub mod plan;
pub mod registry;
pub mod render;
pub mod request;
pub mod run;
pub mod secrets;

mod progress;
mod value_parser;

/// Pull secrets for Tencent Container Registry: obtained, kept valid and distributed.
#[derive(Debug, Parser)]
#[command(name = "tcr-assistant", version = version::long(), about, after_help = EXAMPLES)]
pub struct Args {
    /// What to log to stderr: error, warn, info, debug, trace, or one of them per module; warn by default, info for `run`
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", value_parser = value_parser::log_filter)]
    pub log: Option<String>,
    /// The command that is run.
    #[command(subcommand)]
    pub command: Command,
}

/// What scripts for completion ask by, as those of cobra's programs.
const COMPLETE: &str = "__complete";

const WITHOUT_ANSWERS: &str = "kube_client=error";

const EXAMPLES: &str = "\
Examples:
  See what an ImagePullSecret leads to, without showing the credential:
    tcr-assistant render -f demo.yaml --cluster-id cls-12345678 --mask
  Install the custom resource:
    tcr-assistant crd | kubectl apply -f -
  See how the add-on is in the cluster that KUBECONFIG names, and why a Pod does not get its image:
    tcr-assistant status
    tcr-assistant explain pod/web-5d8f7 -n shop
  See what a manifest would change, before it is applied:
    tcr-assistant plan -f demo.yaml
  Take everything out of the cluster that KUBECONFIG names:
    tcr-assistant cleanup --dry-run
  Be the controller of the cluster that KUBECONFIG names:
    tcr-assistant run --cluster-id cls-12345678

Exit codes: 0 done, 1 bad input, settings, a failed call or a failed check, 2 wrong usage; those of plan are its own.";

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What people ask and do.
    #[command(flatten)]
    People(PeopleCommand),
    /// Keep a cluster as its ImagePullSecrets say: the controller
    Run(Box<RunArgs>),
    /// Take our entries off the nodes' hosts files, and wait until they are gone: before the add-on is removed
    WithdrawHosts {
        /// Longest time to wait for the nodes, such as 2m; nodes that do not follow are named then
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = value_parser::timeout)]
        wait: Duration,
    },
}

impl Args {
    /// What to log.
    ///
    /// The client of the API server logs an answer that it cannot parse whole, as a warning, and an answer may be a
    /// Secret: of that target nothing below an error is logged, whatever is asked for.
    pub fn log_filter(&self) -> EnvFilter {
        let usual = if matches!(self.command, Command::Run(_)) { "info" } else { "warn" };
        let asked = self.log.as_deref().unwrap_or(usual);
        // Of two directives for one target the last one holds; one for a module of it would win, so there is none.
        let asked = asked.split(',').filter(|it| !it.starts_with("kube_client"));
        EnvFilter::new(asked.chain([WITHOUT_ANSWERS]).collect::<Vec<_>>().join(","))
    }

    /// How log lines look.
    pub fn log_format(&self) -> LogFormat {
        match &self.command {
            Command::Run(args) => args.log_format,
            Command::People(_) | Command::WithdrawHosts { .. } => LogFormat::Text,
        }
    }

    /// The command line of this process. Under the name `kubectl-tcr`, by which kubectl finds its plugins, there are
    /// only the commands for people.
    pub fn of_process() -> Self {
        let mut words = std::env::args_os().skip(1);
        if words.next().is_some_and(|word| word == COMPLETE) {
            // Whatever they are: they are a part of a command line.
            let words = words.map(|word| word.to_string_lossy().into_owned()).collect();
            return Self { log: None, command: Command::People(PeopleCommand::Complete { words }) };
        }
        let parsed = match is_plugin() {
            true => PluginArgs::try_parse()
                .map(|PluginArgs { log, command }| Self { log, command: Command::People(command) }),
            false => Self::try_parse(),
        };
        parsed.unwrap_or_else(|error| {
            // Of plan, 2 says that there are changes.
            if error.use_stderr() && Self::is_of_plan() {
                // Nowhere to tell that stderr is closed.
                let _ = error.print();
                std::process::exit(1);
            }
            error.exit()
        })
    }

    /// Whether what cannot be understood was to be a plan.
    fn is_of_plan() -> bool {
        let command = if is_plugin() { PluginArgs::command() } else { Self::command() };
        let matches = command.ignore_errors(true).try_get_matches();
        matches.is_ok_and(|matches| matches.subcommand_name() == Some("plan"))
    }

    /// Does what was asked: objects go to `out`, words to stderr.
    pub fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut tell = |line: &str| {
            // Nowhere to tell that stderr is closed.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        };
        let done = runtime.block_on(async {
            match self.command {
                Command::People(command) => return command.run(out, &mut tell).await,
                Command::Run(args) => args.run().await?,
                Command::WithdrawHosts { wait } => {
                    let (client, _) = controller::client().await?;
                    withdraw::run(client, wait, &mut tell).await?;
                }
            }
            Ok(ExitCode::SUCCESS)
        });
        // What still waits, such as for a name that is being looked up, waits for nothing.
        runtime.shutdown_background();
        done
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn whatever_is_to_be_logged_no_answer_of_the_api_server_is() {
        let check = |asked: &[&str], expected: Expect| {
            let args = Args::try_parse_from(["tcr-assistant"].iter().chain(asked).chain(&["crd"])).unwrap();
            let filter = args.log_filter().to_string();
            let mut directives: Vec<&str> = filter.split(',').collect();
            directives.sort_unstable();
            expected.assert_eq(&directives.join(","));
        };
        check(&["--log=debug"], expect!["debug,kube_client=error"]);
        check(&["--log=kube_client=trace,info"], expect!["info,kube_client=error"]);
        check(
            &["--log=info,kube_client::client=warn,sidecar=debug"],
            expect!["info,kube_client=error,sidecar=debug"],
        );
    }
}

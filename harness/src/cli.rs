//! The command line: one struct for each subcommand, with its arguments and `execute`.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::error::ContextKind;
use clap::{ArgAction, CommandFactory as _, Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

mod about;
mod annotate;
mod bench;
mod compatibility;
mod files;
mod host_capabilities;
mod input;
mod inspect;
mod operation;
mod policy;
mod pull;
mod push;
mod report;
mod run;
mod scaffold;
mod serve;
mod source;
mod stored;
mod test;

use serve::LogFormat;

#[cfg(test)]
mod tests;

pub use about::{Completions, Docs, Info, Verify};
pub use annotate::Annotate;
pub use bench::Bench;
pub use inspect::Inspect;
pub use pull::Pull;
pub use push::Push;
pub use run::Run;
pub use scaffold::Scaffold;
pub use serve::Serve;
pub use stored::{Digest, Load, Policies, Rm, Save};
pub use test::Test;

const EXAMPLES: &str = "\
Examples:
  harness run policy.wasm -r pod.yaml -s settings.yml -o diff     what would happen to these objects
  harness run policy.wasm -r review.json                          one AdmissionResponse, as kwctl prints it
  harness test policy.wasm cases/                                 do these requests still get these answers?
  harness annotate raw.wasm -m metadata.yml -o policy.wasm        write the metadata into the module
  harness inspect policy.wasm
  harness bench policy.wasm -r review.json                        how long, how many, how much memory
  harness push policy.wasm registry://registry.example.com/policies/tcr:v1
  harness serve --policies policies.yml --cert-file tls.crt --key-file tls.key    an admission webhook

Exit codes: 0 done (also when the policy refuses), 1 bad input or settings or a failed case, 2 wrong usage.";

/// Runs, tests, serves, packages and inspects Kubewarden policies (wasm modules with a waPC interface)
#[derive(Debug, Parser)]
#[command(name = "harness", version = version::long(), after_help = EXAMPLES)]
pub struct Cli {
    /// Log more: -v what happens and what the policy says, -vv details, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Never colour the output (also: NO_COLOR in the environment)
    #[arg(long, global = true, alias = "log-no-color")]
    no_color: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<Run>),
    Test(Test),
    Bench(Box<Bench>),
    Serve(Box<Serve>),
    Annotate(Annotate),
    Inspect(Inspect),
    Scaffold(Scaffold),
    Push(Push),
    Pull(Pull),
    Digest(Digest),
    Verify(Verify),
    Policies(Policies),
    Rm(Rm),
    Save(Save),
    Load(Load),
    Completions(Completions),
    Docs(Docs),
    Info(Info),
    /// Print what becomes of policy-server's and kwctl's options here
    Options,
}

impl Cli {
    /// Reads the process's arguments; usage that is wrong ends it. A flag that Kubewarden's tools have and this one has
    /// not is told why.
    /// Under the name `policy-server` it is that program: a PolicyServer's image starts it so, without arguments.
    pub fn of_process() -> Self {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if arguments.first().is_some_and(|program| Path::new(program).ends_with("policy-server")) {
            arguments.insert(1, "serve".into());
        }
        Self::try_parse_from(&arguments).unwrap_or_else(|error| {
            let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
            let flag = unknown.split('=').next().unwrap_or_default();
            let words = arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned());
            let words: Vec<String> = words.filter(|word| !word.starts_with('-')).take(2).collect();
            let commands = [words.join(" "), words.into_iter().next().unwrap_or_default()];
            if let Some(why) = commands.iter().find_map(|command| compatibility::reason(command, flag)) {
                eprintln!("{flag} cannot be honoured: {why}\n");
            }
            error.exit()
        })
    }

    /// Sends the log to standard error: warnings, and more with `-v`; a server's as its flags say.
    pub fn set_up_logging(&self) {
        let level = match self.verbose {
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let ansi = self.colour(&io::stderr());
        let output = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi);
        let registry = tracing_subscriber::registry();
        let set = match &self.command {
            Command::Serve(serve) => match serve.logging() {
                (own, LogFormat::Text) => {
                    registry.with(output.with_filter(bounded_log(own.max(level)))).try_init()
                }
                (own, LogFormat::Json) => {
                    let output = output.json().flatten_event(true);
                    registry.with(output.with_filter(bounded_log(own.max(level)))).try_init()
                }
            },
            _ => {
                let mut filter = bounded_log(level);
                if self.verbose == 0 {
                    // What this run's flags keep from the policy is known to the person who gave them.
                    filter = filter.with_target("host_capabilities", LevelFilter::ERROR);
                }
                registry.with(output.without_time().with_filter(filter)).try_init()
            }
        };
        if set.is_err() {
            tracing::debug!("logging is set up already");
        }
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, with the file, field or value it was about.
    pub fn execute(self) -> anyhow::Result<()> {
        let colour = self.colour(&io::stdout());
        match self.command {
            Command::Run(run) => run.execute(colour),
            Command::Test(test) => test.execute(colour),
            Command::Bench(bench) => bench.execute(),
            Command::Serve(serve) => serve.execute(),
            Command::Annotate(annotate) => annotate.execute(),
            Command::Inspect(inspect) => inspect.execute(),
            Command::Scaffold(scaffold) => scaffold.execute(),
            Command::Push(push) => push.execute(),
            Command::Pull(pull) => pull.execute(),
            Command::Digest(digest) => digest.execute(),
            Command::Verify(verify) => verify.execute(),
            Command::Policies(policies) => policies.execute(),
            Command::Rm(rm) => rm.execute(),
            Command::Save(save) => save.execute(),
            Command::Load(load) => load.execute(),
            Command::Completions(completions) => completions.execute(&mut Self::command()),
            Command::Docs(docs) => docs.execute(Self::command()),
            Command::Info(info) => info.execute(),
            Command::Options => files::print(&compatibility::table()),
        }
    }

    fn colour(&self, stream: &impl io::IsTerminal) -> bool {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        wanted && !self.no_color && stream.is_terminal()
    }
}

/// A level for all but the client of the API server, which logs an answer that it cannot parse, whole, and an answer
/// may be a Secret; and the server of HTTP/2, which has a warning for each stream that a caller takes back.
fn bounded_log(level: LevelFilter) -> Targets {
    let error = LevelFilter::ERROR.min(level);
    Targets::new().with_default(level).with_target("kube_client", error).with_target("h2", error)
}

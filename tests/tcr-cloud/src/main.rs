//! `tcr-cloud`: the double as a program, for scripts and demonstrations.

mod args;
mod serve;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use tcr_cloud::{Account, Config};

use args::{Args, Command, Env};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The alternate form is the whole chain in one line.
            let _ = writeln!(io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Env(Env { config, account }) => {
            let config = args::load(config.as_deref())?;
            print(&exports(pick(&config, account.as_deref())?, &config))
        }
        Command::Config => {
            print(&serde_saphyr::to_string(&Config::demo()).context("cannot write the configuration")?)
        }
    }
}

fn pick<'a>(config: &'a Config, secret_id: Option<&str>) -> Result<&'a Account> {
    let found = match secret_id {
        None => config.accounts.first(),
        Some(id) => config.accounts.iter().find(|account| account.secret_id == id),
    };
    found.with_context(|| {
        format!("--account: the configuration has no account {:?}", secret_id.unwrap_or_default())
    })
}

/// Lines that a shell reads with `eval "$(tcr-cloud env)"`.
fn exports(account: &Account, config: &Config) -> String {
    let region = config.instances.first().map(|instance| ("TENCENTCLOUD_REGION", instance.region.as_str()));
    account.variables().chain(region).map(|(name, value)| export(name, value)).collect()
}

fn export(name: &str, value: &str) -> String {
    format!("export {name}='{}'\n", value.replace('\'', r"'\''"))
}

/// A program's output; to a reader who has seen enough, nothing is owed.
fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

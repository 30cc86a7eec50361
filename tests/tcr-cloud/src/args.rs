//! The command line.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tcr_cloud::Config;

/// A test double of Tencent Cloud's API for TCR.
///
/// It checks signatures, clocks, parameters and rates as the real API does, mints credentials, and
/// misbehaves on demand. Nothing leaves this machine.
#[derive(Parser)]
#[command(name = "tcr-cloud", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = r#"Examples:
  tcr-cloud serve --ready-file /tmp/cloud.url --exit-with-stdin
  eval "$(tcr-cloud env)"                 the demo account's key, for the program under test
  tcr-cloud config > cloud.yaml           a configuration to start from

While it runs, on the same port:
  curl $URL/_admin/                       what there is
  curl $URL/_admin/tokens                 the credentials minted, without passwords
  curl $URL/_admin/token-requests         who asked the token service for what, and what was granted
  curl $URL/_admin/faults -H 'content-type: application/json' \
    -d '{"action": "CreateInstanceToken", "times": 1, "when": "afterEffect", "kind": "drop"}'

A registry that asks it about every pull (docker-registry's configuration):
  auth: {token: {realm: $URL/service/token/tcr-demo0001, service: harbor-registry,
                 issuer: harbor-token-issuer, rootcertbundle: FILE of --token-certificate}}

Kinds of faults:
  "drop" "cutOff" "garbage" "emptyBody" "truncatedJson" {"status": 502} {"delay": MILLISECONDS}
  {"error": {"code": "InternalError"}} {"legacyError": {"code": 4000}}
  {"lie": {"field": "Token", "value": ""}}

Exit codes: 0 done, 1 bad configuration or address, 2 wrong usage."#;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Listen until SIGTERM or SIGINT; the first line of output says where
    Serve(Serve),
    /// Print an account's key as shell exports, so that it need not stand in a command line
    Env(Env),
    /// Print the demo configuration as YAML
    Config,
}

#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Accounts, instances and behaviour [default: one account, one instance tcr-demo0001]
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: the configuration's, or 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Write the URL to this file once it answers
    #[arg(long, value_name = "PATH")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Write the certificate of the token service, for a registry's rootcertbundle, to this file before it answers
    #[arg(long, value_name = "FILE")]
    pub(crate) token_certificate: Option<PathBuf>,
    /// Stop also when stdin closes, so that a script that is killed leaves nothing running
    #[arg(long)]
    pub(crate) exit_with_stdin: bool,
}

#[derive(clap::Args)]
pub(crate) struct Env {
    /// The configuration to look in [default: the demo]
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// The account's secret id [default: the first account]
    #[arg(long, value_name = "SECRET_ID")]
    pub(crate) account: Option<String>,
}

/// The configuration in a file, or the demo.
pub(crate) fn load(path: Option<&Path>) -> Result<Config> {
    let Some(path) = path else { return Ok(Config::demo()) };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Config::from_yaml(&text).with_context(|| path.display().to_string())
}

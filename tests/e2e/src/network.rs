//! A network of one's own, in which a Service's address can be any.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Where the Pods of the story are. Nobody else is in this network.
pub(crate) const PODS: &str = "10.200.0.1";
/// Says that we are in it already.
const INSIDE: &str = "TCR_ASSISTANT_E2E_NETWORK";
const PREPARE: &str = "ip link set lo up && ip address add \"$0/32\" dev lo && exec \"$@\"";

/// Goes on in a network namespace that has nothing but the loopback interface, with [`PODS`] on it:
/// starts this program again inside, and does not return before it is there. The namespace ends with
/// its last process.
///
/// # Errors
/// `unshare` or `ip` is missing, or namespaces are not allowed here.
pub(crate) fn enter() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().context("cannot find this program again")?;
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let error = command
        .args(["--", "sh", "-c", PREPARE, PODS])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error).context(
        "cannot start unshare: install util-linux and iproute2 (apt-get install util-linux iproute2)",
    )
}

//! A network of one's own, in which addresses can be any and nobody else is.

use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The variable that says that we are in it already, and which file descriptor the network outside is.
pub const INSIDE: &str = "TCR_ASSISTANT_NETWORK";

/// Goes on in a network namespace that has nothing but the loopback interface: starts this program again inside, as
/// the same process, and does not return before it is there. The namespace ends with its last process. Call it first
/// thing in `main`, before there is a second thread.
///
/// # Errors
/// `unshare` or `ip` is missing, or namespaces are not allowed here.
pub fn enter() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().context("cannot find this program again")?;
    let outside = std::fs::File::open("/proc/self/ns/net").context("cannot open this network namespace")?;
    // Kept over the exec, so that the network outside can be looked at from within.
    rustix::io::fcntl_setfd(&outside, rustix::io::FdFlags::empty())?;
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let error = command
        .args(["--", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, outside.as_raw_fd().to_string())
        .exec();
    Err(error).context(
        "cannot start unshare: install util-linux and iproute2 (apt-get install util-linux iproute2)",
    )
}

/// Whether [`enter`] was here.
pub fn is_own() -> bool {
    outside_fd().is_some()
}

/// What stands for the network outside, for `nsenter --net=`.
///
/// # Errors
/// [`enter`] was not called.
pub fn outside() -> Result<PathBuf> {
    let fd = outside_fd().context("this process is in no network of its own")?;
    Ok(PathBuf::from(format!("/proc/{}/fd/{fd}", std::process::id())))
}

fn outside_fd() -> Option<RawFd> {
    std::env::var(INSIDE).ok()?.parse().ok()
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .context("cannot start ip: apt-get install iproute2")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {words}` failed: {}", stderr.trim_end());
    Ok(())
}

/// Puts one more address on the loopback interface of a network that is our own.
///
/// # Errors
/// [`enter`] was not called, or the address is not one.
pub fn add_address(address: &str) -> Result<()> {
    ensure!(is_own(), "cannot add an address to the machine's own network");
    ip(&format!("address add {address}/32 dev lo"))
}

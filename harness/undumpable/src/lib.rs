//! Keeps a process's memory its own. The programs that ship hold registry passwords and API keys: a core dump would
//! write them to the node's disk, and a process of the same user could read them by ptrace or `/proc/PID/mem`.
//!
//! Only a process with `CAP_SYS_PTRACE`, as root of the node has, still can. A new program (`execve`) begins without the
//! second half, so that each program asks for it at its start.

use std::fmt;

/// The restrictions that the kernel refused. The process goes on without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Refused {}

/// Denies core dumps of this process and of those that it starts, and access to its memory and environment by
/// other processes without `CAP_SYS_PTRACE`.
///
/// # Errors
/// The kernel refused some of it; the rest holds.
#[cfg(target_os = "linux")]
pub fn set() -> Result<(), Refused> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let refused = [
        ("cannot switch off core dumps", setrlimit(Resource::Core, none)),
        ("cannot switch off ptrace by others", set_dumpable_behavior(DumpableBehavior::NotDumpable)),
    ];
    let refused: Vec<String> = refused
        .into_iter()
        .filter_map(|(what, result)| result.err().map(|error| format!("{what}: {error}")))
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(Refused(refused)) }
}

/// Other systems are for development: nothing is done.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn set() -> Result<(), Refused> {
    Ok(())
}

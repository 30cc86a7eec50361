//! Restricts the two processes, whatever goes wrong in them.
//!
//! *Landlock* (Linux 5.13) denies files, ports and other processes; *seccomp* denies system calls, on every
//! kernel that runs containers. The agent opens nothing once it is confined, so seccomp alone denies it every
//! file; Landlock adds a second barrier, and the ports. The keeper opens files, which seccomp cannot
//! distinguish: without Landlock it is restricted only by accepting five orders and checking them.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

mod landlock;
mod seccomp;

pub use self::landlock::RulesError;
pub use self::seccomp::FilterError;

/// The confinement that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// All that the kernel has; the metrics and the log say what that is
    Auto,
    /// Landlock and seccomp; without one of them it does not run
    Landlock,
    /// seccomp alone, as on kernels before 5.13; without it it does not run
    Seccomp,
}

/// The confinement of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// Confined by Landlock and seccomp.
    Landlock,
    /// Confined by seccomp alone.
    Seccomp,
    /// Not confined by the kernel.
    #[default]
    None,
}

/// Why a process is not confined as it was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel is too old for Landlock, or has it switched off.
    #[error(
        "this kernel has no Landlock, and --confinement=landlock asks for it: it takes Linux 5.13, and landlock among \
         the kernel's lsm=; --confinement=auto runs without it"
    )]
    NoLandlock,
    /// Landlock is there and refuses.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// seccomp is not there, or refuses.
    #[error("{0}; --confinement=auto runs without it")]
    Filter(#[from] FilterError),
}

/// From now on this process opens, makes and removes no file and starts no program. It listens on `metrics_port`,
/// connects to `ports` of others, and uses what it has open. Threads that run already are not confined: call it before
/// there are any.
pub fn agent(wanted: Wanted, metrics_port: Option<u16>, ports: &[u16]) -> Result<Confinement, ConfineError> {
    confine(wanted, landlock::is_available(), || landlock::agent(metrics_port, ports), seccomp::agent)
}

/// From now on this process reads and writes files in `directory`, makes and removes them, reads files in `config_dir`,
/// and has no network and no other program. Without Landlock it has the same system calls, and all directories.
pub fn keeper(wanted: Wanted, directory: &Path, config_dir: &Path) -> Result<Confinement, ConfineError> {
    confine(wanted, landlock::is_available(), || landlock::keeper(directory, config_dir), seccomp::keeper)
}

fn confine(
    wanted: Wanted,
    is_available: bool,
    landlock: impl FnOnce() -> Result<(), RulesError>,
    seccomp: impl FnOnce() -> Result<(), FilterError>,
) -> Result<Confinement, ConfineError> {
    let has_landlock = wanted != Wanted::Seccomp && is_available;
    if has_landlock {
        landlock()?;
    } else if wanted == Wanted::Landlock {
        return Err(ConfineError::NoLandlock);
    }
    match seccomp() {
        Ok(()) if has_landlock => Ok(Confinement::Landlock),
        Ok(()) => Ok(Confinement::Seccomp),
        // A half of what the word promises is not called by it.
        Err(_) if wanted == Wanted::Auto => Ok(Confinement::None),
        Err(error) => Err(error.into()),
    }
}

impl Confinement {
    /// A sentence for the log.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Landlock => "confined by Landlock and seccomp",
            Self::Seccomp => "confined by seccomp, without Landlock",
            Self::None => "not confined: the kernel does not give seccomp",
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::None => "none",
        })
    }
}

#[cfg(test)]
mod tests;

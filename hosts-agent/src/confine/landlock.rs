//! Landlock: no files but those below some directories, no ports but some.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};

/// The version that is asked for; older kernels enforce the part that they support.
const WANTED: ABI = ABI::V6;

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A directory that the process needs is not there.
    #[error("cannot open {} to be confined to it: {source}", path.display())]
    Directory {
        /// The path of the directory.
        path: PathBuf,
        /// Why it cannot be opened.
        source: landlock::PathFdError,
    },
    /// The kernel refused the rules.
    #[error("cannot be confined by Landlock: {0}")]
    Rules(#[from] RulesetError),
}

/// Whether the kernel has it.
pub(super) fn is_available() -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

pub(super) fn agent(metrics_port: Option<u16>, ports: &[u16]) -> Result<(), RulesError> {
    let own = metrics_port.map(|port| (port, AccessNet::BindTcp));
    let of_others = ports.iter().map(|port| (*port, AccessNet::ConnectTcp));
    restrict(&[], own.into_iter().chain(of_others))
}

pub(super) fn keeper(directory: &Path, config_dir: &Path) -> Result<(), RulesError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    restrict(&[(directory, write), (config_dir, read)], [])
}

fn restrict(
    places: &[(&Path, BitFlags<AccessFs>)],
    ports: impl IntoIterator<Item = (u16, AccessNet)>,
) -> Result<(), RulesError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    for (path, rights) in places {
        let directory =
            PathFd::new(path).map_err(|source| RulesError::Directory { path: path.to_path_buf(), source })?;
        rules = rules.add_rule(PathBeneath::new(directory, *rights))?;
    }
    for (port, right) in ports {
        rules = rules.add_rule(NetPort::new(port, right))?;
    }
    rules.restrict_self()?;
    Ok(())
}

//! Landlock: what this program cannot reach, whatever goes wrong in it.
//!
//! Where the kernel does not have it, everything works without; the report says so.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// What is asked for; older kernels give what they have of it.
const WANTED: ABI = ABI::V6;

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A directory that it needs is not there.
    #[error("cannot open {path} to be confined to it: {source}")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        source: landlock::PathFdError,
    },
    /// The kernel refused.
    #[error("cannot be confined by Landlock: {0}")]
    Rules(#[from] RulesetError),
}

/// Whether the kernel has Landlock.
pub fn is_available() -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

/// From now on this process reads `config_dir`, reads and writes `state_dir`, listens on
/// `metrics_port` and connects to `probe_port`, and has no other file, program or port. Files that
/// are open stay open. Threads that run already are not confined: call it before there are any.
pub fn agent(
    config_dir: &Path,
    state_dir: &Path,
    metrics_port: Option<u16>,
    probe_port: Option<u16>,
) -> Result<bool, ConfineError> {
    let state = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    let places = [(config_dir, AccessFs::ReadFile | AccessFs::ReadDir), (state_dir, state)];
    let ports = [(metrics_port, AccessNet::BindTcp), (probe_port, AccessNet::ConnectTcp)];
    restrict(&places, &ports)
}

/// From now on this process reads and writes files in `directory`, makes and removes them, and has
/// nothing else.
pub fn keeper(directory: &Path) -> Result<bool, ConfineError> {
    let rights = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    restrict(&[(directory, rights)], &[])
}

fn restrict(
    places: &[(&Path, BitFlags<AccessFs>)],
    ports: &[(Option<u16>, AccessNet)],
) -> Result<bool, ConfineError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    for (path, rights) in places {
        let directory = PathFd::new(path)
            .map_err(|source| ConfineError::Directory { path: path.display().to_string(), source })?;
        rules = rules.add_rule(PathBeneath::new(directory, *rights))?;
    }
    for (port, right) in ports {
        if let Some(port) = port {
            rules = rules.add_rule(NetPort::new(*port, *right))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Landlock confines a thread: the test's own is the process.
    fn confined<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[track_caller]
    fn check_denied<T: std::fmt::Debug>(result: std::io::Result<T>) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn the_agent_reads_its_list_writes_its_state_and_nothing_else() {
        assert!(is_available(), "this test needs a kernel with Landlock");
        let node = tempfile::tempdir().unwrap();
        let [config, state, etc] = ["config", "state", "etc"].map(|name| node.path().join(name));
        for directory in [&config, &state, &etc] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("shadow"), "secret").unwrap();
        }
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        confined(|| {
            fs::read("/etc/shadow").expect("this test needs root and /etc/shadow");
            let probe_port = Some(open.local_addr().unwrap().port());
            assert!(agent(&config, &state, Some(0), probe_port).unwrap());
            check_denied(fs::read("/etc/shadow"));
            check_denied(fs::read(etc.join("shadow")));
            check_denied(fs::write(etc.join("hosts"), "x"));
            check_denied(fs::remove_file(etc.join("shadow")));
            check_denied(fs::write(config.join("hosts.yaml"), "[]"));
            check_denied(std::process::Command::new("/bin/true").status());
            check_denied(TcpStream::connect(other.local_addr().unwrap()));
            assert_eq!(fs::read_to_string(config.join("shadow")).unwrap(), "secret");
            fs::write(state.join("new"), "x").unwrap();
            fs::rename(state.join("new"), state.join("shadow")).unwrap();
            TcpStream::connect(open.local_addr().unwrap()).unwrap();
            TcpListener::bind("127.0.0.1:0").unwrap();
        });
    }

    #[test]
    fn the_keeper_has_its_directory_and_nothing_else() {
        let node = tempfile::tempdir().unwrap();
        let etc = node.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("hosts"), "old\n").unwrap();
        confined(|| {
            assert!(keeper(&etc).unwrap());
            check_denied(fs::read("/etc/shadow"));
            check_denied(TcpListener::bind("127.0.0.1:0"));
            let file = crate::hosts_file::HostsFile::new(&etc.join("hosts"));
            file.replace(&file.read().unwrap(), &[b"new\n"]).unwrap();
            assert_eq!(fs::read_to_string(etc.join("hosts")).unwrap(), "new\n");
        });
    }
}

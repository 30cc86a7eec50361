//! What nodes need of the machine.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, ensure};

/// Where Debian puts the CNI plugins.
pub(super) const CNI: &str = "/usr/lib/cni";

/// Programs, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
];

/// Fails with all that is missing, and what to install.
pub(super) fn check() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "cannot start nodes: only root can (namespaces, mounts and cgroups); use sudo"
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packages = missing(&path, Path::new(CNI));
    ensure!(
        packages.is_empty(),
        "cannot start nodes: this machine lacks {0}: apt-get install {0}",
        packages.join(" ")
    );
    Ok(())
}

fn missing(path: &OsStr, cni: &Path) -> Vec<&'static str> {
    let has = |name: &str| std::env::split_paths(path).any(|folder| folder.join(name).is_file());
    let mut packages: Vec<_> =
        PROGRAMS.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if !["bridge", "host-local", "loopback"].iter().all(|plugin| cni.join(plugin).is_file()) {
        packages.push("containernetworking-plugins");
    }
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_once_by_its_package() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            missing(empty.path().as_os_str(), empty.path()),
            [
                "containerd",
                "runc",
                "iproute2",
                "nftables",
                "mount",
                "util-linux",
                "containernetworking-plugins"
            ]
        );
        for (program, _) in PROGRAMS {
            std::fs::write(empty.path().join(program), "").unwrap();
        }
        assert_eq!(missing(empty.path().as_os_str(), empty.path()), ["containernetworking-plugins"]);
    }
}

//! The cgroup in which all containers of a node are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const ROOT: &str = "/sys/fs/cgroup";
/// What a kubelet wants of a cgroup of version 2.
const CONTROLLERS: &str = "+cpu +cpuset +memory +pids";

/// The hierarchies that the kernel has: one of version 2, or those of version 1.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        return vec![PathBuf::from(ROOT)];
    }
    let below = fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
    // The one of version 2 beside them controls nothing.
    below.filter(|path| path.join("tasks").exists()).collect()
}

/// Makes `/RUN/NODE` in each of them. The removal of the run removes it.
pub(crate) fn make(path: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let mut at = hierarchy;
        for part in path.trim_matches('/').split('/') {
            let above = at.clone();
            at.push(part);
            let made = fs::create_dir_all(&at).and_then(|()| delegate(&above, &at));
            made.with_context(|| format!("cannot make the cgroup {}", at.display()))?;
        }
    }
    Ok(())
}

/// Lets `below` have what it takes to hold processes and more cgroups.
fn delegate(above: &Path, below: &Path) -> std::io::Result<()> {
    if above.join("cgroup.subtree_control").exists() {
        fs::write(above.join("cgroup.subtree_control"), CONTROLLERS)?;
        return fs::write(below.join("cgroup.subtree_control"), CONTROLLERS);
    }
    // In version 1 they begin empty, and nothing can run there.
    for set in ["cpuset.cpus", "cpuset.mems"] {
        if above.join(set).exists() {
            fs::write(below.join(set), fs::read(above.join(set))?)?;
        }
    }
    Ok(())
}

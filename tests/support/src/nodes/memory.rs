//! How much memory containers have used, by the kernel's own count.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::Nodes;

/// Where the kernel counts: version 2, then version 1.
const COUNTERS: [(&str, &str); 2] =
    [("/sys/fs/cgroup", "memory.peak"), ("/sys/fs/cgroup/memory", "memory.max_usage_in_bytes")];

/// A container that runs, or ran.
#[derive(Clone, Debug)]
pub struct ContainerMemory {
    pub node: String,
    pub pod: String,
    pub container: String,
    /// The most that the kernel has charged to it, cached files included, in bytes. What is cached is given back before
    /// the limit is exceeded, so this may stand at the limit of a program that needs little.
    pub charged: u64,
    /// The most that its first process had in memory (VmHWM), in bytes.
    pub resident: u64,
    /// Whether its program has its own page map open, by which wasmtime clears of a guest's memory only what was used.
    pub has_page_map: bool,
    /// How often it was started again.
    pub restarts: i32,
    /// Whether it, or one before it, was ended because it had reached its limit.
    pub oom_killed: bool,
}

impl Nodes {
    /// The containers of a namespace's Pods.
    ///
    /// # Errors
    /// The API server does not answer, or a container that runs has no cgroup.
    pub async fn memory(&self, namespace: &str) -> Result<Vec<ContainerMemory>> {
        let pods: Api<Pod> = Api::namespaced(self.plane().client().await?, namespace);
        let mut found = Vec::new();
        for pod in pods.list(&ListParams::default()).await? {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            for status in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
                let states = [&status.state, &status.last_state];
                let ended = states.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
                let (charged, resident, has_page_map) = match status.container_id.as_deref() {
                    Some(id) if status.state.as_ref().is_some_and(|state| state.running.is_some()) => {
                        let id = id.rsplit('/').next().unwrap_or_default();
                        self.used(&node, id).with_context(|| {
                            format!("cannot tell the memory of {} in {}", status.name, pod.name_any())
                        })?
                    }
                    _ => (0, 0, false),
                };
                found.push(ContainerMemory {
                    node: node.clone(),
                    pod: pod.name_any(),
                    container: status.name.clone(),
                    charged,
                    resident,
                    has_page_map,
                    restarts: status.restart_count,
                    oom_killed: ended.into_iter().any(|it| it.reason.as_deref() == Some("OOMKilled")),
                });
            }
        }
        Ok(found)
    }

    fn used(&self, node: &str, id: &str) -> Result<(u64, u64, bool)> {
        let node = self.list().iter().find(|it| it.name() == node).context("its node is not known")?;
        let found = COUNTERS.iter().find_map(|(root, counter)| {
            let folder = cgroup(&Path::new(root).join(node.place.cgroup.trim_start_matches('/')), id)?;
            Some((folder.clone(), std::fs::read_to_string(folder.join(counter)).ok()?))
        });
        let (folder, charged) = found.context("it has no memory cgroup that counts")?;
        let processes = std::fs::read_to_string(folder.join("cgroup.procs"))?;
        let resident = processes.lines().filter_map(resident_peak).max().unwrap_or(0);
        let has_page_map = processes.lines().any(has_page_map);
        Ok((charged.trim().parse()?, resident, has_page_map))
    }
}

/// The folder named `id` below `root`.
fn cgroup(root: &Path, id: &str) -> Option<PathBuf> {
    let direct = root.join(id);
    if direct.is_dir() {
        return Some(direct);
    }
    let below = std::fs::read_dir(root).ok()?.flatten().filter(|it| it.path().is_dir());
    below.into_iter().find_map(|it| cgroup(&it.path(), id))
}

/// None for the runtime's own process, which has not become the container's program yet: a probe is about to start.
fn resident_peak(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    if status.starts_with("Name:\trunc:[") {
        return None;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn has_page_map(pid: &str) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|it| std::fs::read_link(it.path()).ok()).any(|it| it.ends_with("pagemap"))
}

//! What the kernel holds a process to, as it holds a container: memory and processor time, by a cgroup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::nodes::cgroup;
use crate::{Process, Run};

/// Puts its process into the cgroups that its first arguments are, and becomes the program behind `--`.
const ENTER: &str =
    r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@""#;
/// Of the time in which a quota is counted.
const PERIOD_MICROSECONDS: f64 = 100_000.0;

/// What may be used at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Bytes; a process that needs more is ended.
    pub memory: Option<u64>,
    /// Processors; a process that needs more waits.
    pub processors: Option<f64>,
}

/// A cgroup of a run; it ends with the run.
#[derive(Debug)]
pub struct Cgroup {
    /// One in each hierarchy that limits something.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// A cgroup with these limits. Only root can make one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(run: &Run, name: &str, limits: Limits) -> Result<Self> {
        let of_run = run.folder().file_name().context("the run's folder has no name")?;
        let of_run = of_run.to_str().context("the run's name is not UTF-8")?;
        cgroup::make(&format!("/{of_run}"))?;
        let mut folders = Vec::new();
        for hierarchy in cgroup::hierarchies() {
            let folder = hierarchy.join(of_run).join(name);
            let made = fs::create_dir_all(&folder).and_then(|()| limit(&folder, limits));
            if made.with_context(|| format!("cannot make the cgroup {}", folder.display()))? {
                folders.push(folder);
            }
        }
        Ok(Self { folders })
    }

    /// A command that runs the program in it.
    pub fn command(&self, run: &Run, program: &Path) -> Command {
        let mut command = run.command("/bin/sh");
        command.args(["-c", ENTER, "sh"]).args(&self.folders).arg("--").arg(program);
        command
    }

    /// How many processes the kernel has ended in it, because it had reached its memory limit.
    ///
    /// # Errors
    /// The kernel does not count.
    pub fn ended_for_memory(&self) -> Result<u64> {
        // Version 2, then version 1.
        let files = ["memory.events", "memory.oom_control"];
        let places = self.folders.iter().flat_map(|folder| files.map(|file| folder.join(file)));
        let texts = places.filter_map(|file| fs::read_to_string(file).ok());
        let mut counts = texts.filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        });
        counts.next().context("the kernel does not count what it ends for its memory")
    }
}

/// Whether the hierarchy knows any of the limits.
fn limit(folder: &Path, limits: Limits) -> io::Result<bool> {
    let quota = limits.processors.map(|it| (it * PERIOD_MICROSECONDS).round());
    let files = [
        ("memory.max", limits.memory.map(|bytes| bytes.to_string())),
        ("memory.limit_in_bytes", limits.memory.map(|bytes| bytes.to_string())),
        ("cpu.max", quota.map(|quota| format!("{quota} {PERIOD_MICROSECONDS}"))),
        ("cpu.cfs_quota_us", quota.map(|quota| quota.to_string())),
    ];
    let mut is_known = false;
    for (file, value) in files.map(|(file, value)| (folder.join(file), value)) {
        if file.exists() {
            is_known = true;
            value.map_or(Ok(()), |value| fs::write(file, value))?;
        }
    }
    Ok(is_known)
}

impl Process {
    /// The most bytes that it and its children have had in memory (VmHWM) since [`Process::forget_peak`].
    ///
    /// # Errors
    /// It has ended.
    pub fn resident_peak(&self) -> Result<u64> {
        let peak = |id: u32| -> Result<u64> {
            let status = fs::read_to_string(format!("/proc/{id}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("Linux does not say")?;
            Ok(kib.trim().parse::<u64>()? * 1024)
        };
        self.family()?.into_iter().map(peak).sum()
    }

    /// Counts [`Process::resident_peak`] from what it has now.
    ///
    /// # Errors
    /// It has ended.
    pub fn forget_peak(&self) -> Result<()> {
        for id in self.family()? {
            // 5 resets the peak: proc(5).
            fs::write(format!("/proc/{id}/clear_refs"), "5").context("cannot reset the peak of memory")?;
        }
        Ok(())
    }

    /// It and its children.
    fn family(&self) -> Result<Vec<u32>> {
        let id = self.id().with_context(|| format!("{} has ended", self.name()))?;
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let children = children.split_whitespace().map(str::parse);
        Ok(std::iter::once(Ok(id)).chain(children).collect::<Result<_, _>>()?)
    }
}

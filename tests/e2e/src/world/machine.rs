//! What of the machine a story must not touch.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use support::network;

/// Settings of the kernel that kubelets and proxies like to change.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "net/netfilter/nf_conntrack_max",
];
/// Folders that nodes have of their own.
const FOLDERS: [&str; 7] = [
    "/run/netns",
    "/etc/cni",
    "/etc/containerd",
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/log/pods",
];

/// The machine at one time: each thing that is looked at, and how it was.
pub(crate) struct Machine(Vec<(String, String)>);

impl Machine {
    /// Looks at it, from within a network of our own.
    pub(crate) fn look() -> Result<Self> {
        let mut seen = Vec::new();
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            seen.push((file.to_owned(), std::fs::read_to_string(file).unwrap_or_else(|it| it.to_string())));
        }
        for setting in SETTINGS {
            let file = format!("/proc/sys/{setting}");
            let value = std::fs::read_to_string(&file).unwrap_or_else(|error| error.to_string());
            seen.push((file, value));
        }
        for folder in FOLDERS {
            seen.push((folder.to_owned(), names(Path::new(folder))));
        }
        for command in [
            "ip -o link show",
            "ip -o address show",
            "ip route show table all",
            "nft list ruleset",
            "sysctl net.ipv4.ip_forward",
        ] {
            seen.push((format!("`{command}`"), outside(command)?));
        }
        Ok(Self(seen))
    }

    /// Fails with the first thing that is not as it was.
    pub(crate) fn is_untouched(&self) -> Result<()> {
        for ((what, before), (_, now)) in self.0.iter().zip(&Self::look()?.0) {
            ensure!(before == now, "the machine's {what} was {before:?} and is {now:?}");
        }
        Ok(())
    }
}

fn names(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.join(" ")
}

/// What a command prints in the machine's own network. Lifetimes of addresses pass by themselves.
fn outside(command: &str) -> Result<String> {
    let output = Command::new("nsenter")
        .arg(format!("--net={}", network::outside()?.display()))
        .args(command.split_whitespace())
        .output()
        .context("cannot start nsenter: apt-get install util-linux")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(|line| line.split("valid_lft").next().unwrap_or(line)).collect::<Vec<_>>().join("\n"))
}

//! What a person asks for when something on the nodes went wrong.

use std::path::Path;

use super::{Nodes, files};

/// For the reader of a failed run's logs, from the cluster as a whole to each Pod.
const QUESTIONS: [(&str, &[&str]); 4] = [
    ("nodes", &["get", "nodes", "-o", "wide"]),
    ("pods", &["get", "pods", "-A", "-o", "wide"]),
    ("events", &["get", "events", "-A", "--sort-by=.metadata.creationTimestamp"]),
    ("pods-described", &["describe", "pods", "-A"]),
];

impl Nodes {
    /// Puts into the run's logs what they do not have yet: Pods, events, the containers' own logs, hosts files, and what
    /// each node has pulled. Says that the run failed, so that all of it is kept.
    pub async fn keep_evidence(&self) {
        let logs = self.plane().run().folder().join("logs");
        for (name, question) in QUESTIONS {
            let answer = match self.plane().kubectl(question).await {
                Ok(output) => output.stdout + &output.stderr,
                Err(error) => format!("{error:#}\n"),
            };
            keep(&logs, name, answer.as_bytes());
        }
        for node in self.list() {
            let name = node.name();
            if let Ok(hosts) = node.read("/etc/hosts") {
                keep(&logs, &format!("{name}-hosts"), &hosts);
            }
            for (what, args) in [
                ("images", ["-n", "k8s.io", "images", "list"]),
                ("containers", ["-n", "k8s.io", "containers", "list"]),
            ] {
                let all: Vec<&str> = ["--address", files::CONTAINERD].into_iter().chain(args).collect();
                if let Ok(output) = self.exec(node, "ctr", &all).await {
                    keep(&logs, &format!("{name}-{what}"), (output.stdout + &output.stderr).as_bytes());
                }
            }
            if let Ok(output) = self.exec(node, "nft", &["list", "ruleset"]).await {
                keep(&logs, &format!("{name}-nft"), output.stdout.as_bytes());
            }
            containers(&logs, name, &node.folder.join("var/upper/log/pods"));
        }
        self.plane().run().failed();
    }
}

/// Copies `NAMESPACE_POD_UID/CONTAINER/N.log`.
fn containers(logs: &Path, node: &str, pods: &Path) {
    let list = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().collect::<Vec<_>>();
    for pod in list(pods) {
        let pod_name = pod.file_name().to_string_lossy().into_owned();
        let short = pod_name.rsplit_once('_').map_or(&*pod_name, |(short, _)| short);
        for container in list(&pod.path()) {
            for log in list(&container.path()) {
                if let Ok(text) = std::fs::read(log.path()) {
                    let number = log.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    let container = container.file_name().to_string_lossy().into_owned();
                    keep(logs, &format!("{node}-{short}-{container}-{number}"), &text);
                }
            }
        }
    }
}

fn keep(logs: &Path, name: &str, text: &[u8]) {
    // Evidence that cannot be kept must not hide what it is evidence of.
    let _ = std::fs::write(logs.join(format!("{name}.log")), text);
}

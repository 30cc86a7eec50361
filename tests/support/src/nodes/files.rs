//! What the programs of a node read.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Options, Place};

/// The image behind every Pod's network; each node has it from the start.
pub(super) const PAUSE: &str = "localhost/pause:1";
/// Where containerd finds the Pod network.
pub(super) const POD_NETWORK: &str = "/etc/cni/net.d/10-pods.conflist";
/// Where the nodes' programs talk to containerd.
pub(super) const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// Lays out `folder` for the node, before it is a mount namespace's own.
pub(super) fn write(folder: &Path, place: &Place, options: &Options) -> Result<()> {
    for name in ["etc/upper", "etc/work", "var/upper", "var/work", "containerd", "kubelet", "pki"] {
        make(&folder.join(name))?;
    }
    let Place { name, address, .. } = place;
    let hosts = format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{address} {name}\n");
    let resolver = format!("nameserver {}\noptions timeout:1 attempts:1\n", super::HUB);
    let own = [
        ("etc/hosts", hosts),
        ("etc/hostname", format!("{name}\n")),
        ("etc/resolv.conf", resolver),
        ("etc/containerd/config.toml", containerd()),
        ("etc/kubernetes/kubelet.json", format!("{:#}\n", kubelet(place, options.sync_frequency))),
        (
            "etc/kubernetes/kube-proxy.json",
            format!("{:#}\n", proxy(name, Path::new("/run/node/kube-proxy.kubeconfig"))),
        ),
    ];
    let network = options.pod_network.then(|| (POD_NETWORK.trim_start_matches('/'), pod_network(place)));
    let extra = options.files.iter().map(|(path, text)| (path.trim_start_matches('/'), text.clone()));
    for (path, text) in own.into_iter().chain(network).chain(extra) {
        let (top, rest) = path.split_once('/').unwrap_or(("", path));
        anyhow::ensure!(["etc", "var"].contains(&top), "a node has no file /{path} of its own: /etc, /var");
        let path = folder.join(top).join("upper").join(rest);
        make(path.parent().unwrap_or(folder))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    crate::cache::make(folder)
}

fn containerd() -> String {
    format!(
        r#"version = 2
root = "/run/node/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Where the machine does not let us, runc would fail to set what Kubernetes asks for.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{}"
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"#,
        super::requirements::CNI
    )
}

pub(super) fn pod_network(place: &Place) -> String {
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            // Every address of the cluster is routed, so nothing has to hide behind another's.
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": place.pods}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    format!("{network:#}\n")
}

fn kubelet(place: &Place, sync_frequency: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD}"),
        // Nobody but the cluster's own network can ask it.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": place.cgroup,
        "failCgroupV1": false,
        // The machine's own processes are in no cgroup of ours.
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        // The disk and the memory are the machine's, and their state is not the test's matter.
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": false,
        // How soon a changed ConfigMap is in its volume.
        "syncFrequency": sync_frequency,
        "registerWithTaints": place.joining.taints,
        "oomScoreAdj": 0,
        "resolvConf": "/etc/resolv.conf",
        "clusterDNS": [super::HUB],
        "clusterDomain": "cluster.local",
    })
}

/// For `host`, by whose name it knows which endpoints are local.
pub(super) fn proxy(host: &str, kubeconfig: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig},
        "mode": "nftables",
        "hostnameOverride": host,
        // Two Pods of one bridge would answer each other past the translation.
        "nftables": {"masqueradeAll": true},
        // These are the machine's, not a network namespace's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    })
}

//! How nodes are connected: one bridge, on which [`HUB`] is too.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{HUB, Joining, Place};
use crate::control_plane::SERVICE_NETWORK;
use crate::network::{self, ip};

const BRIDGE: &str = "nodes";
/// Where a machine asks for its instance metadata.
const METADATA: &str = "169.254.0.23";

/// Makes what all nodes are connected to, so that [`HUB`] is there; [`Nodes::start`] does too. It ends with the network
/// namespace.
///
/// # Errors
/// [`network::enter`] was not called, or `ip` is missing.
pub fn bridge() -> Result<()> {
    ensure!(network::is_own(), "cannot start nodes in the machine's own network: call network::enter first");
    if Path::new("/proc/sys/net/ipv4/conf").join(BRIDGE).exists() {
        return Ok(());
    }
    ip(&format!("link add {BRIDGE} type bridge"))?;
    ip(&format!("address add {HUB}/24 dev {BRIDGE}"))?;
    ip(&format!("link set {BRIDGE} up"))?;
    // There is no way to a Service's address, and needs none: kube-proxy puts another in its place. But without a route
    // nothing is sent at all.
    ip(&format!("route add {SERVICE_NETWORK} dev {BRIDGE}"))?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot forward between nodes")
}

/// Puts one more address there where [`HUB`] is.
///
/// # Errors
/// [`bridge`] was not called, or the address is there.
pub fn add_address(address: Ipv4Addr) -> Result<()> {
    ensure!(network::is_own(), "cannot add an address to the machine's own network");
    ip(&format!("address add {address}/24 dev {BRIDGE}"))
}

/// Connects the network of process `pid`.
pub(super) fn connect(place: &Place, pid: u32) -> Result<()> {
    let Place { number, address, pods, joining, .. } = place;
    let Joining { metadata, unreachable, .. } = joining;
    ip(&format!("link add node{number} type veth peer name eth0 netns {pid}"))?;
    ip(&format!("link set node{number} master {BRIDGE} up"))?;
    let unreachable = unreachable.iter().map(|address| format!("ip route add unreachable {address}"));
    let words = [
        format!("ip address add {address}/24 dev eth0"),
        "ip link set eth0 up".to_owned(),
        format!("ip route add default via {HUB}"),
    ];
    for words in words.into_iter().chain(unreachable).chain(metadata.iter().flat_map(answer_metadata)) {
        let status = Command::new("nsenter")
            .args(["--target", &pid.to_string(), "--net", "--"])
            .args(words.split_whitespace())
            .status()
            .context("cannot start nsenter")?;
        ensure!(status.success(), "`{words}` failed in {}", place.name);
    }
    ip(&format!("route replace {pods} via {address}"))
}

/// What has `from` answer for the address of metadata, to the node's own programs and to its Pods.
fn answer_metadata(from: &SocketAddr) -> Vec<String> {
    let chain =
        |hook: &str| format!("nft add chain ip metadata {hook} {{ type nat hook {hook} priority -150 ; }}");
    let rule = |hook: &str| {
        format!("nft add rule ip metadata {hook} ip daddr {METADATA} tcp dport 80 dnat to {from}")
    };
    let table = "nft add table ip metadata".to_owned();
    [table]
        .into_iter()
        .chain(["output", "prerouting"].iter().flat_map(|hook| [chain(hook), rule(hook)]))
        .collect()
}

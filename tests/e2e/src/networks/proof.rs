//! What nodes themselves say of their entries.

use anyhow::{Context as _, Result, ensure};
use support::eventually;
use support::nodes::Node;

use super::{ONE, ONE_MOVED, OTHER, OTHER_MOVED, condition, leads, lists, metrics};
use crate::world::{LONG, World};

const NSSWITCH: &str = "/etc/nsswitch.conf";

pub(super) async fn not_asked(world: &World) -> Result<()> {
    let node = node(world, "node-2")?;
    node.write(NSSWITCH, b"hosts: dns\n")?;
    told(node, "hosts_updater_names{state=\"not_asked\"} 2").await?;
    lists::moves(world, ONE_MOVED, OTHER_MOVED).await?;
    let named = ["1 of 4 nodes, such as node-2: "];
    condition(world, ("demo", "NodesResolve"), ("False", Some("HostsFileNotAsked")), &named).await?;
    node.write(NSSWITCH, b"hosts: files dns\n")?;
    told(node, "hosts_updater_names{state=\"used\"} 2").await?;
    // Nodes are asked when there is another list.
    lists::moves(world, ONE, OTHER_MOVED).await?;
    lists::moves(world, ONE_MOVED, OTHER_MOVED).await?;
    all_resolve(world).await
}

pub(super) async fn read_only(world: &World) -> Result<()> {
    let node = node(world, "node-3")?;
    remount(world, node, "ro").await?;
    world.set_links(lists::links(ONE_MOVED, OTHER))?;
    leads(self::node(world, "node-4")?, Some(OTHER)).await?;
    told(node, "hosts_updater_read_only 1").await?;
    leads(node, Some(OTHER_MOVED)).await?;
    let named = ["1 of 4 nodes, such as node-3: "];
    condition(world, ("demo", "NodesResolve"), ("False", Some("HostsFileReadOnly")), &named).await?;
    remount(world, node, "rw").await?;
    leads(node, Some(OTHER)).await?;
    all_resolve(world).await
}

async fn all_resolve(world: &World) -> Result<()> {
    let carried = ["4 of 4 nodes carry the entries"];
    condition(world, ("demo", "NodesResolve"), ("True", Some("NodesResolve")), &carried).await
}

async fn remount(world: &World, node: &Node, how: &str) -> Result<()> {
    world.nodes.exec(node, "mount", &["-o", &format!("remount,{how}"), "/etc"]).await?.checked().map(drop)
}

fn node<'a>(world: &'a World, name: &str) -> Result<&'a Node> {
    world.nodes.list().iter().find(|node| node.name() == name).with_context(|| format!("there is no {name}"))
}

/// Waits until the node's agent tells this.
async fn told(node: &Node, line: &str) -> Result<()> {
    eventually(&format!("{line:?} of {}", node.name()), LONG, async || {
        let metrics = metrics(node).await?;
        ensure!(metrics.lines().any(|it| it == line), "it tells {metrics}");
        Ok(())
    })
    .await
}

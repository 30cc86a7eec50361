//! How long it takes on real nodes from a change to the hosts files of all of them.
//!
//! The programs are those of the images, the chart's defaults but one: links are looked at every second, so that there
//! are enough changes to measure. How often an installation looks adds to what is measured here; see docs/operating.md.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use figure::{Figure, Limit, median, p99};
use jiff::Timestamp;
use serde_json::json;
use support::nodes::{self, HUB};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::steps::Steps;
use crate::world::{
    self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, LONG, VPC, VPC_DOMAIN, WEBHOOK, World, addresses,
};

/// Changes of each kind.
const CHANGES: usize = 50;
const MOVED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
/// Between two looks at the files.
const LOOK: Duration = Duration::from_millis(5);

/// Measures, and prints a line for each figure; whether one missed its limit.
///
/// # Errors
/// A change did not arrive.
pub(crate) fn measure() -> Result<bool> {
    let figures = figures()?;
    figure::print(&figures);
    Ok(figures.iter().any(Figure::is_missed))
}

fn figures() -> Result<Vec<Figure>> {
    // Kubelets as they come: what tells them of a change has to be the controller.
    let options = nodes::Options { sync_frequency: "1m", ..nodes::Options::default() };
    let mut figures = Vec::new();
    world::tell(&mut Steps::of_measurement(), options, async |steps, world| {
        steps.step("the add-on runs, and both nodes have the entries", begin(world)).await?;
        let of_object = steps.step("changes of the object", object_changes(world)).await?;
        let of_link = steps.step("changes of the link", link_changes(world)).await?;
        let mut put = |metric, value, limit| {
            let limit = Option::map(limit, Limit::AtMost);
            figures.push(Figure { name: "hosts", metric, value, unit: "ms", limit });
        };
        put("change_to_nodes_p99_ms", p99([&of_object[..], &of_link].concat()), Some(5000.0));
        put("object_to_nodes_p50_ms", median(of_object.clone()), None);
        put("object_to_nodes_p99_ms", p99(of_object), None);
        put("link_to_nodes_p50_ms", median(of_link.clone()), None);
        put("link_to_nodes_p99_ms", p99(of_link), None);
        Ok(())
    })?;
    Ok(figures)
}

async fn begin(world: &World) -> Result<()> {
    nodes::add_address(MOVED)?;
    world.install(&json!({"cloud": {"linkInterval": "1s"}})).await?;
    world.rolled_out(&format!("daemonset/{DAEMON_SET}")).await?;
    world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await?;
    world.rolled_out(&format!("deployment/{WEBHOOK}")).await?;
    world.ask(true).await?;
    world.hosts_files_have(true).await?;
    world.ready().await
}

/// Milliseconds from the write of an ImagePullSecret to both files.
async fn object_changes(world: &World) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for round in 0..CHANGES {
        let domains: &[&str] = if round % 2 == 0 { &["vpc"] } else { &["default", "vpc"] };
        let started = Instant::now();
        world.ask_with(json!({"resolve": true, "vpcId": VPC, "domains": domains})).await?;
        let default = (round % 2 == 1).then_some(HUB);
        arrives(world, default, DEFAULT_DOMAIN).await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

/// Milliseconds from the first answer of the cloud with another address to both files.
async fn link_changes(world: &World) -> Result<Vec<f64>> {
    let _listener = TcpListener::bind((MOVED, 443)).await?;
    let mut took = Vec::new();
    for round in 0..CHANGES {
        let to = if round % 2 == 0 { MOVED } else { HUB };
        world.cloud.clear_calls();
        let moved = world.cloud.now();
        world.move_link(to)?;
        arrives(world, Some(to), VPC_DOMAIN).await?;
        let arrived = world.cloud.now();
        let told = world.cloud.calls().into_iter().find(|call| {
            call.action == "DescribeInternalEndpoints" && call.code.is_none() && call.at >= moved
        });
        let told: Timestamp = told.map_or(moved, |call| call.at);
        took.push(arrived.duration_since(told).as_secs_f64() * 1e3);
    }
    Ok(took)
}

/// Waits until every node's file leads the domain there.
async fn arrives(world: &World, to: Option<Ipv4Addr>, domain: &str) -> Result<()> {
    let started = Instant::now();
    let expected: Vec<String> = to.iter().map(Ipv4Addr::to_string).collect();
    loop {
        let mut all = true;
        for node in world.nodes.list() {
            let hosts = node.read("/etc/hosts")?;
            all &= addresses(&String::from_utf8_lossy(&hosts), domain) == expected;
        }
        if all {
            return Ok(());
        }
        ensure!(started.elapsed() < LONG, "{domain} does not lead to {expected:?} on every node");
        sleep(LOOK).await;
    }
}

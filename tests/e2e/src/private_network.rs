//! On real nodes, hosts files follow the private link, whatever happens to it, to the list, to the files and to the nodes.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::Api;
use serde_json::json;
use support::eventually;
use support::nodes::{self, HUB, Joining};
use tcr::names::{STARTUP_TAINT, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::chart;
use crate::steps::Steps;
use crate::world::{
    self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, LONG, VPC, VPC_DOMAIN, WEBHOOK, World, addresses,
};

/// Where the link moves to.
const MOVED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
/// What the administrator gives every node.
const OWN_DOMAIN: &str = "charts.example.com";
const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 9);
/// What the nodes have at first, as somebody may have left it: lines of Windows, and an end without a newline.
const HOSTS: &str = "127.0.0.1 localhost\r\n::1 localhost ip6-localhost\r\n\t10.200.0.99   printer # ours";
const DOMAINS: [&str; 2] = [DEFAULT_DOMAIN, VPC_DOMAIN];
/// Good until its last entry.
const BROKEN: &str =
    "- domain: demo.tencentcloudcr.com\n  ip: 10.200.0.77\n- domain: localhost\n  ip: not-an-address\n";

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    let options = nodes::Options {
        files: vec![("/etc/hosts".to_owned(), HOSTS.to_owned())],
        pod_network: false,
        ..nodes::Options::default()
    };
    world::tell(steps, options, story)
}

async fn story(steps: &mut Steps, world: &mut World) -> Result<()> {
    steps.step("helm installs the chart where Pods have no network yet", install(world)).await?;
    let without = "hosts-updater runs on both nodes, from its image, and they have the administrator's entry";
    steps.step(without, without_pod_network(world)).await?;
    steps.step("Pods have a network: controller and webhook run", with_pod_network(world)).await?;
    steps.step("both nodes resolve the registry to the private link", follow(world)).await?;

    let kept =
        steps.step("the controller is away, the list is broken: nodes keep the last one", broken(world));
    let written = kept.await?;
    steps
        .step("the controller mends the list, and no node had lost an entry", mended(world, written))
        .await?;
    let link = Link::up(MOVED).await?;
    steps.step("the link moves: both nodes follow", moved(world)).await?;
    steps
        .step("another program writes a node's file anew: ours is in it again, and counted", rewritten(world))
        .await?;
    link.down().await;
    steps.step("the link is down: its entries go, and no others", down(world)).await?;
    let link = Link::up(MOVED).await?;
    steps.step("it is up again: they come back", world.hosts_files_lead(Some(MOVED), &DOMAINS)).await?;
    let joins = "a third node joins with the start-up taint: its first Pod waits for the entries, and runs";
    steps.step(joins, third_node(world)).await?;

    let deleted = "the namespace is deleted, which takes the agents away and leaves the entries";
    steps.step(deleted, delete_namespace(world)).await?;
    let removed = "cleanup --nodes takes them off; hosts files are as before, byte for byte";
    steps.step(removed, clean_up(world)).await?;
    drop(link);
    steps.step("the machine is as it was", async { world.machine.is_untouched() }).await
}

/// A listener at the link's address, behind which is the registry.
pub(crate) struct Link(JoinHandle<()>);

impl Link {
    pub(crate) async fn up(address: Ipv4Addr) -> Result<Self> {
        let listener =
            TcpListener::bind((address, 443)).await.context("cannot listen at the link's address")?;
        Ok(Self(tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut to = TcpStream::connect((HUB, 443)).await?;
                    tokio::io::copy_bidirectional(&mut from, &mut to).await
                });
            }
        })))
    }

    /// Nobody listens any more when this is over.
    pub(crate) async fn down(self) {
        self.0.abort();
        // That it was aborted is what it says.
        let _ = self.0.await;
    }
}

async fn install(world: &World) -> Result<()> {
    nodes::add_address(MOVED)?;
    let values = json!({
        "global": {"hosts": [{"domain": OWN_DOMAIN, "ip": OWN_ADDRESS, "disabled": false}]},
        "cloud": {"linkInterval": "2s"},
        "hostsUpdater": {"startupTaint": true, "extraArgs": ["--recheck=5s"]},
    });
    world.install(&values).await
}

async fn without_pod_network(world: &World) -> Result<()> {
    world.rolled_out(&format!("daemonset/{DAEMON_SET}")).await?;
    world.hosts_files_lead(Some(OWN_ADDRESS), &[OWN_DOMAIN]).await?;
    let nodes: Api<Node> = Api::all(world.nodes.plane().client().await?);
    for node in world.nodes.list() {
        let conditions =
            nodes.get(node.name()).await?.status.and_then(|it| it.conditions).unwrap_or_default();
        let is_ready = conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True");
        ensure!(!is_ready, "{} is ready, so there is a Pod network", node.name());
    }
    Ok(())
}

async fn with_pod_network(world: &mut World) -> Result<()> {
    world.nodes.connect_pods().await?;
    world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await?;
    world.rolled_out(&format!("deployment/{WEBHOOK}")).await
}

async fn follow(world: &World) -> Result<()> {
    let network =
        json!({"resolve": true, "vpcId": VPC, "domains": ["default", "vpc"], "whenLinkDown": "Remove"});
    world.ask_with(network).await?;
    world.hosts_files_lead(Some(HUB), &DOMAINS).await?;
    world.hosts_files_lead(Some(OWN_ADDRESS), &[OWN_DOMAIN]).await?;
    world.ready().await
}

/// Gives how often each node's file was written until then.
async fn broken(world: &World) -> Result<Vec<u64>> {
    let before: Vec<Vec<u8>> =
        world.nodes.list().iter().map(|node| node.read("/etc/hosts")).collect::<Result<_>>()?;
    scale(world, 0).await?;
    let written = metric(world, "writes_total").await?;
    let patch = json!({"data": {"hosts.yaml": BROKEN}}).to_string();
    world
        .kubectl(&[
            "-n",
            SYSTEM_NAMESPACE,
            "patch",
            "configmap",
            UPDATER_CONFIG,
            "--type=merge",
            "-p",
            &patch,
        ])
        .await?;
    all(world, "list_good", 0).await?;
    all(world, "ready", 0).await?;
    for (node, before) in world.nodes.list().iter().zip(before) {
        ensure!(node.read("/etc/hosts")? == before, "the hosts file of {} has changed", node.name());
    }
    Ok(written)
}

async fn mended(world: &World, written: Vec<u64>) -> Result<()> {
    scale(world, 1).await?;
    all(world, "list_good", 1).await?;
    world.hosts_files_lead(Some(HUB), &DOMAINS).await?;
    // The nodes are told of again once the controller has asked all of them.
    eventually("the status to say that both nodes are there", LONG, async || {
        let summary = ["get", "imagepullsecret", "demo", "-o", "jsonpath={.status.nodes.summary}"];
        let summary = world.kubectl(&summary).await?;
        ensure!(summary == "2/2", "it says {summary}");
        Ok(())
    })
    .await?;
    let now = metric(world, "writes_total").await?;
    ensure!(now == written, "files were written while nothing was to change: {written:?} times, now {now:?}");
    Ok(())
}

/// Waits until there are so many controllers.
pub(crate) async fn scale(world: &World, replicas: u8) -> Result<()> {
    let count = format!("--replicas={replicas}");
    world.kubectl(&["-n", SYSTEM_NAMESPACE, "scale", &format!("deployment/{DEPLOYMENT}"), &count]).await?;
    if replicas > 0 {
        return world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await;
    }
    eventually("the controller to be gone", LONG, async || {
        let select = "app.kubernetes.io/component=controller-manager";
        let left =
            world.kubectl(&["-n", SYSTEM_NAMESPACE, "get", "pods", "-l", select, "-o", "name"]).await?;
        ensure!(left.is_empty(), "there is {left}");
        Ok(())
    })
    .await
}

async fn moved(world: &World) -> Result<()> {
    world.move_link(MOVED)?;
    world.hosts_files_lead(Some(MOVED), &DOMAINS).await
}

async fn rewritten(world: &World) -> Result<()> {
    let node = world.nodes.list().first().context("there is no node")?;
    let before = metric(world, "foreign_changes_total").await?;
    // As cloud-init does at a boot: the file as it would be without us.
    node.write("/etc/hosts", HOSTS.as_bytes())?;
    world.hosts_files_lead(Some(MOVED), &DOMAINS).await?;
    eventually("the change to be counted", LONG, async || {
        let now = metric(world, "foreign_changes_total").await?;
        ensure!(now.first() == before.first().map(|it| it + 1).as_ref(), "{before:?} became {now:?}");
        ensure!(now[1..] == before[1..], "others count too: {before:?} became {now:?}");
        Ok(())
    })
    .await
}

async fn down(world: &World) -> Result<()> {
    world.hosts_files_lead(None, &DOMAINS).await?;
    all(world, "links_down", 1).await?;
    world.hosts_files_lead(Some(OWN_ADDRESS), &[OWN_DOMAIN]).await
}

async fn third_node(world: &mut World) -> Result<()> {
    let name = "node-3";
    let image = world.image(VPC_DOMAIN, "team/first-pod:v1").await?;
    world.kubectl(&["create", "namespace", "shop"]).await?;
    // Before the node is there, so that it is put there as soon as the node takes Pods.
    world.pod("shop", "first", &image, json!({"nodeSelector": {"kubernetes.io/hostname": name}})).await?;
    let nodes: Api<Node> = Api::all(world.nodes.plane().client().await?);
    let seen = eventually("the taint of the new node", LONG, async || {
        let taints = nodes.get(name).await?.spec.and_then(|spec| spec.taints).unwrap_or_default();
        ensure!(taints.iter().any(|taint| taint.key == STARTUP_TAINT), "it has {taints:?}");
        Ok(())
    });
    let taint = Taint { key: STARTUP_TAINT.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    let joining = Joining { taints: vec![taint], ..Joining::default() };
    tokio::try_join!(seen, async { world.nodes.join_with(joining).await.map(drop) })?;
    world.runs("shop", "first").await?;

    let node = world.nodes.list().last().context("there is no node")?;
    let hosts = String::from_utf8(node.read("/etc/hosts")?)?;
    for domain in DOMAINS {
        ensure!(addresses(&hosts, domain) == [MOVED.to_string()], "{domain} is missing: {hosts}");
    }
    // It may have been written again since for another reason; nothing is to change any more.
    let written = std::fs::metadata(node.seen("/etc/hosts"))?.ctime();
    let pod = world.pods("shop").await?.get("first").await?;
    let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
    let put = conditions
        .iter()
        .find(|it| it.type_ == "PodScheduled")
        .and_then(|it| it.last_transition_time.clone());
    let put = put.context("the Pod does not say when it was put on the node")?.0.as_second();
    ensure!(written <= put, "the entries came at {written}, the Pod at {put}");
    let taints = nodes.get(name).await?.spec.and_then(|spec| spec.taints).unwrap_or_default();
    ensure!(taints.iter().all(|taint| taint.key != STARTUP_TAINT), "the node still has {taints:?}");
    Ok(())
}

async fn delete_namespace(world: &World) -> Result<()> {
    world.kubectl(&["delete", "namespace", SYSTEM_NAMESPACE, "--timeout=110s"]).await?;
    world.hosts_files_lead(Some(MOVED), &DOMAINS).await
}

async fn clean_up(world: &World) -> Result<()> {
    let mut command = tokio::process::Command::new(chart::root().join("target/debug/tcr-assistant"));
    command.args(["cleanup", "--nodes", "--yes", "--kubeconfig"]).arg(world.nodes.plane().kubeconfig());
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output =
        command.output().await.context("cannot run target/debug/tcr-assistant: tests/build tcr-assistant")?;
    let told = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "cleanup ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for node in world.nodes.list() {
        let line = format!("hostsentries/{} deleted", node.name());
        ensure!(told.lines().any(|it| it == line), "no {line:?} in\n{told}");
    }
    let left = world.kubectl(&["get", "namespaces", "-o", "name"]).await?;
    ensure!(!left.contains("tcr-assistant"), "a namespace is left: {left}");
    for node in world.nodes.list() {
        let now = node.read("/etc/hosts")?;
        ensure!(
            now == HOSTS.as_bytes(),
            "the hosts file of {} is {:?}",
            node.name(),
            String::from_utf8_lossy(&now)
        );
        let left: Vec<String> = std::fs::read_dir(node.seen("/etc"))?
            .flatten()
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("hosts") && name.contains("tcr"))
            .collect();
        ensure!(left.is_empty(), "{} has {left:?}", node.name());
    }
    Ok(())
}

/// Waits until the metric has the value on each node.
pub(crate) async fn all(world: &World, name: &str, value: u64) -> Result<()> {
    eventually(&format!("{name} to be {value} on each node"), LONG, async || {
        let values = metric(world, name).await?;
        ensure!(values.iter().all(|it| *it == value), "they are {values:?}");
        Ok(())
    })
    .await
}

/// A metric of each node's hosts-updater.
pub(crate) async fn metric(world: &World, name: &str) -> Result<Vec<u64>> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let prefix = format!("hosts_updater_{name} ");
    let mut values = Vec::new();
    for node in world.nodes.list() {
        let url = format!("http://{}:{}/metrics", node.address(), tcr::names::HOSTS_UPDATER_METRICS_PORT);
        let text = http.get(url).send().await?.text().await?;
        match text.lines().find_map(|line| line.strip_prefix(&prefix)) {
            Some(value) => values.push(value.parse()?),
            None => bail!("{} has no metric {name}: {text}", node.name()),
        }
    }
    Ok(values)
}

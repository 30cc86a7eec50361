//! On real nodes, those of two VPCs each follow the link of their own, in their own time, and one over a Cloud Connect
//! Network; no node ever has the other network's entry, whatever becomes of links, nodes and lists, or somebody asks for.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Taint;
use serde_json::{Value, json};
use support::eventually;
use support::nodes::{self, HUB, Joining};
use tcr::names::STARTUP_TAINT;
use tcr_cloud::{Cloud, Config, Machine};

use crate::private_network::Link;
use crate::steps::Steps;
use crate::world::{
    self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, LONG, REGION, VPC, VPC_DOMAIN, WEBHOOK, World, addresses,
};

mod lists;
mod proof;
mod refused;
mod watch;

use watch::{Watch, Watched};

const DOMAINS: [&str; 2] = [DEFAULT_DOMAIN, VPC_DOMAIN];
/// The VPC of a replica of the instance, in another region.
const OTHER_VPC: &str = "vpc-other001";
const OTHER_REGION: &str = "ap-shanghai";
/// The VPC that a Cloud Connect Network leads to.
const HUB_VPC: &str = "vpc-hub00001";
/// The VPC of each node, oldest first. The last of them joins later.
const NETWORKS: [&str; 4] = [VPC, VPC, OTHER_VPC, OTHER_VPC];

/// Where the link of each VPC is, and where it moves to.
const ONE: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
const ONE_MOVED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 4);
const OTHER_MOVED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 5);
/// What both networks reach, over the Cloud Connect Network.
const FIXED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 6);
const OF_HUB: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 7);
const LINKS: [Ipv4Addr; 6] = [ONE, ONE_MOVED, OTHER, OTHER_MOVED, FIXED, OF_HUB];

/// Where instance metadata of machines in each VPC is answered, behind the address at which machines ask.
const METADATA: [(&str, &str, u16); 2] = [(VPC, REGION, 8001), (OTHER_VPC, OTHER_REGION, 8002)];

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    let options = nodes::Options {
        nodes: 3,
        joining: NETWORKS[..3].iter().map(|vpc_id| joining(vpc_id)).collect(),
        // The controller asks by the name.
        names: [("metadata.tencentyun.com".to_owned(), Ipv4Addr::new(169, 254, 0, 23))].into(),
        ..nodes::Options::default()
    };
    world::tell(steps, options, story)
}

/// A machine in the VPC: its metadata says so, and the links of the other are not to be reached from there.
fn joining(vpc_id: &str) -> Joining {
    let metadata = METADATA.iter().find(|(it, ..)| *it == vpc_id).map(|(.., port)| (HUB, *port).into());
    Joining { metadata, unreachable: foreign(vpc_id), ..Joining::default() }
}

/// The addresses of the other network.
fn foreign(vpc_id: &str) -> Vec<Ipv4Addr> {
    if vpc_id == VPC { vec![OTHER, OTHER_MOVED] } else { vec![ONE, ONE_MOVED] }
}

/// The steps, with the nodes' hosts files watched in and between them.
struct Told<'a> {
    steps: &'a mut Steps,
    watch: Watch,
}

impl Told<'_> {
    /// A step in which the entries of nodes in these VPCs may change, and no others.
    async fn step<T>(
        &mut self,
        vpc_ids: &[&str],
        what: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let watch = &self.watch;
        let work = async {
            let before = watch.changes();
            let done = work.await?;
            watch.check()?;
            let now = watch.changes();
            for (node, changes) in &now {
                let may = vpc_ids.contains(&vpc_of(node)?);
                let is_same = before.get(node) == Some(changes);
                ensure!(may || is_same, "the entries of {node} have changed: {before:?} became {now:?}");
            }
            Ok(done)
        };
        self.steps.step(what, work).await
    }
}

async fn story(steps: &mut Steps, world: &mut World) -> Result<()> {
    const ALL: &[&str] = &[VPC, OTHER_VPC];
    let _metadata: Vec<Cloud> = METADATA.iter().map(answer_metadata).collect::<Result<_>>()?;
    let mut links = Vec::new();
    for address in LINKS {
        nodes::add_address(address)?;
        links.push(Link::up(address).await?);
    }
    let mut told = Told { steps, watch: Watch::of(watched(world))? };

    told.step(&[], "helm installs the chart: its agents run on three nodes", install(world)).await?;
    let found = "nobody names a VPC: each node takes the link of its own, as its metadata tells";
    told.step(ALL, found, found_networks(world)).await?;
    told.step(&[], "in each network a Pod pulls over that network's link", pulls(world)).await?;
    let joins =
        "a node joins in the second network: its first Pod waits for that network's entries, and runs";
    told.step(&[OTHER_VPC], joins, fourth_node(world)).await?;

    let no_link = "a VPC without a link is named by the condition, and nodes keep what they have";
    told.step(&[], no_link, refused::vpc_without_link(world)).await?;
    let bad = "what cannot be is refused by its field, and nodes keep what they have";
    told.step(&[], bad, refused::by_field(world)).await?;
    let broken = "the controller is away and the list broken: nodes keep the last one, until it is mended";
    told.step(&[], broken, lists::broken(world)).await?;

    let moves = "the second network's link moves: its nodes follow, and the others have nothing to do";
    told.step(&[OTHER_VPC], moves, lists::moves(world, ONE, OTHER_MOVED)).await?;
    let not_asked = "a node does not ask its hosts file any more: the condition names it, until it does";
    told.step(&[VPC], not_asked, proof::not_asked(world)).await?;
    let read_only = "a node's /etc is read-only: it keeps what it has and is named, until it is not";
    told.step(&[OTHER_VPC], read_only, proof::read_only(world)).await?;

    let fixed = "the second network comes over CCN, to a fixed address";
    told.step(&[OTHER_VPC], fixed, lists::fixed_address(world)).await?;
    let of_hub = "and to the link of another VPC, over which a Pod pulls";
    told.step(&[OTHER_VPC], of_hub, lists::link_of_hub(world)).await?;
    let removed = "the second network's link goes, and its entries with it, as asked";
    told.step(&[OTHER_VPC], removed, lists::removed(world)).await?;
    told.step(&[VPC], "with its ImagePullSecret the last entries go", lists::deleted(world)).await?;
    told.step(&[], "the machine is as it was", async { world.machine.is_untouched() }).await
}

fn answer_metadata((vpc_id, region, port): &(&str, &str, u16)) -> Result<Cloud> {
    let machine = Some(Machine::new(*region, *vpc_id, "subnet-demo0001"));
    Ok(Cloud::start(Config { listen: (HUB, *port).into(), machine, ..Config::demo() })?)
}

fn watched(world: &World) -> Vec<Watched> {
    let nodes = NETWORKS.iter().zip(1..);
    let watched = nodes.map(|(vpc_id, number)| {
        let node = format!("node-{number}");
        Watched { file: world.nodes.hosts_file_of(&node), node, foreign: foreign(vpc_id) }
    });
    watched.collect()
}

/// The VPC of a node.
fn vpc_of(node: &str) -> Result<&'static str> {
    let number: Option<usize> = node.strip_prefix("node-").and_then(|number| number.parse().ok());
    let vpc_id = number.and_then(|number| NETWORKS.get(number.checked_sub(1)?));
    vpc_id.copied().with_context(|| format!("{node} is in no network of the story"))
}

async fn install(world: &World) -> Result<()> {
    let values = json!({
        "cloud": {"linkInterval": "2s"},
        // In the first network.
        "controller": {"nodeSelector": {"kubernetes.io/hostname": "node-1"}},
        "webhook": {"replicas": 1},
        "hostsUpdater": {"startupTaint": true, "extraArgs": ["--recheck=5s"]},
    });
    world.install(&values).await?;
    world.rolled_out(&format!("daemonset/{DAEMON_SET}")).await?;
    world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await?;
    world.rolled_out(&format!("deployment/{WEBHOOK}")).await
}

async fn found_networks(world: &World) -> Result<()> {
    world.set_links(lists::links(ONE, OTHER))?;
    ask(world, &json!({})).await?;
    lead(world, Some(ONE), Some(OTHER)).await?;
    for node in world.nodes.list() {
        let vpc_id = format!("vpc_id=\"{}\"", vpc_of(node.name())?);
        eventually(&format!("the agent of {} to tell its VPC", node.name()), LONG, async || {
            let metrics = metrics(node).await?;
            ensure!(metrics.contains(&vpc_id), "no {vpc_id} in {metrics}");
            Ok(())
        })
        .await?;
    }
    world.ready().await
}

/// A private network whose domains nodes shall resolve.
fn resolved(more: &Value) -> Value {
    let mut network = json!({"resolve": true, "domains": ["default", "vpc"]});
    if let (Value::Object(network), Value::Object(more)) = (&mut network, more) {
        network.extend(more.clone());
    }
    network
}

async fn pulls(world: &mut World) -> Result<()> {
    world.kubectl(&["create", "namespace", "shop"]).await?;
    for node in ["node-1", "node-3"] {
        pull_on(world, node, &format!("on-{node}")).await?;
    }
    Ok(())
}

/// A Pod of this name runs on the node, from an image that nobody has pulled.
async fn pull_on(world: &mut World, node: &str, name: &str) -> Result<()> {
    let image = world.image(VPC_DOMAIN, &format!("team/{name}:v1")).await?;
    world.pod("shop", name, &image, on(node)).await?;
    world.runs("shop", name).await.map(drop)
}

fn on(node: &str) -> Value {
    json!({"nodeSelector": {"kubernetes.io/hostname": node}})
}

async fn fourth_node(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/first:v1").await?;
    // Before the node is there, so that it is put there as soon as the node takes Pods.
    world.pod("shop", "first", &image, on("node-4")).await?;
    let taint = Taint { key: STARTUP_TAINT.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    world.nodes.join_with(Joining { taints: vec![taint], ..joining(OTHER_VPC) }).await?;
    world.runs("shop", "first").await?;
    lead(world, Some(ONE), Some(OTHER)).await
}

/// Waits until every node's hosts file leads the domains to its own network's address and no other, or has none of them.
async fn lead(world: &World, one: Option<Ipv4Addr>, other: Option<Ipv4Addr>) -> Result<()> {
    for node in world.nodes.list() {
        let to = if vpc_of(node.name())? == VPC { one } else { other };
        leads(node, to).await?;
    }
    Ok(())
}

/// The same of one node.
async fn leads(node: &nodes::Node, to: Option<Ipv4Addr>) -> Result<()> {
    let expected: Vec<String> = to.iter().map(Ipv4Addr::to_string).collect();
    eventually(&format!("the hosts file of {}", node.name()), LONG, async || {
        let text = String::from_utf8(node.read("/etc/hosts")?)?;
        for domain in DOMAINS {
            let found = addresses(&text, domain);
            ensure!(found == expected, "{domain} leads to {found:?}, not {expected:?}: {text}");
        }
        Ok(())
    })
    .await
}

/// What the agent of a node tells.
async fn metrics(node: &nodes::Node) -> Result<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let url = format!("http://{}:{}/metrics", node.address(), tcr::names::HOSTS_UPDATER_METRICS_PORT);
    Ok(http.get(url).send().await?.text().await?)
}

/// Waits until the condition of the ImagePullSecret is so, with this reason if one is given, and its message has these words.
async fn condition(
    world: &World,
    (object, kind): (&str, &str),
    (status, reason): (&str, Option<&str>),
    words: &[&str],
) -> Result<()> {
    eventually(&format!("{kind}={status} of {object}"), LONG, async || {
        let text = world.kubectl(&["get", "imagepullsecret", object, "-o", "json"]).await?;
        let object: Value = serde_json::from_str(&text)?;
        let all = object["status"]["conditions"].as_array().context("it has no conditions")?;
        let found = all.iter().find(|it| it["type"] == kind).context("it has no such condition")?;
        let is_so = found["status"] == status && reason.is_none_or(|reason| found["reason"] == reason);
        ensure!(is_so, "it is {found}");
        let message = found["message"].as_str().unwrap_or_default();
        ensure!(words.iter().all(|it| message.contains(it)), "its message is {message:?}");
        Ok(())
    })
    .await
}

/// Asks for that in place of what the ImagePullSecret `demo` says of its private network.
async fn ask(world: &World, more: &Value) -> Result<()> {
    world.ask_with(resolved(more)).await
}

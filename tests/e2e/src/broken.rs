//! Nodes broken in the ways of `docs/pull-failures.md`: explain names the one thing to do, the story does that and nothing
//! else, explain says that the image can be pulled, and the Pod runs.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use broken_clusters::{BrokenCluster, TestedOn};
use serde_json::{Value, json};
use support::nodes::{self, HUB, Node};
use support::{Image, eventually};

use crate::steps::Steps;
use crate::world::{self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, LONG, VPC_DOMAIN, WEBHOOK, World, trust};

mod admission;
mod content;
mod runtime;
mod way_there;

/// Where a name server of the outside leads the registry's name: nobody is there.
const ELSEWHERE: [u8; 4] = [10, 200, 0, 66];

/// Longer than a kubelet takes to say that a pull has failed.
const SOON: Duration = Duration::from_secs(90);

/// One of them on the way.
struct Broken<'a> {
    world: &'a mut World,
    way: &'static BrokenCluster,
}

/// Tells the story: of all of them, or of these.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps, only: &[String]) -> Result<()> {
    let options = nodes::Options {
        nodes: 1,
        names: [(DEFAULT_DOMAIN.to_owned(), ELSEWHERE.into())].into(),
        ..nodes::Options::default()
    };
    world::tell_with(steps, options, true, async |steps, world| story(steps, world, only).await)
}

async fn story(steps: &mut Steps, world: &mut World, only: &[String]) -> Result<()> {
    steps.step("helm installs the chart", install(world)).await?;
    steps.step("the node resolves the registry to the private link", asked(world)).await?;
    let ways = broken_clusters::tested(|on| on == TestedOn::Nodes);
    let ways: Vec<_> = ways.filter(|it| only.is_empty() || only.iter().any(|name| name == it.name)).collect();
    ensure!(!ways.is_empty(), "there is no {only:?} in tests/broken-clusters/src/list.rs");
    for way in ways {
        let mut broken = Broken { world, way };
        let told = async {
            broken.told().await?;
            Ok(format!("{}: {}", way.reason, way.to_do))
        };
        steps.trial(way.name, told).await;
    }
    steps.step("the machine is as it was", async { world.machine.is_untouched() }).await
}

async fn install(world: &World) -> Result<()> {
    let values = json!({"webhook": {"replicas": 1}, "cloud": {"linkInterval": "2s"}});
    world.install(&values).await?;
    for workload in [
        format!("deployment/{DEPLOYMENT}"),
        format!("deployment/{WEBHOOK}"),
        format!("daemonset/{DAEMON_SET}"),
    ] {
        world.rolled_out(&workload).await?;
    }
    Ok(())
}

async fn asked(world: &World) -> Result<()> {
    world.ask(true).await?;
    world.hosts_files_have(true).await?;
    world.ready().await
}

impl Broken<'_> {
    async fn told(&mut self) -> Result<()> {
        match self.way.name {
            "disk-full" => self.disk_full().await,
            "disk-read-only" => self.disk_read_only().await,
            "hosts-file-not-used" => self.hosts_file_not_used().await,
            "name-not-resolved" => self.name_not_resolved().await,
            "link-silent" => self.link_silent().await,
            "proxy-away" => self.proxy_away().await,
            "mirror-away" => self.mirror_away().await,
            "authority-missing" => self.authority_missing().await,
            "storage-refuses" => self.storage_answers(403).await,
            "storage-asks-for-patience" => self.storage_answers(429).await,
            "storage-away" => self.storage_away().await,
            "no-variant-for-node" => self.no_variant().await,
            "layer-missing" => self.layer_missing().await,
            "layer-damaged" => self.layer_damaged().await,
            "never-and-not-there" => self.never_there().await,
            "never-and-not-verified" => self.never_verified().await,
            "sandbox-image-gone" => self.sandbox_image().await,
            "runtime-handler-unknown" => self.runtime_handler().await,
            "opted-out" => self.opted_out().await,
            "debug-container" => self.debug_container().await,
            name => bail!("nobody knows how {name} is broken"),
        }
    }

    fn name(&self) -> &'static str {
        self.way.name
    }

    fn node(&self) -> Result<&Node> {
        self.world.nodes.list().first().context("there is no node")
    }

    /// Runs a shell's line on the node.
    async fn on_node(&self, script: &str) -> Result<String> {
        self.world.nodes.exec(self.node()?, "sh", &["-euc", script]).await?.checked()
    }

    async fn namespace(&self) -> Result<()> {
        self.world.kubectl(&["create", "namespace", self.name()]).await.map(drop)
    }

    /// An image of its own.
    async fn image(&mut self) -> Result<String> {
        let name = format!("{}:v1", self.repository());
        self.world.image(DEFAULT_DOMAIN, &name).await
    }

    fn repository(&self) -> String {
        format!("team/{}", self.name())
    }

    async fn pod(&self, image: &str, more: Value) -> Result<()> {
        self.world.pod(self.name(), "web", image, more).await
    }

    /// A namespace and a Pod of an image of its own.
    async fn usual_pod(&mut self) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        self.pod(&image, json!({})).await
    }

    /// The Pod is made again.
    async fn again(&self, image: &str, more: Value) -> Result<()> {
        self.world.kubectl(&["-n", self.name(), "delete", "pod", "web", "--grace-period=1"]).await?;
        self.pod(image, more).await
    }

    /// Waits until explain says what is wrong, and the one thing to do.
    async fn fails(&self) -> Result<()> {
        let found = eventually("explain to say what is wrong", SOON, async || {
            let (found, code) = self.explained("web").await?;
            let images = found["images"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_it = |problem: &Value| problem["reason"] == self.way.reason;
            let says = images.iter().any(|it| is_it(&it["problem"])) || is_it(&found["sandbox"]);
            ensure!(code == Some(1) && says, "exit {code:?}: {found}");
            Ok(found)
        })
        .await?;
        let to_do = found["toDo"].as_str().context("it says nothing to do")?;
        ensure!(to_do.contains(self.way.to_do), "to do: {to_do}");
        Ok(())
    }

    /// Waits until the Pod runs, of which explain then says that it can be pulled.
    async fn runs(&self) -> Result<()> {
        self.runs_as("web").await
    }

    async fn runs_as(&self, pod: &str) -> Result<()> {
        self.world.runs(self.name(), pod).await?;
        let (found, code) = self.explained(pod).await?;
        ensure!(code == Some(0) && found["verdict"] == "pulls", "it runs, and explain says: {found:#}");
        self.world.kubectl(&["-n", self.name(), "delete", "pods", "--all", "--wait=false"]).await.map(drop)
    }

    async fn explained(&self, pod: &str) -> Result<(Value, Option<i32>)> {
        self.world.explained(self.name(), pod).await
    }
}

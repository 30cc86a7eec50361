//! helm upgrades from the release before, and goes back, while somebody makes Pods all the time; `failurePolicy` is Fail.
//!
//! Nothing stands in for anything: the Pods of both releases run on nodes, kube-proxy takes their endpoints from the API
//! server as they become ready, and helm is called as a user calls it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use support::{Image, eventually, nodes};
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::Account;

use crate::chart::{self, Verb, root};
use crate::steps::Steps;
use crate::world::{self, DAEMON_SET, DEPLOYMENT, LONG, WEBHOOK, World};

mod makers;

use makers::Makers;

/// Pods that are made after each change has settled, so that what comes late is seen.
const MORE: usize = 100;

/// Tells the story of the release in the folder `from`.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps, from: &Path) -> Result<()> {
    let before = from.join("chart");
    ensure!(before.is_dir(), "{} is missing: run tests/release-before", before.display());
    let mut images = Vec::new();
    for name in ["tcr-assistant", "hosts-updater"] {
        let archive = from.join(format!("images/{name}.tar"));
        ensure!(archive.is_file(), "{} is missing: run tests/release-before", archive.display());
        images.push(Image::OciArchive(archive));
    }
    let options = nodes::Options { images, ..nodes::Options::default() };
    world::tell(steps, options, async |steps, world| story(steps, world, &before).await)
}

async fn story(steps: &mut Steps, world: &World, before: &Path) -> Result<()> {
    let ours = chart::ours();
    chart::prepare(world.nodes.plane(), &Account::demo()).await?;
    steps.step("helm installs the release before", helm(world, Verb::Install, before)).await?;
    steps.step("it runs, with the webhook in the controller's Pod", runs(world, IN_CONTROLLER)).await?;
    steps.step("an ImagePullSecret is ready", asked(world)).await?;
    let makers = steps.step("Pods are made, and get their reference", Makers::start(world)).await?;

    let upgrade = async {
        // As docs/operating.md says.
        let crd = root().join("artifacts/crd/imagepullsecrets.yaml");
        let crd = crd.to_str().context("the checkout's path is not UTF-8")?;
        world.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", crd]).await?;
        helm(world, Verb::Upgrade, &ours).await?;
        runs(world, BOTH).await
    };
    phase(steps, &makers, "upgraded: both have a webhook", upgrade).await;
    let back = async {
        roll_back(world, 1).await?;
        runs(world, IN_CONTROLLER).await
    };
    phase(steps, &makers, "rolled back to the release before", back).await;
    let again = async {
        helm(world, Verb::Upgrade, &ours).await?;
        runs(world, BOTH).await
    };
    phase(steps, &makers, "upgraded again", again).await;
    let second = async {
        helm(world, Verb::Upgrade, &ours).await?;
        runs(world, APART).await
    };
    phase(steps, &makers, "and once more: the controller's Pod has no webhook", second).await;
    let one_back = async {
        roll_back(world, 4).await?;
        runs(world, BOTH).await
    };
    phase(steps, &makers, "rolled back by one revision", one_back).await;
    let all_back = async {
        roll_back(world, 3).await?;
        runs(world, IN_CONTROLLER).await
    };
    phase(steps, &makers, "and by one more, to the release before", all_back).await;
    makers.end().await;
    steps.step("the machine is as it was", async { world.machine.is_untouched() }).await
}

/// One change, while Pods are made. The story goes on when one was lost.
async fn phase(steps: &mut Steps, makers: &Makers, what: &str, change: impl Future<Output = Result<()>>) {
    let work = async {
        change.await?;
        makers.more(MORE).await?;
        makers.told()
    };
    steps.trial(what, work).await;
}

async fn helm(world: &World, verb: Verb, chart: &Path) -> Result<()> {
    // A machine that is busy with both releases is slow, and nothing else.
    let strict = json!({"webhook": {"failurePolicy": "Fail", "timeoutSeconds": 30}});
    chart::apply(world.nodes.plane(), &world.helm, verb, chart, &[&world.values(), &strict]).await
}

async fn roll_back(world: &World, revision: u8) -> Result<()> {
    chart::roll_back(world.nodes.plane(), &world.helm, revision).await
}

async fn asked(world: &World) -> Result<()> {
    // Its own webhook is strict too.
    eventually("the ImagePullSecret to be taken", LONG, async || world.ask(false).await).await?;
    world.ready().await
}

/// Where the webhook's container is: in the controller's Pods, in Pods of its own.
type Places = (bool, bool);
const IN_CONTROLLER: Places = (true, false);
const BOTH: Places = (true, true);
const APART: Places = (false, true);

/// Waits until everything of the release runs, with the webhook in these places, and nothing else does any more.
async fn runs(world: &World, places: Places) -> Result<()> {
    let client = world.nodes.plane().client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let has_webhook = async |name: &str| {
        let found = deployments.get_opt(name).await?;
        let pod = found.and_then(|it| it.spec).and_then(|it| it.template.spec);
        let mut containers = pod.into_iter().flat_map(|it| it.containers);
        anyhow::Ok(containers.any(|it| it.name == "webhook"))
    };
    let found = (has_webhook(DEPLOYMENT).await?, has_webhook(WEBHOOK).await?);
    ensure!(found == places, "the webhook is in controller and Deployment: {found:?}, not {places:?}");
    world.rolled_out(&format!("daemonset/{DAEMON_SET}")).await?;
    world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await?;
    if places.1 {
        world.rolled_out(&format!("deployment/{WEBHOOK}")).await?;
    }
    let pods: Api<Pod> = world.pods(SYSTEM_NAMESPACE).await?;
    eventually("the Pods of before to be gone", LONG, async || {
        let ending = pods.list(&ListParams::default()).await?;
        let ending = ending.items.into_iter().find(|it| it.metadata.deletion_timestamp.is_some());
        let name = ending.and_then(|it| it.metadata.name);
        ensure!(name.is_none(), "{} is there", name.unwrap_or_default());
        Ok(())
    })
    .await
}

//! On real nodes, a Pod with no pull secret runs from a private instance, over the private address.

use std::collections::BTreeMap;
use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{PodSpec, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use support::nodes::ContainerMemory;
use support::{eventually, network, nodes};
use tcr::names::SYSTEM_NAMESPACE;

use crate::chart;
use crate::steps::Steps;
use crate::world::state::State;
use crate::world::{self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, LONG, VPC_DOMAIN, WEBHOOK, World};

mod killed;
mod tour;

const SECRET: &str = "tcr.ipsdemo";
/// What the containers may use, at most: memory, and processor time.
const LIMITS: [(&str, &str, &str); 3] =
    [("manager", "30Mi", "100m"), ("webhook", "128Mi", ""), ("hosts-updater", "16Mi", "100m")];
/// How containerd says that a registry does not let somebody in.
const UNAUTHORIZED: [&str; 2] = ["401 Unauthorized", "authorization failed"];
/// How it says that a name has no address.
const UNKNOWN_NAME: [&str; 1] = ["no such host"];

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    world::tell(steps, nodes::Options::default(), story)
}

/// Shows the same to a person; with `keep` the cluster stays until an interrupt.
///
/// # Errors
/// What went wrong, in the words of the step that failed.
pub(crate) fn tour(steps: &mut Steps, keep: bool) -> Result<()> {
    world::tell(steps, nodes::Options::default(), async |steps, world| tour::show(steps, world, keep).await)
}

/// Holds a cluster, for [`killed`].
///
/// # Errors
/// It does not start.
pub(crate) fn hold() -> Result<()> {
    network::enter()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(killed::hold())
}

async fn story(steps: &mut Steps, world: &mut World) -> Result<()> {
    steps.step("a cluster whose process is killed leaves nothing", killed::leaves_nothing()).await?;
    prepare(world).await?;
    let before = State::of(&world.nodes).await?;
    steps.step("helm installs the chart", world.install(&json!({}))).await?;
    steps
        .step("hosts-updater runs on both nodes", world.rolled_out(&format!("daemonset/{DAEMON_SET}")))
        .await?;
    steps.step("the controller runs", world.rolled_out(&format!("deployment/{DEPLOYMENT}"))).await?;
    steps.step("the webhook runs", world.rolled_out(&format!("deployment/{WEBHOOK}"))).await?;
    steps.step("their limits are the promised ones", limits(world)).await?;
    steps.step("the webhook has its page map, though its memory is nobody else's", page_map(world)).await?;
    steps.step("an ImagePullSecret is ready", ask(world)).await?;
    steps
        .step("both nodes resolve the registry to the private address", world.hosts_files_have(true))
        .await?;

    steps.step("the controller has tried the credential at the registry", tried(world)).await?;
    steps.step("a new namespace, and at once kubectl run: the Pod runs", first_pod(world)).await?;
    steps.step("a Pod runs on each node", on_each_node(world)).await?;
    steps.step("a Deployment runs", deployment(world)).await?;
    steps.step("a Pod with a pull secret of its own runs", own_secret(world)).await?;
    steps.step("an image by the default domain runs", default_domain(world)).await?;
    steps.step("a Pod of a ServiceAccount made just before runs", new_account(world)).await?;
    steps.step("the managed Secret is deleted by hand; the next Pod runs", deleted_secret(world)).await?;
    steps.step("a third node joins; its first Pod runs", third_node(world)).await?;

    let outside = outside(world);
    steps.step("without policy and reference a pull is not authorized", outside).await?;
    steps.step("without the entries a pull fails at name resolution", withdrawn(world)).await?;
    steps.step("with them again the next one works", restored(world)).await?;
    steps.step("the credential is revoked in the cloud: a new pull fails", revoked(world)).await?;
    let mut used = world.nodes.memory(SYSTEM_NAMESPACE).await?;
    steps.step("the controller has replaced it: a new pull works", replaced(world)).await?;
    used.extend(world.nodes.memory(SYSTEM_NAMESPACE).await?);
    steps.step("no container was ended for its memory or started again", async { memory(used) }).await?;

    steps
        .step("the add-on is uninstalled; cluster and nodes are as before", uninstall(world, &before))
        .await?;
    steps.step("the machine is as it was", async { world.machine.is_untouched() }).await
}

/// What is in the cluster before: a namespace and an account that somebody else looks after, and one namespace that the
/// add-on shall not touch.
async fn prepare(world: &World) -> Result<()> {
    for namespace in ["old", "outside"] {
        world.kubectl(&["create", "namespace", namespace]).await?;
        wait_for_account(world, namespace).await?;
    }
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "robot", "namespace": "old"}, "imagePullSecrets": [{"name": "partner"}],
    });
    world.nodes.plane().apply(&account.to_string()).await.map(drop)
}

async fn wait_for_account(world: &World, namespace: &str) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(world.nodes.plane().client().await?, namespace);
    eventually(&format!("the ServiceAccount of {namespace}"), LONG, async || {
        Ok(accounts.get("default").await?)
    })
    .await?;
    Ok(())
}

async fn limits(world: &World) -> Result<()> {
    let client = world.nodes.plane().client().await?;
    let deployments = Api::<Deployment>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let (controller, webhook) = (deployments.get(DEPLOYMENT).await?, deployments.get(WEBHOOK).await?);
    let daemon_set = Api::<DaemonSet>::namespaced(client, SYSTEM_NAMESPACE).get(DAEMON_SET).await?;
    let specs: [Option<PodSpec>; 3] = [
        controller.spec.and_then(|it| it.template.spec),
        webhook.spec.and_then(|it| it.template.spec),
        daemon_set.spec.and_then(|it| it.template.spec),
    ];
    let mut found = BTreeMap::new();
    for container in specs.into_iter().flatten().flat_map(|spec| spec.containers) {
        let limits = container.resources.and_then(|it| it.limits).unwrap_or_default();
        let limit = |name: &str| limits.get(name).map(|it| it.0.clone()).unwrap_or_default();
        found.insert(container.name, (limit("memory"), limit("cpu")));
    }
    for (container, memory, processors) in LIMITS {
        let limits = found.get(container).with_context(|| format!("there is no container {container}"))?;
        ensure!(
            *limits == (memory.to_owned(), processors.to_owned()),
            "{container} has the limits {limits:?}"
        );
    }
    Ok(())
}

/// A process that is no longer dumpable may not open its own page map, unless it is root's; it must have done so before.
async fn page_map(world: &World) -> Result<()> {
    let containers = world.nodes.memory(SYSTEM_NAMESPACE).await?;
    let mut webhooks = containers.iter().filter(|it| it.container == "webhook").peekable();
    ensure!(webhooks.peek().is_some(), "no webhook runs");
    for webhook in webhooks {
        ensure!(webhook.has_page_map, "the webhook of {} has no page map open", webhook.pod);
    }
    Ok(())
}

async fn ask(world: &World) -> Result<()> {
    world.ask(true).await?;
    world.ready().await
}

async fn tried(world: &World) -> Result<()> {
    let ours = current(world)?;
    eventually("the registry's token service to be asked", LONG, async || {
        let requests = world.cloud.token_requests();
        let mut of_ours = requests.iter().filter(|it| it.token_id.as_ref() == Some(&ours));
        ensure!(
            of_ours.any(|it| it.granted_to("pull").contains(&"tcr-assistant/probe")),
            "nobody came with {ours}"
        );
        Ok(())
    })
    .await
}

async fn first_pod(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/app:v1").await?;
    world.kubectl(&["create", "namespace", "shop"]).await?;
    // Kubernetes itself refuses a Pod before the namespace has its ServiceAccount.
    eventually("kubectl run", LONG, async || {
        let run = world.nodes.plane().kubectl(&["-n", "shop", "run", "web", "--image", &image]).await?;
        let early = run.stderr.contains("serviceaccount \"default\" not found");
        ensure!(run.success || !early, "{}", run.stderr);
        Ok(run.checked())
    })
    .await??;
    world.runs("shop", "web").await.map(drop)
}

async fn on_each_node(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/app:v2").await?;
    let names: Vec<String> = world.nodes.list().iter().map(|node| node.name().to_owned()).collect();
    for name in &names {
        world.pod("shop", &format!("on-{name}"), &image, on(name)).await?;
    }
    for name in &names {
        let node = world.runs("shop", &format!("on-{name}")).await?;
        ensure!(node == *name, "it runs on {node}");
    }
    Ok(())
}

fn on(node: &str) -> serde_json::Value {
    json!({"nodeSelector": {"kubernetes.io/hostname": node}})
}

async fn deployment(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/deployed:v1").await?;
    world.kubectl(&["-n", "shop", "create", "deployment", "api", "--image", &image, "--replicas=2"]).await?;
    eventually("the Deployment", LONG, async || {
        world.kubectl(&["-n", "shop", "rollout", "status", "--timeout=5s", "deployment/api"]).await
    })
    .await
    .map(drop)
}

async fn own_secret(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/own-secret:v1").await?;
    let server = "--docker-server=registry.example.com";
    let create = ["-n", "shop", "create", "secret", "docker-registry", "partner", server];
    world.kubectl(&[&create[..], &["--docker-username=u", "--docker-password=p"]].concat()).await?;
    world.pod("shop", "own-secret", &image, json!({"imagePullSecrets": [{"name": "partner"}]})).await?;
    let pod = world.pods("shop").await?.get("own-secret").await?;
    let listed: Vec<_> =
        pod.spec.iter().flat_map(|it| it.image_pull_secrets.iter().flatten()).map(|it| &*it.name).collect();
    ensure!(listed.contains(&"partner") && listed.contains(&SECRET), "the Pod has {listed:?}");
    world.runs("shop", "own-secret").await.map(drop)
}

async fn default_domain(world: &mut World) -> Result<()> {
    let image = world.image(DEFAULT_DOMAIN, "team/default-domain:v1").await?;
    world.pod("shop", "default-domain", &image, json!({})).await?;
    world.runs("shop", "default-domain").await.map(drop)
}

async fn new_account(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/new-account:v1").await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.nodes.plane().client().await?, "shop");
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "builder"}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    world.pod("shop", "new-account", &image, json!({"serviceAccountName": "builder"})).await?;
    world.runs("shop", "new-account").await.map(drop)
}

async fn deleted_secret(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/deleted-secret:v1").await?;
    world.kubectl(&["-n", "shop", "delete", "secret", SECRET]).await?;
    world.pod("shop", "deleted-secret", &image, json!({})).await?;
    world.runs("shop", "deleted-secret").await.map(drop)
}

async fn third_node(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/third-node:v1").await?;
    let name = world.nodes.join().await?.name().to_owned();
    world.pod("shop", "third-node", &image, on(&name)).await?;
    world.runs("shop", "third-node").await?;
    world.hosts_files_have(true).await
}

async fn outside(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/outside:v1").await?;
    world.pod("outside", "web", &image, json!({})).await?;
    let pod = world.pods("outside").await?.get("web").await?;
    let listed = pod.spec.and_then(|it| it.image_pull_secrets).unwrap_or_default();
    ensure!(listed.is_empty(), "the Pod has {listed:?}");
    world.pull_fails("outside", "web", &UNAUTHORIZED).await?;
    world.kubectl(&["-n", "outside", "delete", "pod", "web", "--wait=false"]).await.map(drop)
}

async fn withdrawn(world: &mut World) -> Result<()> {
    world.ask(false).await?;
    world.hosts_files_have(false).await?;
    let mut tries = 0;
    // containerd is a Go program, and those look at the hosts file anew after five seconds: each try is another image.
    loop {
        tries += 1;
        let name = format!("withdrawn-{tries}");
        let image = world.image(VPC_DOMAIN, &format!("team/{name}:v1")).await?;
        world.pod("shop", &name, &image, json!({})).await?;
        let failed = world.pull_fails("shop", &name, &UNKNOWN_NAME).await;
        world.kubectl(&["-n", "shop", "delete", "pod", &name, "--wait=false"]).await?;
        if failed.is_ok() || tries == 10 {
            return failed.map(drop);
        }
    }
}

async fn restored(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/restored:v1").await?;
    world.ask(true).await?;
    world.hosts_files_have(true).await?;
    world.pod("shop", "restored", &image, json!({})).await?;
    world.runs("shop", "restored").await.map(drop)
}

async fn revoked(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/revoked:v1").await?;
    let now = world.cloud.now();
    let ours = current(world)?;
    ensure!(
        world.cloud.update_token(&ours, |token| token.deleted_at = Some(now)),
        "there is no token {ours}"
    );
    world.pod("shop", "revoked", &image, json!({})).await?;
    world.pull_fails("shop", "revoked", &UNAUTHORIZED).await?;
    world.kubectl(&["-n", "shop", "delete", "pod", "revoked", "--wait=false"]).await.map(drop)
}

/// The id of the one long-term credential that is live.
fn current(world: &World) -> Result<String> {
    let live: Vec<String> =
        world.cloud.live_tokens().into_iter().map(|token| token.id).filter(|id| !id.is_empty()).collect();
    match &*live {
        [one] => Ok(one.clone()),
        _ => bail!("{} long-term credentials are live", live.len()),
    }
}

async fn replaced(world: &mut World) -> Result<()> {
    let image = world.image(VPC_DOMAIN, "team/replaced:v1").await?;
    // It asks the cloud every ten minutes whether the credential is there, and when it starts.
    let select = "app.kubernetes.io/component=controller-manager";
    world.kubectl(&["-n", SYSTEM_NAMESPACE, "delete", "pods", "-l", select, "--wait=false"]).await?;
    eventually("another credential", LONG, async || current(world)).await?;
    eventually("the Secret with it", LONG, async || {
        let current = current(world)?;
        let status = ["get", "imagepullsecret", "demo", "-o", "jsonpath={.status.tokenId}"];
        let distributed = world.kubectl(&status).await?;
        ensure!(distributed == current, "{distributed} is distributed, and {current} is live");
        Ok(())
    })
    .await?;
    world.ready().await?;
    world.pod("shop", "replaced", &image, json!({})).await?;
    world.runs("shop", "replaced").await.map(drop)
}

/// What each container has used at most, on whichever node.
fn memory(used: Vec<ContainerMemory>) -> Result<()> {
    for (container, limit, _) in LIMITS {
        let all: Vec<_> = used.iter().filter(|it| it.container == container).collect();
        let peak = |of: fn(&ContainerMemory) -> u64| all.iter().map(|it| of(it)).max().unwrap_or(0);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        ensure!(peak(|it| it.resident) > 0, "there is no container {container}");
        // Nobody is there to read that stdout is closed.
        let _ = writeln!(
            stdout(),
            "       {container:<14} peak {:5.1} MiB resident, {:5.1} MiB charged, of {limit}",
            mib(peak(|it| it.resident)),
            mib(peak(|it| it.charged)),
        );
    }
    for it in &used {
        ensure!(!it.oom_killed, "{} of {} was ended because of its memory", it.container, it.pod);
        ensure!(it.restarts == 0, "{} of {} was started again {} times", it.container, it.pod, it.restarts);
    }
    Ok(())
}

async fn uninstall(world: &World, before: &State) -> Result<()> {
    // What the story made, which is the user's to delete.
    world.kubectl(&["delete", "namespace", "shop", "--wait=false"]).await?;
    world.kubectl(&["delete", "imagepullsecrets", "--all", "--timeout=100s"]).await?;
    world.hosts_files_have(false).await?;
    ensure!(world.cloud.live_tokens().iter().all(|token| token.id.is_empty()), "a credential is still live");
    chart::uninstall(world.nodes.plane(), &world.helm, &[]).await?;
    world.kubectl(&["delete", "namespace", SYSTEM_NAMESPACE, "--wait=false"]).await?;
    eventually("cluster and nodes as before", LONG, async || State::of(&world.nodes).await?.is_as(before))
        .await
}

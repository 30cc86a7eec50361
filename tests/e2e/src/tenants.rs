//! On real nodes, two tenants of one instance: each pulls its own repositories and is refused the other's, also what the
//! other has pulled to the node; accounts that somebody deletes are made again, and none too many, whoever is killed.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};
use support::nodes::{self, HUB};
use support::{Output, eventually};
use tcr::docker_config::DockerConfig;
use tcr_cloud::{Fault, Permission, ServiceAccountRecord};

use crate::steps::Steps;
use crate::world::{
    self, DAEMON_SET, DEFAULT_DOMAIN, DEPLOYMENT, INSTANCE, LONG, REGION, VPC_DOMAIN, WEBHOOK, World,
};

/// A tenant's user, namespace, registry namespace and ImagePullSecret have one name.
const TENANTS: [&str; 2] = ["team-a", "team-b"];
/// A namespace of both.
const BOTH: &str = "both";
/// How containerd says that a registry does not let somebody in, or to a repository.
const REFUSED: [&str; 3] = ["401 Unauthorized", "403 Forbidden", "authorization failed"];
/// How long the answer about a new account is on the way: longer than its controller lives.
const ON_THE_WAY: std::time::Duration = std::time::Duration::from_secs(60);

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    world::tell(steps, nodes::Options::default(), story)
}

async fn story(steps: &mut Steps, world: &mut World) -> Result<()> {
    steps.step("helm installs the chart with two tenants", install(world)).await?;
    steps.step("each tenant asks for its own credential, and may ask for no more", ask(world)).await?;
    steps.step("the instance has an account of each, which pulls and nothing else", accounts(world)).await?;
    let image = steps.step("each tenant's Pod pulls its own repository", own(world)).await?;
    steps.step("the other's repository is refused, and explain says whose it is", others(world)).await?;
    let cached = "an image that the other has pulled to the node is refused too, and explain says so";
    steps.step(cached, already_there(world, &image)).await?;
    steps.step("a namespace of both: a Pod pulls from both, by keys of their own", both(world)).await?;
    steps
        .step("a Pod with a list of its own gets the reference that its image needs", one_reference(world))
        .await?;

    let victim = account_of(world, TENANTS[0])?;
    steps
        .step("an account is deleted behind our back: its tenant's pull fails", deleted(world, &victim))
        .await?;
    let killed = "another is made, and the controller killed before it hears of it";
    steps.step(killed, killed_in_between(world, &victim)).await?;
    steps.step("the account nobody has the password of is gone, and the Pod runs", repaired(world)).await?;
    steps.step("there was never an account too many", async { none_too_many(world) }).await?;
    steps.step("with its ImagePullSecret each account goes", clean_up(world)).await?;
    steps.step("the machine is as it was", async { world.machine.is_untouched() }).await
}

async fn install(world: &World) -> Result<()> {
    let tenant = |name: &str| json!({"name": name, "users": [name], "namespaces": [name], "registryNamespaces": [name]});
    let entry = |domain: &str| json!({"domain": domain, "ip": HUB, "disabled": false});
    let hosts = [DEFAULT_DOMAIN, VPC_DOMAIN].map(entry);
    world
        .install(&json!({
            "webhook": {"replicas": 1},
            "tenants": TENANTS.map(tenant),
            // Every node gets them, so that no tenant may ask for them.
            "global": {"hosts": hosts},
        }))
        .await?;
    for workload in [
        format!("deployment/{DEPLOYMENT}"),
        format!("deployment/{WEBHOOK}"),
        format!("daemonset/{DAEMON_SET}"),
    ] {
        world.rolled_out(&workload).await?;
    }
    world.hosts_files_have(true).await?;
    // RBAC lets tenants write ImagePullSecrets, by name or not: they are cluster-scoped.
    let verbs = "--verb=get,create,update,patch,delete";
    world.kubectl(&["create", "clusterrole", "tenant", verbs, "--resource=imagepullsecrets"]).await?;
    for name in TENANTS {
        let user = format!("--user={name}");
        world.kubectl(&["create", "clusterrolebinding", name, "--clusterrole=tenant", &user]).await?;
        world.kubectl(&["create", "namespace", name]).await?;
    }
    world.kubectl(&["create", "namespace", BOTH]).await.map(drop)
}

/// What a tenant asks for: its namespaces, and what its Pods may pull there.
fn object(name: &str, namespaces: &str, registry_namespaces: &[&str]) -> Value {
    json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": name},
        "spec": {"namespaces": namespaces, "tcr": {
            "instanceId": INSTANCE, "region": REGION,
            "credential": {"type": "serviceAccount", "registryNamespaces": registry_namespaces},
        }},
    })
}

async fn ask(world: &World) -> Result<()> {
    let [a, b] = TENANTS;
    for (wide, field) in
        [(object(a, b, &[a]), "spec.namespaces"), (object(a, a, &[a, b]), "registryNamespaces")]
    {
        // API servers take a moment to see a new policy.
        eventually("what is the other's to be refused", LONG, async || {
            let asked = apply_as(world, a, &wide, &["--dry-run=server"]).await?;
            ensure!(!asked.success, "it may be had: {wide}");
            ensure!(asked.stderr.contains(field), "{field} is not named: {}", asked.stderr);
            Ok(())
        })
        .await?;
    }
    for name in TENANTS {
        apply_as(world, name, &object(name, name, &[name]), &[]).await?.checked()?;
    }
    for name in TENANTS {
        ready(world, name).await?;
    }
    let taken = apply_as(world, b, &object(a, b, &[b]), &[]).await?;
    ensure!(!taken.success, "a tenant took the other's object");
    Ok(())
}

async fn apply_as(world: &World, user: &str, object: &Value, more: &[&str]) -> Result<Output> {
    let file = world.nodes.plane().run().folder().join(format!("{user}.json"));
    std::fs::write(&file, object.to_string())?;
    let file = file.to_str().context("the folder's name is not UTF-8")?;
    let user = format!("--as={user}");
    world.nodes.plane().kubectl(&[&["apply", "-f", file, &user], more].concat()).await
}

async fn ready(world: &World, name: &str) -> Result<()> {
    eventually(&format!("ImagePullSecret {name} to be ready"), LONG, async || {
        let object = format!("imagepullsecret/{name}");
        world.kubectl(&["wait", "--for=condition=Ready", "--timeout=2s", &object]).await
    })
    .await
    .map(drop)
}

/// The one account that lives and is for this tenant.
fn account_of(world: &World, tenant: &str) -> Result<ServiceAccountRecord> {
    let live = world.cloud.live_service_accounts().into_iter();
    let all: Vec<ServiceAccountRecord> = live.filter(|it| it.permissions == only_pulls(tenant)).collect();
    match <[_; 1]>::try_from(all) {
        Ok([one]) => Ok(one),
        Err(all) => bail!("{} accounts of {tenant} live", all.len()),
    }
}

fn only_pulls(tenant: &str) -> Vec<Permission> {
    vec![Permission { resource: tenant.to_owned(), actions: vec!["tcr:PullRepository".to_owned()] }]
}

async fn accounts(world: &World) -> Result<()> {
    for tenant in TENANTS {
        let account = account_of(world, tenant)?;
        let status = ["get", "imagepullsecret", tenant, "-o", "jsonpath={.status.identity.username}"];
        let told = world.kubectl(&status).await?;
        ensure!(told == account.name, "status.identity of {tenant} is {told:?}, not {}", account.name);
    }
    let live = world.cloud.live_service_accounts().len();
    ensure!(live == TENANTS.len(), "{live} accounts live");
    Ok(())
}

/// The node of all Pods, so that they share its images.
fn on(world: &World) -> Result<Value> {
    let node = world.nodes.list().first().context("there is no node")?;
    Ok(json!({"nodeSelector": {"kubernetes.io/hostname": node.name()}}))
}

/// Gives the second tenant's image, which is on the node from then on.
async fn own(world: &mut World) -> Result<String> {
    let mut last = String::new();
    for tenant in TENANTS {
        last = world.image(DEFAULT_DOMAIN, &format!("{tenant}/app:v1")).await?;
        world.pod(tenant, "own", &last, on(world)?).await?;
        world.runs(tenant, "own").await?;
    }
    Ok(last)
}

async fn others(world: &mut World) -> Result<()> {
    let [a, b] = TENANTS;
    for (tenant, other) in [(a, b), (b, a)] {
        let image = world.image(VPC_DOMAIN, &format!("{other}/secret:v1")).await?;
        world.pod(tenant, "others", &image, on(world)?).await?;
        world.pull_fails(tenant, "others", &REFUSED).await?;
        lacks(world, tenant, "others", other).await?;
    }
    Ok(())
}

/// Explain says that the tenant's credential lacks the right, and that the other's is not for its namespace.
async fn lacks(world: &World, tenant: &str, pod: &str, other: &str) -> Result<()> {
    let found = eventually("explain to say what is wrong", LONG, async || {
        let (found, code) = world.explained(tenant, pod).await?;
        let reason = &found["images"][0]["problem"]["reason"];
        ensure!(code == Some(1) && reason == "RegistryNamespaceLacking", "exit {code:?}: {found}");
        Ok(found)
    })
    .await?;
    let message = found["images"][0]["problem"]["message"].as_str().unwrap_or_default();
    for words in [
        format!("registryNamespaces of ImagePullSecret {tenant} do not have {other:?}"),
        format!("ImagePullSecret {other} does not select the namespace {tenant}"),
    ] {
        ensure!(message.contains(&words), "no {words:?} in {message:?}");
    }
    Ok(())
}

async fn already_there(world: &mut World, image: &str) -> Result<()> {
    let [tenant, other] = TENANTS;
    let container = json!({"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"});
    let mut more = on(world)?;
    more["containers"] = json!([container]);
    world.pod(tenant, "already-there", image, more).await?;
    world.pull_fails(tenant, "already-there", &REFUSED).await?;
    lacks(world, tenant, "already-there", other).await?;
    // Whose it is has it at once.
    world.pod(other, "again", image, on(world)?).await?;
    world.runs(other, "again").await.map(drop)
}

async fn both(world: &mut World) -> Result<()> {
    for tenant in TENANTS {
        let namespaces = json!({"spec": {"namespaces": format!("{tenant},{BOTH}")}}).to_string();
        world.kubectl(&["patch", "imagepullsecret", tenant, "--type=merge", "-p", &namespaces]).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(world.nodes.plane().client().await?, BOTH);
    for tenant in TENANTS {
        let expected = [DEFAULT_DOMAIN, VPC_DOMAIN].map(|host| format!("{host}/{tenant}/"));
        eventually("keys of its own registry namespace", LONG, async || {
            let secret = secrets.get(&format!("tcr.ips{tenant}")).await?;
            let bytes = secret.data.and_then(|mut data| data.remove(".dockerconfigjson"));
            let keys: Vec<String> =
                DockerConfig::logins(&bytes.context("it is empty")?.0)?.into_keys().collect();
            ensure!(keys.iter().all(|key| expected.contains(key)) && keys.len() == 2, "they are {keys:?}");
            Ok(())
        })
        .await?;
    }
    let mut more = on(world)?;
    let mut containers = Vec::new();
    for tenant in TENANTS {
        let image = world.image(DEFAULT_DOMAIN, &format!("{tenant}/both:v1")).await?;
        // Both would listen on one port.
        containers.push(json!({"name": tenant, "image": image, "args": ["pause"]}));
    }
    more["containers"] = Value::from(containers);
    world.pod(BOTH, "both", "", more).await?;
    world.runs(BOTH, "both").await.map(drop)
}

async fn one_reference(world: &mut World) -> Result<()> {
    let tenant = TENANTS[1];
    let image = world.image(DEFAULT_DOMAIN, &format!("{tenant}/one:v1")).await?;
    let mut more = on(world)?;
    more["imagePullSecrets"] = json!([{"name": "partner"}]);
    world.pod(BOTH, "one", &image, more).await?;
    let pod = world.pods(BOTH).await?.get("one").await?;
    let listed = pod.spec.and_then(|it| it.image_pull_secrets).unwrap_or_default();
    let listed: Vec<String> = listed.into_iter().map(|it| it.name).collect();
    ensure!(listed == ["partner".to_owned(), format!("tcr.ips{tenant}")], "the Pod has {listed:?}");
    world.runs(BOTH, "one").await.map(drop)
}

async fn deleted(world: &mut World, victim: &ServiceAccountRecord) -> Result<()> {
    let now = world.cloud.now();
    let is_there = world.cloud.update_service_account(&victim.name, |account| account.deleted_at = Some(now));
    ensure!(is_there, "there is no account {}", victim.name);
    let image = world.image(DEFAULT_DOMAIN, &format!("{}/deleted:v1", TENANTS[0])).await?;
    world.pod(TENANTS[0], "deleted", &image, on(world)?).await?;
    world.pull_fails(TENANTS[0], "deleted", &REFUSED).await.map(drop)
}

async fn killed_in_between(world: &World, victim: &ServiceAccountRecord) -> Result<()> {
    world.cloud.inject(Fault::delay(ON_THE_WAY).on("CreateServiceAccount").after_effect().times(1));
    // It looks for its accounts every ten minutes, and when it starts.
    kill_controller(world).await?;
    eventually("another account", LONG, async || {
        let account = account_of(world, TENANTS[0])?;
        ensure!(account.name != victim.name, "{} lives", victim.name);
        Ok(())
    })
    .await?;
    kill_controller(world).await
}

/// As the kernel does it, where memory is short.
async fn kill_controller(world: &World) -> Result<()> {
    const KILL: &str = r#"
        for process in /proc/[0-9]*; do
          if tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q '^[^ ]*tcr-assistant run '; then
            kill -9 "${process#/proc/}" && echo killed
          fi
        done"#;
    let mut killed = String::new();
    for node in world.nodes.list() {
        killed += &world.nodes.exec(node, "sh", &["-uc", KILL]).await?.stdout;
    }
    ensure!(killed.contains("killed"), "no controller runs on any node");
    Ok(())
}

async fn repaired(world: &World) -> Result<()> {
    let tenant = TENANTS[0];
    let secrets: Api<Secret> = Api::namespaced(world.nodes.plane().client().await?, tenant);
    eventually("one account of the tenant, which is distributed", LONG * 2, async || {
        let account = account_of(world, tenant)?;
        let secret = secrets.get(&format!("tcr.ips{tenant}")).await?;
        let bytes = secret.data.and_then(|mut data| data.remove(".dockerconfigjson"));
        let logins = DockerConfig::logins(&bytes.context("it is empty")?.0)?;
        let is_it = logins.values().all(|login| {
            login.username == account.name && login.password.expose() == account.secret.expose()
        });
        ensure!(is_it, "another one than {} is", account.name);
        Ok(())
    })
    .await?;
    // It is tried again by its kubelet.
    world.runs(tenant, "deleted").await?;
    world.rolled_out(&format!("deployment/{DEPLOYMENT}")).await?;
    for name in TENANTS {
        ready(world, name).await?;
    }
    accounts(world).await
}

/// At each account's beginning as many lived as there are tenants, and one more at most, which took another's place.
fn none_too_many(world: &World) -> Result<()> {
    let all = world.cloud.service_accounts();
    for account in &all {
        let at = account.created_at;
        let lived = |it: &&ServiceAccountRecord| {
            it.created_at <= at && it.deleted_at.is_none_or(|deleted| deleted > at)
        };
        let count = all.iter().filter(lived).count();
        ensure!(count <= TENANTS.len() + 1, "{count} lived when {} was made", account.name);
    }
    Ok(())
}

async fn clean_up(world: &World) -> Result<()> {
    world.kubectl(&["delete", "imagepullsecrets", "--all", "--wait=false"]).await?;
    // What an answer is missing about may appear for some minutes, and is waited for.
    eventually("no ImagePullSecret and no account to be left", LONG * 3, async || {
        let left = world.kubectl(&["get", "imagepullsecrets", "-o", "name"]).await?;
        ensure!(left.is_empty(), "there is {left}");
        let live = world.cloud.live_service_accounts().len();
        ensure!(live == 0, "{live} accounts live");
        Ok(())
    })
    .await
}

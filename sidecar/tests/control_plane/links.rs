//! Private links: what becomes of them in `updater-config`, and how far the nodes are with it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use serde_json::{Value, json};
use support::{Process, eventually};
use tcr::names::{HOSTS_GENERATION_ANNOTATION, HOSTS_WITHDRAWN_ANNOTATION, SYSTEM_NAMESPACE};
use tcr_cloud::{CustomDomain, Machine, PrivateDns, VpcLink};

use crate::cluster::{Cluster, SOON};

const VPC: &str = "vpc-demo0001";

fn spec(private_network: Value) -> Value {
    json!({"tcr": {
        "instanceId": "tcr-demo0001",
        "region": "ap-guangzhou",
        "domains": ["default", "vpc"],
        "privateNetwork": private_network,
    }})
}

pub(crate) async fn hosts(cluster: &Cluster) -> Result<String> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let map = maps.get("updater-config").await?;
    Ok(map.data.unwrap_or_default().remove("hosts.yaml").unwrap_or_default())
}

fn set_link(cluster: &Cluster, link: Option<VpcLink>) {
    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        instance.links = link.clone().map(|link| vec![link]);
    });
}

fn link(address: &str) -> Option<VpcLink> {
    Some(VpcLink::running(VPC, "subnet-demo0001", address))
}

#[tokio::test]
async fn a_private_link_becomes_hosts_entries_and_goes_with_its_object() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    set_link(&cluster, None);
    cluster.cloud.set_machine(None);
    cluster.ask("demo", spec(json!({"resolve": true}))).await?;
    cluster.expect_condition("demo", "PrivateLink", "False", "VpcUnknown").await?;
    // The machine's own VPC is the default.
    cluster.cloud.set_machine(Some(Machine::new("ap-guangzhou", VPC, "subnet-demo0001")));
    let object = cluster.expect_condition("demo", "PrivateLink", "False", "NoLink").await?;
    let text = serde_json::to_string(&object.status)?;
    ensure!(text.contains("Access Control > Private Network Access"), "it does not say where: {text}");
    ensure!(!hosts(&cluster).await.unwrap_or_default().contains("demo"), "entries for no link");

    set_link(&cluster, link("").map(|link| VpcLink { status: "Creating".to_owned(), ..link }));
    cluster.expect_condition("demo", "PrivateLink", "False", "Pending").await?;
    set_link(&cluster, link("10.0.0.2"));
    let object = cluster.expect_condition("demo", "PrivateLink", "True", "Running").await?;
    let text = serde_json::to_string(&object.status)?;
    ensure!(text.contains("no longer be reached over the public network"), "it does not warn: {text}");
    let text = hosts(&cluster).await?;
    for domain in ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"] {
        let entry = format!("- domain: {domain}\n  ip: 10.0.0.2\n  disabled: false\n  whenLinkDown: Keep\n");
        ensure!(text.contains(&entry), "{text}");
    }
    cluster.delete("demo").await?;
    ensure!(hosts(&cluster).await? == "[]\n", "entries are left");
    cluster.finish(&[]).await
}

#[tokio::test]
async fn a_changed_address_private_dns_and_custom_domains_have_their_words() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.ask("demo", spec(json!({"resolve": true, "vpcId": VPC}))).await?;
    cluster.expect_condition("demo", "PrivateLink", "True", "Running").await?;

    set_link(&cluster, link("10.0.0.3"));
    // A changed spec is looked at at once.
    let removing = json!({"tcr": {"privateNetwork": {"whenLinkDown": "Remove"}}});
    cluster.change("demo", removing).await?;
    cluster.expect_condition("demo", "PrivateLink", "True", "AddressChanged").await?;
    let text = hosts(&cluster).await?;
    ensure!(text.matches("ip: 10.0.0.3").count() == 2 && !text.contains("10.0.0.2"), "{text}");
    ensure!(text.matches("whenLinkDown: Remove").count() == 2, "{text}");

    let own = json!({"tcr": {"privateNetwork": {"domains": ["vpc", "img.tencentcloudcr.com"]}}});
    cluster.change("demo", own).await?;
    cluster.expect_condition("demo", "PrivateLink", "False", "DomainUnusable").await?;
    let text = hosts(&cluster).await?;
    ensure!(text.contains("domain: demo-vpc.") && !text.contains("domain: img."), "{text}");
    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        instance.custom_domains = vec![CustomDomain {
            name: "img.tencentcloudcr.com".to_owned(),
            status: "success".to_owned(),
            cert_id: String::new(),
        }];
    });
    eventually("the custom domain", SOON, async || {
        ensure!(hosts(&cluster).await?.contains("domain: img.tencentcloudcr.com\n  ip: 10.0.0.3"), "not yet");
        Ok(())
    })
    .await?;

    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        instance.private_dns = vec![PrivateDns {
            vpc_id: VPC.to_owned(),
            use_public_domain: false,
            status: "ENABLED".to_owned(),
        }];
    });
    cluster.change("demo", json!({"tcr": {"privateNetwork": {"domains": ["vpc"]}}})).await?;
    cluster.expect_condition("demo", "PrivateLink", "True", "PrivateDNSAlreadyServes").await?;
    cluster.finish(&[]).await
}

/// Every list that is there while `work` goes on.
async fn lists_during(client: Client, work: impl Future<Output = Result<()>>) -> Result<Vec<String>> {
    let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let mut watch = std::pin::pin!(watch_object(maps, "updater-config"));
    let mut work = std::pin::pin!(work);
    let mut lists = Vec::new();
    loop {
        tokio::select! {
            done = &mut work => return done.map(|()| lists),
            Some(seen) = watch.next() => {
                let data = seen?.and_then(|map| map.data).unwrap_or_default();
                lists.push(data.get("hosts.yaml").cloned().unwrap_or_default());
            }
        }
    }
}

#[tokio::test]
async fn a_controller_that_starts_takes_no_entries_away() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.ask("demo", spec(json!({"resolve": true, "vpcId": VPC}))).await?;
    cluster.expect_condition("demo", "PrivateLink", "True", "Running").await?;
    let before = hosts(&cluster).await?;
    ensure!(before.contains("10."), "{before}");
    cluster.kill();
    // The next one has to say again what the link is, which it knows once it has read the credential and asked the cloud.
    let status = json!({"status": {"conditions": []}});
    cluster.objects().patch_status("demo", &PatchParams::default(), &Patch::Merge(status)).await?;
    let client = cluster.client.clone();
    let lists = lists_during(client, async {
        cluster.run().await?;
        cluster.expect_condition("demo", "PrivateLink", "True", "Running").await.map(drop)
    })
    .await?;
    ensure!(!lists.is_empty() && lists.iter().all(|list| *list == before), "{before} became {lists:#?}");
    cluster.finish(&[]).await
}

/// A node's agent, and the Pod that the API server believes it to be.
pub(crate) struct Agent {
    process: Process,
    pub(crate) folder: PathBuf,
}

impl Agent {
    pub(crate) async fn start(cluster: &Cluster, name: &str, args: &[&str]) -> Result<Self> {
        let folder = cluster.plane.run().folder().join(name);
        for directory in ["config", "etc", "state"] {
            std::fs::create_dir_all(folder.join(directory))?;
        }
        std::fs::write(folder.join("etc/hosts"), "127.0.0.1 localhost\n")?;
        std::fs::write(folder.join("config/hosts.yaml"), "[]\n")?;
        let program = Path::new(env!("CARGO_BIN_EXE_tcr-assistant")).with_file_name("hosts-updater");
        ensure!(program.exists(), "{} is missing: run tests/build hosts-updater", program.display());
        let mut command = cluster.plane.run().command(&program);
        command.arg("--config-dir").arg(folder.join("config"));
        command.arg("--hosts-file").arg(folder.join("etc/hosts"));
        command.arg("--state-dir").arg(folder.join("state"));
        command.args(["--probe-port=0", "--metrics-ip=127.0.0.1", "--metrics-port=0"]).args(args);
        let process = cluster.plane.run().start(name, command)?;
        let metrics = eventually("the agent to say where its metrics are", SOON, async || {
            process.address_behind("metrics at http://")
        });
        let port = metrics.await?.port();
        let nodes: Api<Node> = Api::all(cluster.client.clone());
        let node: Node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        nodes.create(&PostParams::default(), &node).await?;
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app.kubernetes.io/component": "hosts-updater"}},
            "spec": {
                "nodeName": name,
                "serviceAccountName": "hosts-updater",
                "automountServiceAccountToken": false,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{
                    "name": "hosts-updater",
                    "image": "localhost/hosts-updater",
                    "ports": [{"name": "metrics", "containerPort": port}],
                }],
            },
        }))?;
        let pods = pods(cluster);
        pods.create(&PostParams::default(), &pod).await?;
        let status = json!({"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(Self { process, folder })
    }

    /// What a kubelet does when the Pod has changed.
    pub(crate) fn mount(&self, text: &str) -> Result<()> {
        let beside = self.folder.join("config/new");
        std::fs::write(&beside, text)?;
        std::fs::rename(beside, self.folder.join("config/hosts.yaml"))?;
        Ok(())
    }
}

pub(crate) fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE)
}

async fn expect_nodes(cluster: &Cluster, summary: &str, silent: i64) -> Result<()> {
    eventually(&format!("{summary} nodes, {silent} of them silent"), SOON * 2, async || {
        let status = cluster.objects().get("demo").await?.status.context("no status")?;
        let nodes = status.nodes.context("nothing about nodes")?;
        ensure!(nodes.summary == summary && nodes.silent == silent, "{nodes:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubelets_are_nudged_and_the_status_says_which_nodes_carry_the_list() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    let agents = [Agent::start(&cluster, "node-a", &[]).await?, Agent::start(&cluster, "node-b", &[]).await?];
    cluster.ask("demo", spec(json!({"resolve": true, "vpcId": VPC}))).await?;
    cluster.expect_condition("demo", "PrivateLink", "True", "Running").await?;
    eventually("both Pods to be told", SOON, async || {
        for name in ["node-a", "node-b"] {
            let annotations = pods(&cluster).get(name).await?.metadata.annotations.unwrap_or_default();
            ensure!(annotations.contains_key(HOSTS_GENERATION_ANNOTATION), "{name} is not");
        }
        Ok(())
    })
    .await?;
    expect_nodes(&cluster, "0/2", 0).await?;
    let list = hosts(&cluster).await?;
    agents[0].mount(&list)?;
    expect_nodes(&cluster, "1/2", 0).await?;
    agents[1].mount(&list)?;
    expect_nodes(&cluster, "2/2", 0).await?;
    let table = cluster.plane.kubectl(&["get", "ips"]).await?.checked()?;
    ensure!(table.contains("NODES") && table.contains("2/2"), "{table}");

    // The uninstall's step, while the controller still runs.
    let job = cluster.withdrawal().await?;
    let kubeconfig = cluster.plane.kubeconfig_for(&job).await?;
    let mut command = cluster.plane.run().command(env!("CARGO_BIN_EXE_tcr-assistant"));
    command.args(["withdraw-hosts", "--wait=2m"]).env("KUBECONFIG", kubeconfig);
    let withdrawal = cluster.plane.run().start("withdraw-hosts", command)?;
    eventually("the list to be emptied", SOON, async || {
        ensure!(hosts(&cluster).await? == "[]\n", "not yet");
        Ok(())
    })
    .await?;
    agents[0].mount("[]\n")?;
    expect_nodes(&cluster, "1/2", 0).await?;
    ensure!(withdrawal.ended().is_none(), "it did not wait: {}", withdrawal.log()?);
    agents[1].mount("[]\n")?;
    eventually("the withdrawal to end", SOON * 2, async || {
        let status = withdrawal.ended().context("it runs")?;
        ensure!(status.success(), "{}", withdrawal.log()?);
        Ok(())
    })
    .await?;
    ensure!(withdrawal.log()?.contains("2 of 2 nodes carry no entries of ours"), "{}", withdrawal.log()?);
    let denied = cluster.plane.denied(&job)?;
    ensure!(denied.is_empty(), "denied: {denied:?}");
    ensure!(hosts(&cluster).await? == "[]\n", "the controller has filled it again");
    for agent in &agents {
        let hosts = std::fs::read_to_string(agent.folder.join("etc/hosts"))?;
        ensure!(hosts == "127.0.0.1 localhost\n", "{hosts}");
    }
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let unmarked = json!({"metadata": {"annotations": {HOSTS_WITHDRAWN_ANNOTATION: null}}});
    maps.patch("updater-config", &PatchParams::default(), &Patch::Merge(unmarked)).await?;

    // One goes silent: found when everybody is asked again, at the next list.
    agents[1].process.kill();
    set_link(&cluster, link("10.0.0.3"));
    let removing = json!({"tcr": {"privateNetwork": {"whenLinkDown": "Remove"}}});
    cluster.change("demo", removing).await?;
    eventually("the new list", SOON, async || {
        ensure!(hosts(&cluster).await?.contains("10.0.0.3"), "not yet");
        Ok(())
    })
    .await?;
    agents[0].mount(&hosts(&cluster).await?)?;
    expect_nodes(&cluster, "1/2", 1).await?;
    cluster.finish(&[]).await
}

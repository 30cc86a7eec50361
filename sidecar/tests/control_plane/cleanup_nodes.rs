//! `tcr-assistant cleanup --nodes`, where the test says of the Pods on the nodes what kubelets would; on real nodes it is in
//! `./justw e2e private-network`.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::{Cluster, SOON, docker};

const NAMESPACE: &str = "tcr-assistant-cleanup";
const IMAGE: &str = "registry.example.com/hosts-updater:v1";

/// A cluster whose namespace tcr-assistant-system was deleted, with nodes.
async fn left_behind(nodes: &[(&str, bool)]) -> Result<Cluster> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.kill();
    let delete = ["delete", "namespace", "tcr-assistant-system", "--timeout=60s"];
    cluster.plane.kubectl(&delete).await?.checked()?;
    let api = Api::<Node>::all(cluster.client.clone());
    for (name, is_ready) in nodes {
        let status = if *is_ready { "True" } else { "Unknown" };
        let ready =
            json!({"type": "Ready", "status": status, "message": "Kubelet stopped posting node status."});
        let labels = json!({"kubernetes.io/os": "linux", "kubernetes.io/hostname": name});
        let node: Node = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
        api.create(&PostParams::default(), &node).await?;
        let status = json!({"status": {
            "conditions": [ready], "images": [{"names": [IMAGE], "sizeBytes": 1}],
            "allocatable": {"pods": "110", "cpu": "2", "memory": "2Gi"},
        }});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(cluster)
}

/// What kubelets make of the Pods, once there are so many: each is put on the node that it is for, and gets a status.
async fn kubelets(cluster: &Cluster, count: usize, state: impl Fn(&str) -> Option<Value>) -> Result<()> {
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), NAMESPACE);
    let found = eventually("a Pod for each node", SOON * 2, async || {
        let found = pods.list(&ListParams::default()).await?.items;
        ensure!(found.len() == count, "there are {}", found.len());
        Ok(found)
    })
    .await?;
    for pod in found {
        let name = pod.name_any();
        let spec = serde_json::to_value(&pod.spec)?;
        let container = &spec["containers"][0];
        ensure!(container["image"] == IMAGE && container["args"][0] == "--remove", "it runs {container}");
        let place = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0\
                     /matchFields/0/values/0";
        let node = spec.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": NAMESPACE},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/binding");
        let bind = ["create", "--raw", &path, "-f", "-"];
        let kubeconfig = cluster.plane.kubeconfig();
        cluster.plane.kubectl_with(kubeconfig, &bind, &binding.to_string()).await?.checked()?;
        let Some(state) = state(&node) else { continue };
        let status = json!({"status": {"containerStatuses": [{
            "name": "hosts-remover", "image": IMAGE, "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]}});
        pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(())
}

/// The node's kubelet starts what ended well again, as those of DaemonSets do.
async fn ended_before(cluster: &Cluster, node: &str, state: Value) -> Result<()> {
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), NAMESPACE);
    let on_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let status = json!({"status": {"containerStatuses": [{
        "name": "hosts-remover", "image": IMAGE, "imageID": "", "ready": false, "restartCount": 1,
        "state": state, "lastState": {"terminated": {"exitCode": 0}},
    }]}});
    for pod in pods.list(&on_node).await? {
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    Ok(())
}

async fn is_gone(cluster: &Cluster) -> Result<()> {
    let found = Api::<Namespace>::all(cluster.client.clone()).get_opt(NAMESPACE).await?;
    ensure!(found.is_none(), "the namespace {NAMESPACE} is left");
    Ok(())
}

#[tokio::test]
async fn entries_go_before_anything_else_and_a_node_that_is_away_is_named() -> Result<()> {
    let cluster = left_behind(&[("node-a", true), ("node-b", true), ("node-c", false)]).await?;
    let told = cluster.command(&["cleanup", "--nodes", "--dry-run"]).await?.checked()?;
    ensure!(told.lines().any(|line| line == "hostsentries/node-b deleted (dry run)"), "{told}");

    let refused = cluster.command(&["cleanup", "--nodes"]).await?;
    ensure!(!refused.success && refused.stderr.contains("add --yes"), "{refused:?}");
    ensure!(refused.stderr.contains(&format!("a Pod of {IMAGE} on each of 3 nodes")), "{refused:?}");
    cluster.ours("shop", "tcr.ipsdemo").await?;

    let command = cluster.command(&["cleanup", "--nodes", "--yes", "--wait=20s"]);
    let played = async {
        kubelets(&cluster, 3, |node| (node == "node-a").then(|| json!({"terminated": {"exitCode": 0}})))
            .await?;
        // Not before every node has followed.
        cluster.ours("shop", "tcr.ipsdemo").await?;
        let restarts = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        ended_before(&cluster, "node-b", restarts).await?;
        Ok(())
    };
    let (output, played): (_, Result<()>) = tokio::join!(command, played);
    played?;
    let output = output?;
    ensure!(output.stderr.contains("3 nodes are without entries"), "{}", output.stderr);
    let told = output.checked()?;
    let at = |line: &str| {
        told.lines()
            .position(|it| it.starts_with(line))
            .ok_or_else(|| anyhow::anyhow!("no {line:?} in\n{told}"))
    };
    let (nodes, secret) = (at("hostsentries/node-a deleted")?, at("secret/shop/tcr.ipsdemo deleted")?);
    ensure!(nodes < secret && at("hostsentries/node-b deleted")? < secret, "something went before:\n{told}");
    at("hostsentries/node-c stays; to remove it: on each node that has them, hosts-updater --remove")?;
    ensure!(told.contains("(the node is not ready: Kubelet stopped posting node status.)"), "{told}");
    ensure!(!told.contains("hostsentries/*"), "it says what is not so:\n{told}");
    is_gone(&cluster).await?;
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn where_a_node_that_is_well_does_not_follow_nothing_else_is_removed() -> Result<()> {
    let cluster = left_behind(&[("node-a", true), ("node-b", true)]).await?;
    let command = cluster.command(&["cleanup", "--nodes", "--yes", "--wait=5s", "-o", "json"]);
    let played = kubelets(&cluster, 2, |node| {
        Some(match node {
            "node-a" => json!({"terminated": {"exitCode": 0}}),
            _ => json!({"waiting": {"reason": "ErrImagePull", "message": "pull access denied"}}),
        })
    });
    let (output, played) = tokio::join!(command, played);
    played?;
    let output = output?;
    ensure!(!output.success && output.stderr.contains("nothing else was removed"), "{output:?}");
    let lines: Vec<Value> = output.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let failed = json!({
        "kind": "hostsentries", "name": "node-b", "action": "failed", "dryRun": false,
        "message": "its Pod waits: ErrImagePull pull access denied",
    });
    ensure!(lines.contains(&failed), "no {failed} in {lines:?}");
    ensure!(lines.iter().all(|line| line["kind"] == "hostsentries"), "something else was removed: {lines:?}");
    cluster.ours("shop", "tcr.ipsdemo").await?;
    is_gone(&cluster).await?;

    // Somebody else's namespace of the name is left alone.
    cluster.namespace(NAMESPACE, &[]).await?;
    let refused = cluster.command(&["cleanup", "--nodes", "--yes"]).await?;
    ensure!(!refused.success && refused.stderr.contains("is somebody else's"), "{refused:?}");
    Api::<Namespace>::all(cluster.client.clone()).get(NAMESPACE).await?;
    cluster.end();
    Ok(())
}

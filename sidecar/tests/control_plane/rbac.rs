//! Each rule of the roles is needed, and each verb in it is used. That nothing more is needed, every
//! other test shows: they end with no call denied.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::{Cluster, SOON, identity};

const CLUSTER_ROLE: &str = "tcr-assistant-manager-role";
const ROLE: &str = "tcr-assistant-leader-election-role";
const SERVICE: &str = "--webhook-service=tcr-assistant-webhook-service";
/// Calls that no controller makes here: an Event is patched when the same one comes again, and a
/// ServiceAccount is read when somebody contests it.
const ELSEWHERE: [(&str, &str); 2] = [("patch", "events"), ("get", "serviceaccounts")];

/// A role of either kind.
enum Held {
    Cluster(Api<ClusterRole>),
    Local(Api<Role>),
}

impl Held {
    async fn rules(&self) -> Result<Vec<PolicyRule>> {
        let rules = match self {
            Self::Cluster(api) => api.get(CLUSTER_ROLE).await?.rules,
            Self::Local(api) => api.get(ROLE).await?.rules,
        };
        rules.context("the role has no rules")
    }

    async fn set(&self, rules: &[PolicyRule]) -> Result<()> {
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({"rules": rules})));
        match self {
            Self::Cluster(api) => drop(api.patch(CLUSTER_ROLE, &params, &patch).await?),
            Self::Local(api) => drop(api.patch(ROLE, &params, &patch).await?),
        }
        Ok(())
    }
}

#[tokio::test]
async fn each_rule_is_needed_and_each_verb_is_used() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.webhooks().await?;
    let client = cluster.client.clone();
    let roles = [
        Held::Cluster(Api::all(client.clone())),
        Held::Local(Api::namespaced(client, "tcr-assistant-system")),
    ];

    agent(&cluster).await?;
    // Once with everything, so that each verb has its occasion.
    cluster.run_with(SERVICE).await?;
    occasion(&cluster, "all").await?;
    cluster.expect_condition("all", "Ready", "True", "Ready").await?;
    repairs(&cluster, "all").await?;
    cluster.delete("all").await?;
    eventually("each verb to be used", SOON, async || {
        let used = cluster.plane.allowed(&identity())?;
        let mut unused = BTreeSet::new();
        for role in &roles {
            for rule in role.rules().await? {
                for resource in rule.resources.iter().flatten() {
                    let of_resource = rule.verbs.iter().map(|verb| (verb.clone(), resource.clone()));
                    unused.extend(of_resource.filter(|it| !used.contains(it)));
                }
            }
        }
        unused.retain(|(verb, resource)| !ELSEWHERE.contains(&(verb, resource)));
        ensure!(unused.is_empty(), "granted and never used: {unused:?}");
        Ok(())
    })
    .await?;
    cluster.kill();

    let mut number = 0;
    for role in &roles {
        let whole = role.rules().await?;
        for missing in 0..whole.len() {
            number += 1;
            let mut rest = whole.clone();
            let rule = rest.remove(missing);
            role.set(&rest).await?;
            let before = cluster.plane.denied(&identity())?.len();
            // Things that a controller makes only where they are missing.
            let plane = &cluster.plane;
            let lease = ["-n", "tcr-assistant-system", "delete", "lease", "--all"];
            plane.kubectl(&lease).await?.checked()?;
            let maps = Api::<ConfigMap>::namespaced(cluster.client.clone(), "tcr-assistant-system");
            let _ = maps.delete("updater-config", &DeleteParams::default()).await;
            // Nor does it tell an agent twice of one list.
            let pods = Api::<Pod>::namespaced(cluster.client.clone(), "tcr-assistant-system");
            let untold = Patch::Merge(json!({"metadata": {"annotations": null}}));
            pods.patch("agent", &PatchParams::default(), &untold).await?;
            cluster.replicas_with(1, SERVICE).await?;
            occasion(&cluster, &format!("r-{number}")).await?;
            let resources = rule.resources.clone().unwrap_or_default();
            eventually(&format!("a call to be denied without the rule {rule:?}"), SOON * 2, async || {
                let denied = cluster.plane.denied(&identity())?;
                let hit = denied.iter().skip(before).any(|it| {
                    resources
                        .iter()
                        .any(|resource| it.uri.contains(resource.split('/').next().unwrap_or(resource)))
                });
                ensure!(hit, "nothing of it was denied");
                Ok(())
            })
            .await?;
            cluster.kill();
            role.set(&whole).await?;
        }
    }
    cluster.end();
    Ok(())
}

/// A node agent's Pod, which is told of each new list of hosts entries.
async fn agent(cluster: &Cluster) -> Result<()> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "agent", "labels": {"app.kubernetes.io/component": "hosts-updater"}},
        "spec": {
            "serviceAccountName": "hosts-updater",
            "automountServiceAccountToken": false,
            "containers": [{"name": "hosts-updater", "image": "localhost/hosts-updater"}],
        },
    }))?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "tcr-assistant-system");
    pods.create(&PostParams::default(), &pod).await?;
    Ok(())
}

/// A namespace and an ImagePullSecret that need everything: a credential of their own, hosts entries, a
/// Secret, a reference, a status, an Event.
async fn occasion(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.namespace(name, &[]).await?;
    let tcr: Value = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou",
        "credential": {"description": name, "onDelete": "Revoke"},
        "privateNetwork": {"resolve": true, "vpcId": "vpc-demo0001"},
    });
    cluster.ask(name, json!({"namespaces": name, "tcr": tcr})).await
}

/// Harm that takes the seldom writes to mend: one in place of the whole Secret, a deletion, a look.
async fn repairs(cluster: &Cluster, name: &str) -> Result<()> {
    let secret = format!("tcr.ips{name}");
    let secrets = cluster.secrets(name);
    let mended = async |what: &str| {
        eventually(&format!("the Secret to be mended after it was {what}"), SOON, async || {
            let now = secrets.get(&secret).await?;
            ensure!(now.metadata.labels.is_some_and(|labels| labels.len() == 2), "its labels differ");
            ensure!(now.immutable != Some(true), "it is immutable");
            Ok(())
        })
        .await
    };
    let merge = async |patch: Value| -> Result<Secret> {
        Ok(secrets.patch(&secret, &PatchParams::default(), &Patch::Merge(patch)).await?)
    };
    merge(json!({"data": {"extra": "eA=="}})).await?;
    mended("edited").await?;
    merge(json!({"metadata": {"labels": null}})).await?;
    mended("stripped of its labels").await?;
    merge(json!({"immutable": true})).await?;
    mended("made immutable").await?;
    // The hosts entries are written again too, in place this time.
    let maps = Api::<ConfigMap>::namespaced(cluster.client.clone(), "tcr-assistant-system");
    let other = Patch::Merge(json!({"data": {"hosts.yaml": "[]"}}));
    maps.patch("updater-config", &PatchParams::default(), &other).await?;
    eventually("the hosts entries", SOON, async || {
        let map = maps.get("updater-config").await?;
        let text = map.data.unwrap_or_default().remove("hosts.yaml").unwrap_or_default();
        ensure!(text.contains("10.0.0.2"), "they are not there");
        Ok(())
    })
    .await?;
    Ok(())
}

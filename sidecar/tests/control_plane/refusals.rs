//! Writes that the API server refuses: a full quota, a policy that protects an object. Everything else goes on, and
//! status names what is left.

use anyhow::{Context, Result, ensure};
use custom_resource::WriteFailure;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kubernetes::api_error::ApiError;
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::{Cluster, SOON, docker, references};

const QUOTA: &str = include_str!("refusals/quota.yaml");
const SA_DENIED: &str = include_str!("refusals/sa-denied.yaml");
const CLEANUP: &str = include_str!("refusals/cleanup.yaml");

/// Applies what a story begins with. Its namespaces may be getting their own ServiceAccounts at the same time.
async fn begin(cluster: &Cluster, objects: &str) -> Result<()> {
    eventually("the objects to be applied", SOON, async || cluster.plane.apply(objects).await).await?;
    Ok(())
}

/// A policy that denies updates of this object to everybody, for this reason (`Forbidden` or, what it is where a policy
/// gives none, `Invalid`). In force when this returns.
pub(crate) async fn protect(cluster: &Cluster, resource: &str, name: &str, reason: &str) -> Result<()> {
    deny(cluster, "UPDATE", resource, name, reason).await?;
    let probe = json!({"metadata": {"annotations": {"probe": "x"}}}).to_string();
    let mut patch = vec!["patch", resource, name, "--dry-run=server", "--type=merge", "-p", &probe];
    if !resource.ends_with("webhookconfigurations") {
        patch.extend(["-n", "shop"]);
    }
    in_force(cluster, &patch).await
}

/// Waits until the policy denies this.
async fn in_force(cluster: &Cluster, probe: &[&str]) -> Result<()> {
    eventually("the policy to be in force", SOON, async || {
        let output = cluster.plane.kubectl(probe).await?;
        ensure!(output.stderr.contains("it is protected"), "{output:?}");
        Ok(())
    })
    .await
}

/// Makes such a policy.
async fn deny(cluster: &Cluster, operation: &str, resource: &str, name: &str, reason: &str) -> Result<()> {
    let group = if resource.ends_with("webhookconfigurations") { "admissionregistration.k8s.io" } else { "" };
    let rule = json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "protect"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "it", "expression": format!("object.metadata.name == '{name}'")}],
            "validations": [{"expression": "false", "message": "it is protected", "reason": reason}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "protect"}, "spec": {"policyName": "protect", "validationActions": ["Deny"]},
    });
    cluster.plane.apply(&format!("{policy}\n---\n{binding}")).await?;
    Ok(())
}

/// What the API server answers to a patch whose test does not hold, which is no refusal of the object.
async fn outdated(cluster: &Cluster) -> Result<()> {
    let test = json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}]);
    let patch = Patch::Json::<()>(serde_json::from_value(test)?);
    let answer = cluster.accounts("shop").patch("default", &PatchParams::default(), &patch).await;
    let error = ApiError::from(answer.err().context("the test holds")?);
    ensure!(error.is_inapplicable_patch(), "{error}");
    Ok(())
}

/// Waits until the ServiceAccount's list is this.
async fn has(cluster: &Cluster, account: &str, wanted: &[&str]) -> Result<()> {
    eventually(&format!("{account} to have {wanted:?}"), SOON, async || {
        let found = references(&cluster.accounts("shop").get(account).await?);
        ensure!(found == wanted, "it has {found:?}");
        Ok(())
    })
    .await
}

/// Waits until the status names exactly these objects, and gives what it says of them.
async fn names(cluster: &Cluster, name: &str, wanted: &[&str]) -> Result<Vec<WriteFailure>> {
    eventually(&format!("the status of {name} to name {wanted:?}"), SOON, async || {
        let failures = cluster.objects().get(name).await?.status.unwrap_or_default().failures;
        let told: Vec<String> =
            failures.iter().map(|it| format!("{} {}", it.kind, it.namespaced_name)).collect();
        ensure!(told == wanted, "it names {told:?}");
        Ok(failures)
    })
    .await
}

/// Waits for an Event on the ImagePullSecret that has all of these words.
async fn event(cluster: &Cluster, name: &str, words: &[&str]) -> Result<()> {
    eventually(&format!("an Event of {name} with {words:?}"), SOON, async || {
        let events = cluster.plane.kubectl(&["get", "events", "-A", "-o", "json"]).await?.checked()?;
        let events: Value = serde_json::from_str(&events)?;
        let notes: Vec<String> = events["items"]
            .as_array()
            .context("no list")?
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name && event["reason"] == "WritesFailed")
            .map(|event| event["message"].to_string())
            .collect();
        let is_it = |note: &&String| words.iter().all(|word| note.contains(word));
        ensure!(notes.iter().any(|note| is_it(&note)), "there are {notes:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_full_quota_keeps_nothing_else_waiting_and_what_goes_makes_room() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    begin(&cluster, QUOTA).await?;
    has(&cluster, "default", &["tcr.ipsold"]).await?;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"hard": {"count/secrets": "1"}},
    });
    cluster.plane.apply(&quota.to_string()).await?;
    eventually("the quota to be counted", SOON, async || {
        let path = "jsonpath={.status.used.count/secrets}";
        let used =
            cluster.plane.kubectl(&["get", "quota", "one", "-n", "shop", "-o", path]).await?.checked()?;
        ensure!(used == "1", "{used:?} are used");
        Ok(())
    })
    .await?;

    let other = json!({"server": "other.tencentcloudcr.com", "username": "1", "password": "p-new"});
    cluster.ask("new", json!({"namespaces": "shop", "docker": other})).await?;
    let failures = names(&cluster, "new", &["Secret shop/tcr.ipsnew"]).await?;
    ensure!(failures[0].message.contains("exceeded quota"), "{failures:?}");
    cluster.expect_condition("new", "Distributed", "False", "WritesFailed").await?;
    event(&cluster, "new", &["Secret shop/tcr.ipsnew", "exceeded quota"]).await?;
    // What has nothing to do with it goes on, and its status says nothing of it.
    let late: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "late"}}))?;
    cluster.accounts("shop").create(&PostParams::default(), &late).await?;
    has(&cluster, "late", &["tcr.ipsold"]).await?;
    cluster.expect_condition("old", "Ready", "True", "Ready").await?;
    names(&cluster, "old", &[]).await?;

    cluster.delete("old").await?;
    cluster.expect_in("new", &["shop"]).await?;
    cluster.expect_in("old", &[]).await?;
    cluster.expect_condition("new", "Ready", "True", "Ready").await?;
    names(&cluster, "new", &[]).await?;
    has(&cluster, "late", &["tcr.ipsnew"]).await?;
    // Refused for want of room; that is no lack of rights.
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn a_service_account_that_a_policy_protects_keeps_no_other_one_waiting() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    begin(&cluster, SA_DENIED).await?;
    protect(&cluster, "serviceaccounts", "argocd-manager", "Forbidden").await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    has(&cluster, "default", &["tcr.ipsdemo"]).await?;
    has(&cluster, "web", &["tcr.ipsdemo"]).await?;
    let failures = names(&cluster, "demo", &["ServiceAccount shop/argocd-manager"]).await?;
    ensure!(failures[0].message.contains("it is protected"), "{failures:?}");
    cluster.expect_condition("demo", "Distributed", "False", "WritesFailed").await?;
    event(&cluster, "demo", &["ServiceAccount shop/argocd-manager", "it is protected"]).await?;
    // One that comes later does not wait either.
    let late: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "late"}}))?;
    cluster.accounts("shop").create(&PostParams::default(), &late).await?;
    has(&cluster, "late", &["tcr.ipsdemo"]).await?;

    // It never got the reference, so that nothing keeps the object.
    cluster.delete("demo").await?;
    cluster.expect_in("demo", &[]).await?;
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn on_deletion_everything_goes_but_what_is_refused_which_is_named() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    begin(&cluster, SA_DENIED).await?;
    cluster.namespace("team", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop,team", "docker": docker("p-1")})).await?;
    for account in ["argocd-manager", "default", "web"] {
        has(&cluster, account, &["tcr.ipsdemo"]).await?;
    }
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    outdated(&cluster).await?;
    protect(&cluster, "serviceaccounts", "argocd-manager", "Invalid").await?;
    cluster.objects().delete("demo", &DeleteParams::default()).await?;
    has(&cluster, "default", &[]).await?;
    has(&cluster, "web", &[]).await?;
    eventually("the other namespace to have nothing of it", SOON, async || {
        ensure!(cluster.secrets("team").get_opt("tcr.ipsdemo").await?.is_none(), "the Secret is there");
        Ok(())
    })
    .await?;
    let failures = names(&cluster, "demo", &["ServiceAccount shop/argocd-manager"]).await?;
    ensure!(failures[0].message.contains("it is protected"), "{failures:?}");
    cluster.expect_condition("demo", "Ready", "False", "Deleting").await?;
    event(&cluster, "demo", &["ServiceAccount shop/argocd-manager", "it is protected"]).await?;
    // A Secret that is referred to stays, and with it the object.
    cluster.ours("shop", "tcr.ipsdemo").await?;
    has(&cluster, "argocd-manager", &["tcr.ipsdemo"]).await?;

    cluster.plane.kubectl(&["delete", "validatingadmissionpolicybinding", "protect"]).await?.checked()?;
    eventually("the rest to go", SOON * 3, async || {
        ensure!(cluster.objects().get_opt("demo").await?.is_none(), "the object is there");
        Ok(())
    })
    .await?;
    cluster.expect_in("demo", &[]).await?;
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn a_secret_that_can_only_be_replaced_stays_while_another_one_would_be_refused() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    begin(&cluster, SA_DENIED).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    has(&cluster, "web", &["tcr.ipsdemo"]).await?;
    deny(&cluster, "CREATE", "secrets", "tcr.ipsdemo", "Forbidden").await?;
    let probe = ["create", "secret", "generic", "tcr.ipsdemo", "-n", "shop", "--dry-run=server"];
    in_force(&cluster, &probe).await?;
    let before = cluster.secrets("shop").get("tcr.ipsdemo").await?.metadata.uid;
    let edit = Patch::Merge(json!({"data": {".dockerconfigjson": "e30="}, "immutable": true}));
    cluster.secrets("shop").patch("tcr.ipsdemo", &PatchParams::default(), &edit).await?;
    let failures = names(&cluster, "demo", &["Secret shop/tcr.ipsdemo"]).await?;
    ensure!(failures[0].message.contains("it is protected"), "{failures:?}");
    let now = cluster.secrets("shop").get("tcr.ipsdemo").await?.metadata.uid;
    ensure!(now == before, "it was deleted before another one could be made");

    cluster.plane.kubectl(&["delete", "validatingadmissionpolicybinding", "protect"]).await?.checked()?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let now = cluster.secrets("shop").get("tcr.ipsdemo").await?;
    ensure!(now.metadata.uid != before && now.immutable != Some(true), "{:?}", now.metadata);
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn cleanup_removes_everything_but_what_is_refused_and_names_what_is_left() -> Result<()> {
    let cluster = Cluster::start().await?;
    begin(&cluster, CLEANUP).await?;
    let other = json!({"namespaces": "shop", "docker": docker("p-2")});
    cluster.ask("b", other).await?;
    protect(&cluster, "serviceaccounts", "argocd-manager", "Invalid").await?;
    let output = cluster.command(&["cleanup"]).await?;
    ensure!(!output.success, "{output:?}");
    for line in [
        "serviceaccount/shop/default edited",
        "imagepullsecret/b deleted",
        "secret/shop/tcr.ipsa left: ServiceAccount argocd-manager still refers to it",
        "imagepullsecret/a left: serviceaccount/shop/argocd-manager is left",
        "lease/tcr-assistant-system/tcr-assistant-leader left: it goes when everything else is gone",
    ] {
        ensure!(output.stdout.lines().any(|it| it == line), "no {line:?} in {output:?}");
    }
    let refused = "serviceaccount/shop/argocd-manager failed: ";
    ensure!(
        output.stdout.lines().any(|it| it.starts_with(refused) && it.contains("it is protected")),
        "{output:?}"
    );
    ensure!(output.stderr.contains("4 objects could not be removed"), "{output:?}");
    has(&cluster, "default", &[]).await?;
    has(&cluster, "argocd-manager", &["tcr.ipsa"]).await?;
    cluster.ours("shop", "tcr.ipsa").await?;
    let object = cluster.objects().get("a").await?;
    ensure!(
        object.metadata.deletion_timestamp.is_none() && object.metadata.finalizers.is_some(),
        "{object:?}"
    );
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), "tcr-assistant-system");
    let lease = leases.get("tcr-assistant-leader").await?;
    ensure!(lease.spec.and_then(|it| it.holder_identity).is_none_or(|it| it.is_empty()), "it is still held");

    let output = cluster.command(&["cleanup", "-o", "json"]).await?;
    let lines: Vec<Value> = output.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let left: Vec<&Value> =
        lines.iter().filter(|it| it["action"] == "left" || it["action"] == "failed").collect();
    ensure!(!output.success && left.len() == 4, "{output:?}");

    cluster.plane.kubectl(&["delete", "validatingadmissionpolicybinding", "protect"]).await?.checked()?;
    eventually("the policy to be in force no longer", SOON, async || {
        let probe = Patch::Merge(json!({"metadata": {"annotations": {"probe": "x"}}}));
        cluster.accounts("shop").patch("argocd-manager", &PatchParams::default(), &probe).await?;
        Ok(())
    })
    .await?;
    cluster.command(&["cleanup"]).await?.checked()?;
    has(&cluster, "argocd-manager", &[]).await?;
    ensure!(cluster.secrets("shop").get_opt("tcr.ipsa").await?.is_none(), "the Secret is there");
    ensure!(cluster.objects().get_opt("a").await?.is_none(), "the object is there");
    ensure!(leases.get_opt("tcr-assistant-leader").await?.is_none(), "the Lease is there");
    cluster.end();
    Ok(())
}

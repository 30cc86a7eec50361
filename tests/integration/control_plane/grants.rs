//! A guest's questions, answered from a real API server with an administrator's rights: what keeps
//! the guest within its grants is the host alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::host_capabilities::kubernetes::Cluster;
use harness::host_capabilities::{
    ContextAwareResource, FieldMasks, Get, Grants, GuestCall, GuestLog, HostCall, HostCapabilities, Question,
    answer,
};
use serde_json::{Value, json};
use support::{ControlPlane, Options, eventually};

use crate::webhook::SOON;

const TCR: &str = "tcr.tencentcloudcr.com/v1";
const CLOUD_KEY: &str = "
apiVersion: v1
kind: Secret
metadata: {name: cloud-key, namespace: kube-system}
stringData: {key: a-key-of-others}
";

fn image_pull_secret(name: &str) -> String {
    json!({
        "apiVersion": TCR, "kind": "ImagePullSecret", "metadata": {"name": name},
        "spec": {"namespaces": "shop", "serviceAccounts": "*", "docker": {
            "server": "demo.tencentcloudcr.com", "username": "100012345678", "password": "a-password-of-others",
        }},
    })
    .to_string()
}

fn grants() -> Result<Grants> {
    let kind = |api_version: &str, kind: &str| ContextAwareResource {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    };
    let fields = ["metadata.name", "spec.docker.server"].map(str::to_owned);
    let mut grants = Grants::of_whole_objects(
        vec!["kubernetes/*".parse()?],
        [
            kind("v1", "Namespace"),
            kind("v1", "ServiceAccount"),
            kind("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ],
    );
    grants.kinds.insert(kind(TCR, "ImagePullSecret"), FieldMasks::parse(&fields)?);
    Ok(grants)
}

/// What a guest is told.
async fn ask(cluster: &Arc<Cluster>, operation: &'static str, question: Value) -> Result<String> {
    let (cluster, grants) = (cluster.clone(), grants()?);
    let told = tokio::task::spawn_blocking(move || {
        let payload = question.to_string();
        let call = GuestCall {
            binding: "kubewarden",
            namespace: "kubernetes",
            operation,
            payload: payload.as_bytes(),
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        answer(&*cluster, &grants, &mut GuestLog::new("test".into()), deadline, &call)
    });
    Ok(told.await?.map_or_else(|error| error, |bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_nothing_that_it_was_not_granted_from_a_real_api_server() -> Result<()> {
    ControlPlane::with(Options::default(), async |plane| {
        plane.apply(&custom_resource::yaml()?).await?;
        plane.apply(CLOUD_KEY).await?;
        eventually("the custom resource to be served", SOON, async || {
            plane.apply(&image_pull_secret("demo")).await
        })
        .await?;
        let cluster = Arc::new(Cluster::new(plane.client().await?));
        names_that_lead_elsewhere(&cluster).await?;
        what_is_granted(&cluster).await?;
        passwords(plane, &cluster).await
    })
    .await
}

async fn names_that_lead_elsewhere(cluster: &Arc<Cluster>) -> Result<()> {
    let namespace = |name: &str| json!({"api_version": "v1", "kind": "Namespace", "name": name});
    let account = |namespace: &str, name: &str| json!({"api_version": "v1", "kind": "ServiceAccount", "namespace": namespace, "name": name});
    for (operation, question) in [
        ("get_resource", namespace("kube-system/secrets/cloud-key")),
        ("get_resource", namespace("kube-system%2fsecrets%2fcloud-key")),
        ("get_resource", namespace("kube-system/secrets?")),
        ("get_resource", namespace("../secrets")),
        ("get_resource", namespace("")),
        ("get_resource", account("kube-system/secrets/cloud-key?", "x")),
        ("get_resource", account("kube-system", "../secrets/cloud-key")),
        ("list_resources_by_namespace", account("kube-system/secrets?x=", "")),
        ("list_resources_by_namespace", account("..", "")),
    ] {
        let told = ask(cluster, operation, question.clone()).await?;
        ensure!(told.starts_with("Callback evaluation failure: "), "{question}: {told}");
        ensure!(!told.contains("a-key-of-others"), "{question}: {told}");
    }
    // A name that was never checked: the API server takes an encoded slash for a slash, and what it
    // answers is not what was asked for.
    let get = Get {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        name: "kube-system/secrets/cloud-key".to_owned(),
        namespace: None,
        disable_cache: true,
        field_masks: FieldMasks::everything(),
    };
    let unchecked = cluster.clone();
    let told = tokio::task::spawn_blocking(move || {
        unchecked.call(&HostCall {
            namespace: "kubernetes",
            operation: "get_resource",
            question: Question::Get(get),
            deadline: Instant::now() + Duration::from_secs(30),
        })
    });
    let error = told.await?.err().context("a Secret for a Namespace")?;
    ensure!(error.contains("of the kind v1/Secret, not v1/Namespace"), "{error}");
    Ok(())
}

async fn what_is_granted(cluster: &Arc<Cluster>) -> Result<()> {
    let role =
        json!({"api_version": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "system:node"});
    let told = ask(cluster, "get_resource", role).await?;
    ensure!(serde_json::from_str::<Value>(&told)?["metadata"]["name"] == "system:node", "{told}");
    let namespaces = json!({"api_version": "v1", "kind": "Namespace", "label_selector": "kubernetes.io/metadata.name in (default, kube-system)"});
    let told = ask(cluster, "list_resources_all", namespaces).await?;
    let list: Value = serde_json::from_str(&told)?;
    let names: Vec<&Value> =
        list["items"].as_array().context("items")?.iter().map(|it| &it["metadata"]["name"]).collect();
    ensure!(names == ["default", "kube-system"], "{told}");
    let can_i = json!({"subject_access_review": {"user": "nobody", "resource_attributes":
        {"verb": "get", "resource": "secrets", "namespace": "kube-system"}}});
    let told = ask(cluster, "can_i", can_i).await?;
    ensure!(serde_json::from_str::<Value>(&told)?["allowed"] == false, "{told}");
    Ok(())
}

async fn passwords(plane: &ControlPlane, cluster: &Arc<Cluster>) -> Result<()> {
    let question = |masks: Value| json!({"api_version": TCR, "kind": "ImagePullSecret", "name": "demo", "field_masks": masks});
    for masks in [Value::Null, json!(["spec"]), json!(["spec.docker.password", "metadata.name"])] {
        for operation in ["get_resource", "list_resources_all"] {
            let told = ask(cluster, operation, question(masks.clone())).await?;
            ensure!(
                told.contains("demo") && !told.contains("a-password-of-others"),
                "{operation} {masks}: {told}"
            );
        }
    }
    let listed = async |what: &str, expected: &[&str]| {
        eventually(what, SOON, async || {
            let told = ask(cluster, "list_resources_all", question(json!(["metadata.name"]))).await?;
            let names: Vec<Value> = expected.iter().map(|name| json!({"metadata": {"name": name}})).collect();
            ensure!(serde_json::from_str::<Value>(&told)?["items"] == Value::from(names), "{told}");
            Ok(())
        })
        .await
    };
    listed("the list", &["demo"]).await?;
    plane.apply(&image_pull_secret("other")).await?;
    listed("a new object in the list", &["demo", "other"]).await?;
    plane.kubectl(&["delete", "imagepullsecret", "demo"]).await?.checked()?;
    listed("the list without a deleted object", &["other"]).await
}

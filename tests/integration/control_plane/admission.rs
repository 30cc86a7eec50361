//! What a user of the cluster sees of the policy: each of its behaviours once, through kubectl and a real
//! API server. Which words there are for what in detail is in policy/cases.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::eventually;
use tcr::names::CONTROLLER_USERNAME;

use crate::webhook::{Cluster, SOON, file, refused};

const APP: &str = "demo.tencentcloudcr.com/team/app:v1";

fn pod(name: &str, namespace: &str, spec: Value) -> String {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
        .to_string()
}

fn containers(image: &str) -> Value {
    json!({"containers": [{"name": "app", "image": image}]})
}

fn image_pull_secret(name: &str, spec: Value) -> String {
    json!({"apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn static_credential(namespaces: &str) -> Value {
    json!({"namespaces": namespaces, "serviceAccounts": "*", "docker": {"server": "demo.tencentcloudcr.com",
        "username": "100012345678", "passwordSecretRef": {"name": "demo-password", "key": "password"}}})
}

/// A Secret as the controller makes it.
fn managed(namespace: &str) -> String {
    let labels = json!({"app.kubernetes.io/managed-by": "tcr-assistant", "tcr.tencentcloudcr.com/image-pull-secret": "demo"});
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "tcr.ipsdemo", "namespace": namespace, "labels": labels},
        "stringData": {".dockerconfigjson": "{\"auths\":{}}"}})
    .to_string()
}

/// One template in every kind of workload, each naming the managed Secret by hand.
fn workloads(namespace: &str) -> Vec<(&'static str, String)> {
    let mut spec = containers(APP);
    spec["imagePullSecrets"] = json!([{"name": "tcr.ipsdemo"}]);
    let template = |restart: &str| {
        let mut spec = spec.clone();
        spec["restartPolicy"] = restart.into();
        json!({"metadata": {"labels": {"app": "x"}}, "spec": spec})
    };
    let selector = json!({"matchLabels": {"app": "x"}});
    let selected = json!({"selector": selector, "template": template("Always")});
    let stateful = json!({"selector": selector, "serviceName": "x", "template": template("Always")});
    let job = json!({"template": template("Never")});
    let replicas = json!({"selector": {"app": "x"}, "template": template("Always")});
    let of = |api_version: &str, kind: &'static str, body: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}});
        for (key, value) in body.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        (kind, object.to_string())
    };
    vec![
        of("apps/v1", "Deployment", json!({"spec": selected})),
        of("apps/v1", "ReplicaSet", json!({"spec": selected})),
        of("apps/v1", "DaemonSet", json!({"spec": selected})),
        of("apps/v1", "StatefulSet", json!({"spec": stateful})),
        of("batch/v1", "Job", json!({"spec": job})),
        of("batch/v1", "CronJob", json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}})),
        of("v1", "ReplicationController", json!({"spec": replicas})),
        of("v1", "PodTemplate", json!({"template": template("Always")})),
    ]
}

#[tokio::test]
async fn what_users_see_of_a_policy_that_warns() -> Result<()> {
    let settings = json!({"discover": true, "clusterId": "cls-12345678"});
    let cluster = Cluster::start(&settings).await?;
    let told = tell_warnings(&cluster).await;
    if told.is_err() {
        cluster.plane.run().failed();
    }
    told
}

async fn tell_warnings(cluster: &Cluster) -> Result<()> {
    let shop = cluster.plane.namespace("shop").await?;
    cluster.apply(&image_pull_secret("demo", static_credential("*"))).await?.silent();
    // What the policy knows of the cluster comes by a watch.
    eventually("a Pod to get the reference", SOON, async || {
        let output = cluster
            .kubectl_with(
                &["create", "--dry-run=server", "-o", "json", "-f", "-"],
                &pod("a", &shop, containers(APP)),
            )
            .await?;
        ensure!(output.stdout.contains("tcr.ipsdemo"), "{output:?}");
        Ok(())
    })
    .await?;

    cluster.apply(&pod("app", &shop, containers(APP))).await?.silent();
    assert_eq!(cluster.listed("pod/app", &shop).await?, "tcr.ipsdemo");
    let mut own = containers(APP);
    own["imagePullSecrets"] = json!([{"name": "mine"}]);
    cluster.apply(&pod("own", &shop, own)).await?.silent();
    assert_eq!(cluster.listed("pod/own", &shop).await?, "mine tcr.ipsdemo");
    let near = cluster.apply(&pod("near", &shop, containers("demmo.tencentcloudcr.com/team/app"))).await?;
    near.warned("did you mean demo.tencentcloudcr.com?");
    // After that: where an instance's hosts are yet to be found out, an unknown host is no mistake.
    image_pull_secrets(cluster).await?;
    let mut static_pod: Value = serde_json::from_str(&pod("static-node", &shop, containers(APP)))?;
    static_pod["spec"]["nodeName"] = "node".into();
    static_pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "0123"});
    cluster.apply(&static_pod.to_string()).await?.silent();
    assert_eq!(cluster.listed("pod/static-node", &shop).await?, "");
    opted_out(cluster, &shop).await?;

    running_pods(cluster, &shop).await?;
    service_accounts(cluster, &shop).await?;
    for (kind, workload) in workloads(&shop) {
        let output = cluster.try_out(&workload).await?;
        assert!(
            output.success
                && output.stderr.contains("Warning: ")
                && output.stderr.contains("remove the entry"),
            "{kind}: {output:?}"
        );
    }

    cluster.apply(&managed(&shop)).await?.warned("has the labels of one that is managed by tcr-assistant");
    let label = cluster.sees(&["-n", &shop, "annotate", "secret/tcr.ipsdemo", "by=hand"]).await?;
    label.warned("is managed by tcr-assistant");
    cluster.sees(&["-n", &shop, "delete", "secret/tcr.ipsdemo"]).await?.warned("this change will be undone");

    cluster.apply(&managed(&shop)).await?.warned("has the labels of one that is managed by tcr-assistant");
    delete_namespace(cluster, &shop).await?;
    let deleted = cluster.sees(&["delete", "imagepullsecret/instance", "--wait=false"]).await?;
    deleted.warned("its credential stays valid in \"tcr-demo0002\"");
    Ok(())
}

async fn image_pull_secrets(cluster: &Cluster) -> Result<()> {
    let mut plain = static_credential("bank");
    plain["docker"] =
        json!({"server": "plain.tencentcloudcr.com", "username": "1", "password": "shown-to-nobody"});
    let plain = cluster.apply(&image_pull_secret("plain", plain)).await?;
    plain.warned("passwordSecretRef");
    assert!(!format!("{plain:?}").contains("shown-to-nobody"));
    let instance =
        |id: &str| json!({"namespaces": "bank", "tcr": {"instanceId": id, "region": "ap-guangzhou"}});
    cluster.apply(&image_pull_secret("instance", instance("tcr-demo0001"))).await?.silent();
    let switched = cluster.apply(&image_pull_secret("instance", instance("tcr-demo0002"))).await?;
    switched.warned("the long-term credential of \"tcr-demo0001\" stays valid");
    eventually("a second one for the registry to be refused", SOON, async || {
        let output = cluster.try_out(&image_pull_secret("second", static_credential("shop"))).await?;
        ensure!(output.stderr.contains("already belongs to the ImagePullSecret \"demo\""), "{output:?}");
        Ok(())
    })
    .await?;
    let bad = file("artifacts/samples/imagepullsecrets/bad.yaml")?;
    for document in bad.split("\n---\n") {
        // A field that the schema does not know is refused before admission, unless one asks otherwise.
        let arguments = ["apply", "--dry-run=server", "--validate=warn", "-f", "-"];
        refused(&cluster.kubectl_with(&arguments, document).await?, "ImagePullSecret \"");
    }
    Ok(())
}

async fn opted_out(cluster: &Cluster, namespace: &str) -> Result<()> {
    let mut pod: Value = serde_json::from_str(&pod("opted-out", namespace, containers(APP)))?;
    pod["metadata"]["annotations"] = json!({"tcr.tencentcloudcr.com/inject": "false"});
    cluster.apply(&pod.to_string()).await?.silent();
    assert_eq!(cluster.listed("pod/opted-out", namespace).await?, "");
    Ok(())
}

/// Pods whose list cannot change any more.
async fn running_pods(cluster: &Cluster, namespace: &str) -> Result<()> {
    cluster.apply(&pod("public", namespace, containers("nginx:1.27"))).await?.silent();
    let image = format!("app={APP}");
    let set = cluster.sees(&["-n", namespace, "set", "image", "pod/public", &image]).await?;
    set.warned("a running Pod cannot get any more; create the Pod anew");
    let debug = [
        "-n",
        namespace,
        "debug",
        "pod/public",
        "--image",
        "demo.tencentcloudcr.com/tools/debug:v1",
        "-c",
        "debug",
        "--attach=false",
        "--profile=general",
    ];
    let debug = cluster.sees(&debug).await?;
    debug.warned("needs the pull secret \"tcr.ipsdemo\"");
    Ok(())
}

async fn service_accounts(cluster: &Cluster, namespace: &str) -> Result<()> {
    let account = |name: &str, annotations: Value, list: Value| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": list,
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations}})
        .to_string()
    };
    cluster.apply(&account("builder", json!({}), json!([{"name": "mine"}]))).await?.silent();
    assert_eq!(cluster.listed("serviceaccount/builder", namespace).await?, "mine tcr.ipsdemo");
    let taken = ["-n", namespace, "patch", "serviceaccount/builder", "--type=json", "-p"];
    let patch = r#"[{"op":"remove","path":"/imagePullSecrets/1"}]"#;
    let taken = cluster.sees(&[&taken[..], &[patch]].concat()).await?;
    taken.warned("loses \"tcr.ipsdemo\", which the ImagePullSecret \"demo\" gives it");
    // It enforces its secrets and lacks ours: the API server would refuse a Pod that refers to it.
    let enforcing = [
        "-n",
        namespace,
        "annotate",
        "serviceaccount/builder",
        "kubernetes.io/enforce-mountable-secrets=true",
    ];
    cluster.sees(&enforcing).await?;
    let mut spec = containers(APP);
    spec["serviceAccountName"] = "builder".into();
    spec["automountServiceAccountToken"] = false.into();
    let enforced = cluster.apply(&pod("enforced", namespace, spec)).await?;
    enforced.warned("enforces mountable secrets and does not list \"tcr.ipsdemo\"");
    assert_eq!(cluster.listed("pod/enforced", namespace).await?, "mine");
    Ok(())
}

/// With everything in it that the policy protects.
async fn delete_namespace(cluster: &Cluster, namespace: &str) -> Result<()> {
    let deleted = cluster.kubectl(&["delete", "namespace", namespace, "--timeout=100s"]).await?;
    // Its Pods have no kubelet that would end them; without one they are gone at once.
    deleted.checked().map(drop).context("a namespace with a managed Secret is deleted without a hitch")
}

#[tokio::test]
async fn what_users_see_of_a_policy_that_refuses() -> Result<()> {
    let settings =
        json!({"discover": true, "clusterId": "cls-12345678", "declared": "reject", "protect": "reject"});
    let cluster = Cluster::start(&settings).await?;
    let told = tell_refusals(&cluster).await;
    if told.is_err() {
        cluster.plane.run().failed();
    }
    told
}

async fn tell_refusals(cluster: &Cluster) -> Result<()> {
    let shop = cluster.plane.namespace("shop").await?;
    cluster.apply(&image_pull_secret("demo", static_credential("*"))).await?.silent();
    eventually("a template to be refused", SOON, async || {
        let (_, deployment) = workloads(&shop).swap_remove(0);
        ensure!(!cluster.try_out(&deployment).await?.success, "it was accepted");
        Ok(())
    })
    .await?;
    for (kind, workload) in workloads(&shop) {
        let output = cluster.try_out(&workload).await?;
        assert!(output.stderr.contains("denied the request"), "{kind}: {output:?}");
        refused(&output, "remove the entry");
    }

    refused(
        &cluster.try_out(&managed(&shop)).await?,
        "has the labels of one that is managed by tcr-assistant",
    );
    let controller =
        ["create", "-f", "-", &format!("--as={CONTROLLER_USERNAME}"), "--as-group=system:masters"];
    cluster.kubectl_with(&controller, &managed(&shop)).await?.checked()?;
    let annotate = cluster.kubectl(&["-n", &shop, "annotate", "secret/tcr.ipsdemo", "by=hand"]).await?;
    refused(&annotate, "is managed by tcr-assistant");
    let unlabel = ["-n", &shop, "label", "secret/tcr.ipsdemo", "app.kubernetes.io/managed-by-"];
    refused(&cluster.kubectl(&unlabel).await?, "is managed by tcr-assistant");
    refused(
        &cluster.kubectl(&["-n", &shop, "delete", "secret/tcr.ipsdemo"]).await?,
        "is managed by tcr-assistant",
    );

    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder", "namespace": shop}});
    cluster.apply(&account.to_string()).await?.silent();
    let patch = r#"[{"op":"remove","path":"/imagePullSecrets"}]"#;
    let taken = ["-n", &shop, "patch", "serviceaccount/builder", "--type=json", "-p", patch];
    refused(&cluster.kubectl(&taken).await?, "loses \"tcr.ipsdemo\"");
    assert_eq!(cluster.listed("serviceaccount/builder", &shop).await?, "tcr.ipsdemo");

    delete_namespace(cluster, &shop).await
}

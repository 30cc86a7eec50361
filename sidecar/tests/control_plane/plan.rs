//! `plan`, `secrets` and `events`, and what completes them: before there is a controller, and compared with what one then
//! does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use support::{Identity, Output, Program, eventually};

use crate::chart;
use crate::cluster::{Cluster, SOON, docker, identity};

const NEW: &str = "
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: demo}
spec:
  namespaces: 'shop,team,web'
  tcr: {instanceId: tcr-demo0001, region: ap-guangzhou}
---
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: own}
spec:
  namespaces: shop
  serviceAccounts: '*,!robot'
  docker: {server: own.tencentcloudcr.com, username: '100', password: p-secret-1}
";

/// The code with which a plan ends, and what it says.
async fn plan(cluster: &Cluster, arguments: &[&str]) -> Result<(Option<i32>, Value)> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tcr-assistant"));
    command.arg("plan").args(arguments).args(["-o", "json"]).env("KUBECONFIG", cluster.plane.kubeconfig());
    let output = command.output().await?;
    let stdout = String::from_utf8(output.stdout)?;
    ensure!(!stdout.contains("p-secret-1"), "a password is shown");
    let told = serde_json::from_str(&stdout);
    let told = told.with_context(|| format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), told))
}

fn file(cluster: &Cluster, name: &str, text: &str) -> Result<PathBuf> {
    let path = cluster.plane.run().folder().join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

/// The writes of a plan as an audit log has them.
fn writes(plan: &Value) -> BTreeSet<String> {
    let shown = |write: &Value| {
        let text = |field: &str| write[field].as_str().unwrap_or_default().to_owned();
        let (verb, resource) = match text("action").as_str() {
            "create" => ("create", "secrets"),
            "delete" => ("delete", "secrets"),
            "editReferences" => ("patch", "serviceaccounts"),
            _ => ("patch", "secrets"),
        };
        format!("{verb} {resource} {}/{}", text("namespace"), text("name"))
    };
    plan["writes"].as_array().into_iter().flatten().map(shown).collect()
}

/// What the controller has written in namespaces of this test.
fn written(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let all = cluster.plane.written(&identity())?;
    let is_of_test = |write: &String| {
        [" shop/", " team/", " web/"].iter().any(|place| write.contains(place))
            && (write.contains(" secrets ") || write.contains(" serviceaccounts "))
    };
    Ok(all.into_iter().filter(is_of_test).collect())
}

#[tokio::test]
async fn a_plan_says_what_a_controller_then_writes() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    for name in ["shop", "team", "web"] {
        cluster.namespace(name, &[]).await?;
    }
    let theirs: Secret =
        serde_json::from_value(json!({"metadata": {"name": "tcr.ipsdemo"}, "stringData": {"a": "b"}}))?;
    cluster.secrets("web").create(&PostParams::default(), &theirs).await?;
    let (code, told) = plan(&cluster, &[]).await?;
    ensure!(code == Some(0) && told["changes"] == false, "{told:#}");

    let manifests = file(&cluster, "demo.yaml", NEW)?;
    let manifests = manifests.to_str().context("the path is no text")?;
    let (code, planned) = plan(&cluster, &["-f", manifests]).await?;
    ensure!(code == Some(2), "{code:?}: {planned:#}");
    ensure!(
        planned["credentials"][0]["action"] == "create"
            && planned["credentials"][0]["instanceId"] == "tcr-demo0001"
    );
    ensure!(planned["conflicts"][0]["namespace"] == "web", "{planned:#}");
    let text = cluster.command(&["plan", "-f", manifests]).await?.stdout;
    ensure!(text.contains("create tcr.ipsdemo in 2 namespaces: shop, team"), "{text}");
    ensure!(
        text.contains("Would change: 2 ImagePullSecrets, 1 credential, 3 Secrets, 2 ServiceAccounts"),
        "{text}"
    );

    cluster.run().await?;
    cluster.plane.apply(NEW).await?;
    cluster.expect_condition("own", "Ready", "True", "Ready").await?;
    cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
    let planned = writes(&planned);
    eventually("every planned write", SOON, async || {
        let written = written(&cluster)?;
        ensure!(planned.is_subset(&written), "planned {planned:?}, written {written:?}");
        Ok(())
    })
    .await?;
    // Another plan of the same finds nothing, and nothing else was written meanwhile.
    let (code, told) = plan(&cluster, &["-f", manifests]).await?;
    ensure!(code == Some(0) && told["writes"] == json!([]), "{told:#}");
    ensure!(written(&cluster)? == planned, "planned {planned:?}, written {:?}", written(&cluster)?);

    // What goes is planned too.
    let (code, planned) = plan(&cluster, &["--delete", "own"]).await?;
    ensure!(code == Some(2) && planned["imagePullSecrets"][1]["change"] == "deleted", "{planned:#}");
    let before = written(&cluster)?;
    cluster.objects().delete("own", &DeleteParams::default()).await?;
    eventually("it to be gone", SOON, async || {
        ensure!(cluster.objects().get_opt("own").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;
    let (planned, written) = (writes(&planned), written(&cluster)?);
    ensure!(written == before.union(&planned).cloned().collect(), "planned {planned:?}, written {written:?}");
    refused_and_missing(&cluster).await?;
    cluster.finish(&["p-secret-1"]).await
}

/// What admission would refuse, what cannot be used, and what may not be read.
async fn refused_and_missing(cluster: &Cluster) -> Result<()> {
    let wrong = NEW
        .replace("server: own.", "server: 'https://own.")
        .replace("cloudcr.com, username", "cloudcr.com', username");
    let wrong = file(cluster, "wrong.yaml", &wrong)?;
    let (code, told) = plan(cluster, &["-f", wrong.to_str().context("the path is no text")?]).await?;
    ensure!(code == Some(1), "{code:?}: {told:#}");
    ensure!(
        told["refused"][0]["message"].as_str().is_some_and(|it| it.starts_with("spec.docker.server: ")),
        "{told:#}"
    );
    for wrong in [&["plan", "--nothing"][..], &["--log", "info", "plan", "-o", "xml"]] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tcr-assistant"));
        let output = command.args(wrong).output().await?;
        ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    }
    let told = cluster.command(&["plan", "--delete", "absent"]).await?;
    ensure!(
        !told.success && told.stderr.contains("--delete absent: there is no such ImagePullSecret"),
        "{told:?}"
    );

    // Somebody who may list ImagePullSecrets and namespaces, and nothing else.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "few"},
        "rules": [
            {"apiGroups": ["tcr.tencentcloudcr.com"], "resources": ["imagepullsecrets"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["namespaces", "serviceaccounts"], "verbs": ["list"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "few"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "few"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "default"}],
    });
    cluster.plane.apply(&chart::list([role, binding])).await?;
    let few = Identity::service_account("default", "default").username();
    let told = eventually("the right to count", SOON, async || {
        let (_, told) = plan(cluster, &["--as", &few]).await?;
        ensure!(!told["notKnown"].to_string().contains("list namespaces"), "{told:#}");
        Ok(told)
    })
    .await?;
    ensure!(told["notKnown"].to_string().contains("you may not list secrets in the cluster"), "{told:#}");
    ensure!(told["writes"] == json!([]), "what is not known is not planned: {told:#}");
    Ok(())
}

#[tokio::test]
async fn the_charts_values_lead_to_the_objects_that_helm_renders() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.namespace("shop", &[]).await?;
    let values = json!({
        "allowedRoots": ["tencentcloudcr.com", "example.com"],
        "global": {
            "cluster": {"longregion": "ap-guangzhou", "id": "cls-test0001"},
            "hosts": [{"domain": "own.tencentcloudcr.com", "ip": "10.0.0.9"}],
            "imagePullSecretsCrs": [{
                "name": "plain", "namespaces": "shop", "dockerServer": "own.example.com", "dockerUsername": 100_012_345_678_u64,
                "dockerPassword": "p-secret-1",
            }],
        },
        "instances": [
            {"instanceId": "tcr-demo0001", "namespaceSelector": {"matchLabels": {"a": "b"}}},
            {"name": "two", "instanceId": "tcr-demo0002", "region": "ap-beijing", "namespaces": "shop", "domains": ["vpc"],
             "credential": {"onDelete": "Revoke"}, "privateNetwork": {"resolve": true}, "conflictPolicy": "adopt"},
        ],
    });
    let path = file(&cluster, "values.json", &values.to_string())?;
    let (code, by_values) =
        plan(&cluster, &["--values", path.to_str().context("the path is no text")?]).await?;
    ensure!(code == Some(2), "{by_values:#}");
    ensure!(by_values["hosts"]["entries"][0]["domain"] == "own.tencentcloudcr.com", "{by_values:#}");
    let rendered = chart::render(&["image-pull-secrets.yaml"], &values).await?;
    let path = file(&cluster, "rendered.json", &chart::list(rendered.clone()))?;
    let (_, by_manifests) = plan(&cluster, &["-f", path.to_str().context("the path is no text")?]).await?;
    for part in ["imagePullSecrets", "credentials"] {
        ensure!(by_values[part].as_array().is_some_and(|all| !all.is_empty()), "{by_values:#}");
    }
    // Only the chart's roots allow example.com: with the defaults that one is refused.
    ensure!(by_manifests["refused"].to_string().contains("own.example.com"), "{by_manifests:#}");
    let of = |plan: &Value, name: &str| -> Value {
        let all = plan["imagePullSecrets"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|it| it["name"] == name).unwrap_or_default()
    };
    for name in ["tcr-demo0001", "two"] {
        ensure!(of(&by_values, name) == of(&by_manifests, name), "{by_values:#}\n{by_manifests:#}");
    }
    ensure!(by_values["credentials"] == by_manifests["credentials"], "{by_values:#}\n{by_manifests:#}");
    ensure!(by_values["imagePullSecrets"].as_array().map(Vec::len) == Some(rendered.len()), "{by_values:#}");
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn secrets_and_events_are_found_and_names_are_completed() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    for name in ["shop", "team", "web"] {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"namespaces": "shop,team,web", "docker": docker("p-secret-1")})).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let told = cluster.command(&["secrets", "demo"]).await?.checked()?;
    ensure!(told.contains("in 3 of 3 namespaces") && told.contains("the same: 3, made"), "{told}");
    ensure!(!told.contains("p-secret-1"), "a password is shown");
    for absent in [&["secrets", "absent"][..], &["events", "--as", "nobody"]] {
        let told = cluster.command(absent).await?;
        ensure!(!told.success && told.stderr.contains("error: "), "{told:?}");
    }
    // Somebody's own Secret in the way, while nobody repairs it.
    let mut cluster = cluster;
    cluster.kill();
    let theirs: Secret =
        serde_json::from_value(json!({"metadata": {"name": "tcr.ipsdemo"}, "stringData": {"a": "b"}}))?;
    cluster.secrets("web").delete("tcr.ipsdemo", &DeleteParams::default()).await?;
    cluster.secrets("web").create(&PostParams::default(), &theirs).await?;
    let output = cluster.command(&["secrets", "demo", "-o", "json"]).await?;
    let told: Value = serde_json::from_str(&output.stdout)?;
    ensure!(!output.success && told["allTheSame"] == false, "{told:#}");
    ensure!(told["contents"][0]["secrets"] == 2 && told["secrets"][2]["ours"] == false, "{told:#}");
    ensure!(told["secrets"][0]["mark"] == "asWritten", "{told:#}");
    cluster.run().await?;
    cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
    let told = eventually("the Event", SOON, async || {
        let told = cluster.command(&["events", "demo", "-o", "json"]).await?.checked()?;
        ensure!(told.contains("somebody else's and is left alone"), "{told}");
        Ok(told)
    })
    .await?;
    let last: Value = serde_json::from_str(told.lines().last().unwrap_or_default())?;
    ensure!(last["objectKind"] == "ImagePullSecret" && last["name"] == "demo", "{last:#}");
    completed(&cluster).await?;
    cluster.finish(&["p-secret-1"]).await
}

/// By kubectl, as it finds its plugins, and by bash.
async fn completed(cluster: &Cluster) -> Result<()> {
    let folder = cluster.plane.run().folder().join("installed");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../artifacts/install-kubectl-tcr");
    let installed = tokio::process::Command::new(script)
        .arg(&folder)
        .arg(env!("CARGO_BIN_EXE_tcr-assistant"))
        .output()
        .await?;
    ensure!(installed.status.success(), "{installed:?}");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let run = async |program: PathBuf, arguments: &[&str]| -> Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().env("PATH", &path).env("HOME", cluster.plane.run().folder());
        command.env("KUBECONFIG", cluster.plane.kubeconfig()).stdin(std::process::Stdio::null());
        let output = command.output().await?;
        Ok(Output {
            command: arguments.join(" "),
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    };
    let kubectl = Program::Kubectl.path()?;
    for (words, expected) in [
        (&["tcr", "pl"][..], "plan"),
        (&["tcr", "secrets", "de"], "demo"),
        (&["tcr", "explain", "-n", "te"], "team"),
        (&["tcr", "explain", "-n", "shop", "serviceaccount/d"], "serviceaccount/default"),
        (&["tcr", "plan", "--va"], "--values"),
    ] {
        let words: Vec<&str> = ["__complete"].iter().chain(words).copied().collect();
        let told = run(kubectl.clone(), &words).await?.checked()?;
        let first = told.lines().next().and_then(|line| line.split('\t').next());
        ensure!(first == Some(expected), "{words:?}: {told}");
    }
    let told = run(kubectl, &["tcr", "secrets", "demo"]).await?;
    ensure!(told.stdout.contains("Secret tcr.ipsdemo of ImagePullSecret demo"), "{told:?}");

    let bash = "source /dev/stdin <<<\"$(tcr-assistant completion bash)\"
        complete_it() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _tcr_assistant 2>/dev/null; echo \"${COMPREPLY[*]}\"; }
        complete_it tcr-assistant sec; complete_it tcr-assistant secrets d; complete_it tcr-assistant plan -o ''; complete_it tcr-assistant plan --output = j";
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tcr-assistant"), folder.join("tcr-assistant"))?;
    let told = run(PathBuf::from("bash"), &["-c", bash]).await?.checked()?;
    ensure!(told == "secrets\ndemo\ntext json diff\njson\n", "{told}");
    Ok(())
}

//! `tcr-assistant status`, and both commands for people as kubectl's plugin.

use std::process::Stdio;

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{Output, Program};

use crate::cluster::{Cluster, docker};

/// What kubectl makes of its plugin.
async fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<Output> {
    let folder = cluster.plane.run().folder().join("plugins");
    if !folder.exists() {
        std::fs::create_dir(&folder)?;
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tcr-assistant"), folder.join("kubectl-tcr"))?;
    }
    let mut command = tokio::process::Command::new(Program::Kubectl.path()?);
    command.args(arguments).env_clear().env("PATH", &folder).env("HOME", cluster.plane.run().folder());
    command.env("KUBECONFIG", cluster.plane.kubeconfig()).stdin(Stdio::null());
    let output = command.output().await?;
    Ok(Output {
        command: format!("kubectl {}", arguments.join(" ")),
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

#[tokio::test]
async fn one_screen_says_how_the_add_on_is_and_the_exit_code_whether_it_is_well() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    for name in ["shop", "team"] {
        cluster.namespace(name, &[]).await?;
    }
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou"});
    cluster.ask("demo", json!({"namespaces": "shop,team", "tcr": tcr})).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let told = cluster.command(&["status"]).await?.checked()?;
    let token = cluster.cloud.live_tokens().remove(0).id;
    for part in
        ["leads", "tcr-demo0001", "True", &format!("longterm {token}"), "2/2", "Controller:", "NAMESPACES"]
    {
        ensure!(told.contains(part), "no {part:?} in\n{told}");
    }

    cluster.ask("own", json!({"namespaces": "shop", "docker": docker("p-secret-1")})).await?;
    cluster.expect_condition("own", "Ready", "True", "Ready").await?;
    let absent = json!({"server": "own.tencentcloudcr.com", "username": "1", "passwordSecretRef": {"name": "absent", "key": "p"}});
    cluster.ask("broken", json!({"namespaces": "shop", "docker": absent})).await?;
    cluster.expect_condition("broken", "Ready", "False", "NoPassword").await?;
    let output = cluster.command(&["status", "-o", "json"]).await?;
    ensure!(!output.success && output.stderr.is_empty(), "{output:?}");
    ensure!(!output.stdout.contains("p-secret-1"), "a password is shown");
    let report: Value = serde_json::from_str(&output.stdout)?;
    ensure!(report["ready"] == false && report["problems"][0]["about"] == "broken", "{report:#}");
    let lines = report["imagePullSecrets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said: Vec<String> = lines
        .iter()
        .map(|it| {
            format!("{} {} {} {}", it["name"], it["ready"], it["credential"], it["namespaces"]["current"])
        })
        .collect();
    let expected =
        [r#""broken" "False" "password" 0"#, r#""demo" "True" "longterm" 2"#, r#""own" "True" "password" 1"#];
    ensure!(said == expected, "{said:?}");

    // The same program under the name by which kubectl finds it.
    let told = kubectl(&cluster, &["tcr", "--help"]).await?.checked()?;
    ensure!(told.contains("Usage: kubectl tcr") && told.contains("cleanup"), "{told}");
    let told = kubectl(&cluster, &["tcr", "status"]).await?;
    ensure!(!told.success && told.stdout.contains("broken: NoPassword"), "{told:?}");
    let told = kubectl(&cluster, &["tcr", "explain", "pod/absent", "-n", "shop"]).await?;
    ensure!(!told.success && told.stderr.contains("there is no Pod absent in namespace shop"), "{told:?}");

    cluster.delete("broken").await?;
    cluster.kill();
    cluster.command(&["status"]).await?.checked()?;
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), "tcr-assistant-system");
    let long_ago = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    leases.patch("tcr-assistant-leader", &PatchParams::default(), &Patch::Merge(long_ago)).await?;
    let told = cluster.command(&["status"]).await?;
    ensure!(!told.success && told.stdout.contains("controller: none leads"), "{told:?}");

    // People delete the namespace.
    cluster
        .plane
        .kubectl(&["delete", "namespace", "tcr-assistant-system", "--wait=false"])
        .await?
        .checked()?;
    let told = kubectl(&cluster, &["tcr", "status"]).await?;
    ensure!(!told.success && told.stdout.contains("kubectl tcr cleanup"), "{told:?}");
    ensure!(!told.stdout.contains("none leads: nothing"), "{told:?}");
    cluster.finish(&["p-secret-1"]).await
}

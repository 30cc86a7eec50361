//! What refused writes cost: a policy protects every ServiceAccount.

use anyhow::Result;
use figure::Figure;
use serde_json::json;

use crate::cluster::Cluster;
use crate::fill::figure;
use crate::progress::say;

/// The name of the policy.
const POLICY: &str = "protect-service-accounts";

/// The most memory of a controller that is refused every reference.
pub(crate) async fn measure(cluster: &mut Cluster) -> Result<Vec<Figure>> {
    let accounts = cluster.size * cluster.accounts;
    say(&format!("{accounts} ServiceAccounts that a policy protects"));
    protect(cluster).await?;
    let controller = cluster.controller().await?;
    cluster.ask("refused").await?;
    let is_refused = |metrics: &crate::subject::Metrics| {
        metrics.value("tcr_assistant_write_failures_total").is_some_and(|it| it >= accounts as f64)
    };
    controller.until("the refusal of every reference", is_refused).await?;
    let is_there = |metrics: &crate::subject::Metrics| {
        let secrets = metrics.value("tcr_assistant_secrets{image_pull_secret=\"refused\"}");
        secrets.is_some_and(|it| it >= cluster.size as f64)
    };
    controller.until("every Secret", is_there).await?;
    let peak = controller.memory()?.1;
    controller.kill();
    Ok(vec![figure("rss_refused_mib", peak, "MiB", Some(30.0))])
}

async fn protect(cluster: &Cluster) -> Result<()> {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["serviceaccounts"]});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "it is protected", "reason": "Forbidden"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY}, "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    cluster.plane.apply(&format!("{policy}\n---\n{binding}")).await?;
    let account = ["patch", "serviceaccount", "default", "-n", &Cluster::name(0), "--dry-run=server"];
    let patch = ["--type=merge", "-p", r#"{"metadata": {"annotations": {"probe": "x"}}}"#];
    support::eventually("the policy to be in force", crate::cluster::PATIENCE, async || {
        let output = cluster.plane.kubectl(&[&account[..], &patch[..]].concat()).await?;
        anyhow::ensure!(output.stderr.contains("it is protected"), "{output:?}");
        Ok(())
    })
    .await
}

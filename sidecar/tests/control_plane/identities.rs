//! Who the add-on's Pods are, and what each may do: with the tokens of their ServiceAccounts.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use http::{Method, Request};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use support::Identity;

use crate::chart;
use crate::cluster::Cluster;

/// What the webhook may not do: reads of others' Secrets, and writes of any kind.
const FORBIDDEN: [(Method, &str); 13] = [
    (Method::GET, "/api/v1/namespaces/tcr-assistant-system/secrets/tcr-assistant-cloud-credential"),
    (Method::GET, "/api/v1/namespaces/tcr-assistant-system/secrets"),
    (Method::GET, "/api/v1/secrets?fieldSelector=metadata.name%3Dtcr-assistant-webhook-server-cert"),
    (Method::GET, "/api/v1/namespaces/default/secrets/tcr-assistant-webhook-server-cert"),
    (Method::GET, "/api/v1/pods"),
    (Method::GET, "/api/v1/namespaces/tcr-assistant-system/configmaps"),
    (Method::POST, "/api/v1/namespaces/default/secrets"),
    (Method::POST, "/api/v1/namespaces/tcr-assistant-system/serviceaccounts/tcr-assistant-manager/token"),
    (Method::DELETE, "/api/v1/namespaces/tcr-assistant-system/secrets/tcr-assistant-webhook-server-cert"),
    (Method::DELETE, "/api/v1/namespaces/default/serviceaccounts/default"),
    (Method::POST, "/api/v1/namespaces/default/pods"),
    (
        Method::DELETE,
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tcr-assistant-mutating-webhook-configuration",
    ),
    (Method::DELETE, "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets/demo"),
];

/// Everything that the client's user may do in a namespace, beside asking who it is.
async fn rights(client: &Client, namespace: &str) -> Result<String> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let reviews: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
    ensure!(!status.incomplete, "the API server does not tell everything");
    let rules = status.resource_rules.into_iter().filter(|rule| {
        let groups = rule.api_groups.iter().flatten();
        !groups.clone().any(|group| matches!(&**group, "authorization.k8s.io" | "authentication.k8s.io"))
    });
    let lines: BTreeSet<String> = rules
        .map(|rule| {
            let names = rule.resource_names.unwrap_or_default().join(" ");
            let line =
                format!("{} {} {names}", rule.resources.unwrap_or_default().join(","), rule.verbs.join(","));
            line.trim_end().to_owned()
        })
        .collect();
    Ok(lines.into_iter().collect::<Vec<_>>().join("\n"))
}

async fn check(client: &Client, namespace: &str, expected: Expect) -> Result<()> {
    expected.assert_eq(&rights(client, namespace).await?);
    Ok(())
}

/// What the API server answers.
async fn code(client: &Client, method: &Method, path: &str, body: &Value) -> Result<u16> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request =
        request.body(if *method == Method::GET { Vec::new() } else { serde_json::to_vec(body)? })?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(200),
        Err(kube::Error::Api(status)) => Ok(status.code),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn the_webhook_may_read_what_the_policy_asks_for_and_nothing_else() -> Result<()> {
    let cluster = Cluster::start().await?;
    let webhook = Identity::service_account("tcr-assistant-system", "tcr-assistant-webhook");
    let client = cluster.plane.client_for(&webhook).await?;
    check(
        &client,
        "default",
        expect![[r#"
            imagepullsecrets get,list,watch
            namespaces,serviceaccounts get,list,watch"#]],
    )
    .await?;
    check(
        &client,
        "tcr-assistant-system",
        expect![[r#"
            imagepullsecrets get,list,watch
            namespaces,serviceaccounts get,list,watch
            secrets get,list,watch tcr-assistant-webhook-server-cert"#]],
    )
    .await?;
    for (method, path) in FORBIDDEN {
        let answer = code(&client, &method, path, &json!({})).await?;
        assert_eq!(answer, 403, "{method} {path}");
    }
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn the_uninstalls_job_may_empty_the_list_and_tell_the_agents() -> Result<()> {
    let cluster = Cluster::start().await?;
    let job = cluster.withdrawal().await?;
    let client = cluster.plane.client_for(&job).await?;
    check(&client, "default", expect![""]).await?;
    check(
        &client,
        "tcr-assistant-system",
        expect![[r#"
            configmaps get,patch updater-config
            pods list,patch"#]],
    )
    .await?;
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn no_other_pod_of_the_chart_has_a_token() -> Result<()> {
    let templates = ["deployment.yaml", "webhook-deployment.yaml", "uninstall.yaml", "hosts-updater.yaml"];
    let templates = [&templates[..], &["service-account.yaml"]].concat();
    let mut tokens = BTreeSet::new();
    for object in chart::render(&templates, &json!({})).await? {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let spec = &object["spec"]["template"]["spec"];
        if kind == "ServiceAccount" {
            assert_eq!(object["automountServiceAccountToken"], false, "{name}");
        }
        if !spec.is_null() {
            let account = spec["serviceAccountName"].as_str().unwrap_or("default");
            tokens.insert(format!("{kind} {name}: {account} {}", spec["automountServiceAccountToken"]));
        }
    }
    expect![[r#"
        {
            "DaemonSet hosts-updater: hosts-updater false",
            "Deployment tcr-assistant-controller-manager: tcr-assistant-manager true",
            "Deployment tcr-assistant-webhook: tcr-assistant-webhook true",
            "Job tcr-assistant-withdraw-hosts: tcr-assistant-withdraw-hosts true",
        }
    "#]]
    .assert_debug_eq(&tokens);
    Ok(())
}

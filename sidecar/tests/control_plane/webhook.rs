//! The webhook's certificate and who trusts it.

use anyhow::{Context, Result, ensure};
use controller::webhook_certificate::make;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use support::eventually;

use crate::cluster::{Cluster, SOON};
use crate::refusals::protect;

const SECRET: &str = "tcr-assistant-webhook-server-cert";
const CONFIGURATIONS: [&str; 2] =
    ["tcr-assistant-validating-webhook-configuration", "tcr-assistant-mutating-webhook-configuration"];

async fn text(cluster: &Cluster, key: &str) -> Result<String> {
    let secret: Secret = cluster.secrets("tcr-assistant-system").get(SECRET).await?;
    let data = secret.data.context("it is empty")?;
    Ok(String::from_utf8(data.get(key).with_context(|| format!("it has no {key}"))?.0.clone())?)
}

/// Waits until every webhook trusts what the Secret says.
async fn trusted(cluster: &Cluster) -> Result<()> {
    eventually("every webhook to trust the CA", SOON, async || {
        let ca = text(cluster, "ca.crt").await?;
        for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
            let name = CONFIGURATIONS[usize::from(kind.starts_with("mutating"))];
            let path = "jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{\"\\n\"}{end}";
            let bundles = cluster.plane.kubectl(&["get", kind, name, "-o", path]).await?.checked()?;
            let wanted = serde_json::to_value(k8s_openapi::ByteString(ca.clone().into_bytes()))?;
            ensure!(bundles.lines().count() > 0, "{name} has no webhook");
            ensure!(bundles.lines().all(|bundle| wanted == bundle), "{name} trusts something else");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_webhooks_certificate_is_made_trusted_and_renewed_with_an_overlap() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.webhooks().await?;
    // One that is past two thirds of its life.
    let old = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(300 * 24))?;
    let (pair, ca) = make("tcr-assistant-webhook-service", old)?;
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": SECRET}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key.expose(), "ca.crt": ca},
    }))?;
    cluster.secrets("tcr-assistant-system").create(&PostParams::default(), &secret).await?;
    cluster.run_with("--webhook-service=tcr-assistant-webhook-service").await?;
    trusted(&cluster).await?;
    eventually("a new certificate that waits", SOON, async || text(&cluster, "next.crt").await).await?;
    assert_eq!(
        text(&cluster, "tls.crt").await?,
        pair.certificate,
        "the old one is served until the new one is trusted"
    );
    trusted(&cluster).await?;
    eventually("the new certificate to be served", SOON, async || {
        ensure!(text(&cluster, "tls.crt").await? != pair.certificate, "the old one is served");
        Ok(())
    })
    .await?;
    let bundle = text(&cluster, "ca.crt").await?;
    assert!(bundle.ends_with(&ca) && bundle.matches("BEGIN").count() == 2, "{bundle}");
    trusted(&cluster).await?;

    // Somebody applies the chart's manifest again, without a bundle.
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let wipe = Patch::Json::<()>(serde_json::from_value(
        json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]),
    )?);
    configurations.patch(CONFIGURATIONS[0], &PatchParams::default(), &wipe).await?;
    trusted(&cluster).await?;

    cluster.secrets("tcr-assistant-system").delete(SECRET, &kube::api::DeleteParams::default()).await?;
    eventually("another certificate", SOON, async || text(&cluster, "tls.crt").await).await?;
    trusted(&cluster).await?;
    let key = text(&cluster, "tls.key").await?;
    cluster.finish(&[&key]).await
}

#[tokio::test]
async fn api_servers_leave_their_connections_to_a_webhook_that_ends() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.webhooks().await?;
    cluster.run_with("--webhook-service=tcr-assistant-webhook-service").await?;
    trusted(&cluster).await?;
    let ca = text(&cluster, "ca.crt").await?;
    // It has to wait for somebody: nobody here would finish its deletion otherwise than at once.
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": "webhook", "labels": {"app.kubernetes.io/component": "webhook"},
            "finalizers": ["example.com/wait"],
        },
        "spec": {
            "serviceAccountName": "hosts-updater", "automountServiceAccountToken": false,
            "containers": [{"name": "webhook", "image": "localhost/harness"}],
        },
    }))?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), "tcr-assistant-system");
    pods.create(&PostParams::default(), &pod).await?;
    pods.delete("webhook", &DeleteParams::default()).await?;
    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        let name = CONFIGURATIONS[usize::from(kind.starts_with("mutating"))];
        let path = "jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{\"\\n\"}{end}";
        let written = |bundle: String| -> Result<_> {
            Ok(serde_json::to_value(k8s_openapi::ByteString(bundle.into_bytes()))?)
        };
        // The same certificates in other bytes, for which API servers have connections of their own.
        let others = (1..8).map(|ends| written(format!("{}{}", ca.trim_end(), "\n".repeat(ends))));
        let mut others = others.collect::<Result<Vec<_>>>()?;
        let before = written(ca.clone())?;
        others.retain(|bundle| *bundle != before);
        eventually(&format!("another form of the CA in {name}"), SOON, async || {
            let bundles = cluster.plane.kubectl(&["get", kind, name, "-o", path]).await?.checked()?;
            ensure!(bundles.lines().count() > 0, "{name} has no webhook");
            let is_other = |bundle| others.iter().any(|it| it == bundle);
            ensure!(bundles.lines().all(is_other), "{name} has {bundles}");
            Ok(())
        })
        .await?;
    }
    cluster.finish(&[]).await
}

#[tokio::test]
async fn a_configuration_that_a_policy_protects_does_not_keep_the_ca_from_the_other_one() -> Result<()> {
    for protected in 0..2 {
        let mut cluster = Cluster::start().await?;
        cluster.webhooks().await?;
        let kind = |which: usize| ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"][which];
        let reason = ["Invalid", "Forbidden"][protected];
        protect(&cluster, kind(protected), CONFIGURATIONS[protected], reason).await?;
        cluster.run_with("--webhook-service=tcr-assistant-webhook-service").await?;
        let bundles = async |which: usize| {
            let path = "jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{\"\\n\"}{end}";
            cluster.plane.kubectl(&["get", kind(which), CONFIGURATIONS[which], "-o", path]).await?.checked()
        };
        eventually("the other one to trust the CA", SOON, async || {
            let ca =
                serde_json::to_value(k8s_openapi::ByteString(text(&cluster, "ca.crt").await?.into_bytes()))?;
            let found = bundles(1 - protected).await?;
            ensure!(found.lines().count() > 0 && found.lines().all(|it| ca == it), "it trusts {found:?}");
            Ok(())
        })
        .await?;
        eventually("the log to say which one is refused", SOON, async || {
            let name = CONFIGURATIONS[protected];
            ensure!(
                cluster.log()?.contains(&format!("cannot put the webhook's CA into {name}")),
                "it does not"
            );
            Ok(())
        })
        .await?;
        ensure!(bundles(protected).await?.trim().is_empty(), "the policy protects nothing");
        cluster.end();
    }
    Ok(())
}

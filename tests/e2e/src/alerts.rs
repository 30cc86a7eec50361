//! Each alert of the chart: a real fault makes it fire, and what mends the fault ends it. A real Prometheus decides, by the
//! rules and the PodMonitor that helm has installed; only the times are shorter.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use controller::webhook_certificate;
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::{ControlPlane, eventually};
use tcr::names::{SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE};
use tcr_cloud::Account;

use crate::caller::Caller;
use crate::control_plane::SERVICE;
use crate::installed::{self, Programs, Running, SECRET, SOON};
use crate::review;
use crate::steps::Steps;

mod prometheus;
mod scene;

use scene::{Scene, TYPED};

/// How long the webhook stands still: longer than a review may take. And how long it goes on in between.
const FROZEN: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));
/// Callers who put reviews to it meanwhile, their size, and their rest.
const CALLERS: usize = 4;
const REVIEW: usize = 512 << 10;
const REST: Duration = Duration::from_millis(20);

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    installed::on_control_plane(Programs::Built, async |plane, helm| {
        let scene = Scene::start(plane, helm);
        let scene = steps.step("the add-on is installed, and Prometheus reads its metrics", scene).await?;
        story(steps, plane, scene).await
    })
}

async fn story(steps: &mut Steps, plane: &ControlPlane, mut scene: Scene<'_>) -> Result<()> {
    steps.step("an ImagePullSecret is ready", ready(&scene)).await?;

    let alerts = ["TCRAssistantNodesBehind"];
    steps.step("NodesBehind: a node's kubelet does not mount the list", scene.fire(&alerts)).await?;
    scene.deliver().await?;
    steps.step("  it ends once the node has it", scene.end(&alerts)).await?;
    steps.step("no alert fires while all is well", scene.is_calm()).await?;

    let alerts = ["TCRAssistantLeaderMissing", "TCRAssistantWebhookCertificateNearEnd"];
    let away = async {
        scene.controller.replica.process("manager")?.kill();
        served_long_ago(&scene).await?;
        scene.fire(&alerts).await
    };
    steps
        .step("LeaderMissing, WebhookCertificateNearEnd: the controller has been away for a year", away)
        .await?;
    bring_back(&scene.controller).await?;
    steps.step("  they end once it is back", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantLinkDown"];
    scene.registry.process().kill();
    steps.step("LinkDown: nobody listens behind the private link", scene.fire(&alerts)).await?;
    scene.registry.process().start()?;
    steps.step("  it ends once somebody does", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantCredentialRefused"];
    type_password(&scene, "wrong").await?;
    steps.step("CredentialRefused: a password that the registry refuses", scene.fire(&alerts)).await?;
    let token = scene.cloud.live_tokens().pop().context("the cloud has made no credential")?;
    type_password(&scene, token.secret.expose()).await?;
    steps.step("  it ends with one that it lets in", scene.end(&alerts)).await?;
    scene.kubectl(&["delete", "imagepullsecret", "typed"]).await?;

    let alerts = ["TCRAssistantDistributionBehind"];
    let full = async {
        fill(&scene).await?;
        scene.fire(&alerts).await
    };
    steps.step("DistributionBehind: a namespace whose quota is full", full).await?;
    scene.kubectl(&["-n", "full", "delete", "resourcequota", "none"]).await?;
    steps.step("  it ends when the quota is gone", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantConflicts"];
    scene.kubectl(&["-n", "taken", "create", "secret", "generic", SECRET]).await?;
    scene.ask("*").await?;
    steps.step("Conflicts: somebody else has a Secret of the name", scene.fire(&alerts)).await?;
    let overwrite = r#"{"spec": {"conflictPolicy": "overwrite"}}"#;
    scene.kubectl(&["patch", "imagepullsecret", "demo", "--type=merge", "-p", overwrite]).await?;
    steps.step("  it ends when the policy gives it to us", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantAPICredentialRefused", "TCRAssistantCredentialNearEnd"];
    let key = Account::demo().secret_id;
    ensure!(scene.cloud.update_account(&key, |it| it.allow = Vec::new()), "there is no account {key}");
    // The second needs the end of a credential's life, and the first is over by then.
    for alert in alerts {
        let what =
            format!("{}: the identity may make no credentials any more", &alert["TCRAssistant".len()..]);
        steps.step(&what, scene.fire(&[alert])).await?;
    }
    scene.cloud.update_account(&key, |it| it.allow = Account::demo().allow);
    steps.step("  they end once it may again", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantWebhookMissing"];
    scene.webhook.replica.process("webhook")?.kill();
    steps.step("WebhookMissing: the webhook is killed", scene.fire(&alerts)).await?;
    bring_back(&scene.webhook).await?;
    steps.step("  it ends once it is back", scene.end(&alerts)).await?;

    let alerts = ["TCRAssistantWebhookErrors", "TCRAssistantWebhookSlow"];
    steps
        .step("WebhookErrors, WebhookSlow: its node freezes again and again", freeze(&scene, &alerts))
        .await?;
    steps.step("  they end once it does not", scene.end(&alerts)).await?;

    steps.step("no alert fires any more", scene.is_calm()).await?;
    let all = async { scene.all_were_tried() };
    steps.step("and every alert of the chart was tried", all).await?;
    plane.process(support::Part::ApiServer).check()
}

/// Asks for the credential, in namespaces that the story needs.
async fn ready(scene: &Scene<'_>) -> Result<()> {
    for namespace in ["shop", "full", "taken"] {
        scene.kubectl(&["create", "namespace", namespace]).await?;
    }
    scene.ask("*,!taken").await?;
    scene
        .kubectl(&["wait", "--for=condition=CredentialValid", "--timeout=100s", "imagepullsecret/demo"])
        .await?;
    scene
        .kubectl(&["wait", "--for=condition=Distributed", "--timeout=100s", "imagepullsecret/demo"])
        .await
        .map(drop)
}

/// Starts again what was killed, as a kubelet does.
async fn bring_back(running: &Running) -> Result<()> {
    running.replica.process(running.container)?.start()?;
    running.ready().await
}

/// Gives the webhook a certificate of a year ago, less ten days.
async fn served_long_ago(scene: &Scene<'_>) -> Result<()> {
    let past = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(355 * 24))?;
    let (pair, ca) = webhook_certificate::make(SERVICE, past)?;
    let data = json!({"tls.crt": pair.certificate, "tls.key": pair.key.expose(), "ca.crt": ca});
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), SYSTEM_NAMESPACE);
    let patch = Patch::Merge(json!({"stringData": data}));
    secrets.patch(WEBHOOK_CERTIFICATE, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn type_password(scene: &Scene<'_>, password: &str) -> Result<()> {
    let username = Account::demo().uin;
    scene
        .apply(&json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "typed"},
            "spec": {
                "namespaces": "shop", "serviceAccounts": "*",
                "docker": {"server": TYPED, "username": username, "password": password},
            },
        }))
        .await
}

/// Takes the Secret out of a namespace in which no other may be made.
async fn fill(scene: &Scene<'_>) -> Result<()> {
    scene.kubectl(&["-n", "full", "create", "quota", "none", "--hard=secrets=0"]).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(scene.client.clone(), "full");
    eventually("the quota to be in force", SOON, async || {
        let quota = quotas.get("none").await?;
        quota.status.and_then(|status| status.used).map(drop).context("it counts nothing yet")
    })
    .await?;
    scene.kubectl(&["-n", "full", "delete", "secret", SECRET]).await.map(drop)
}

/// Stops the webhook's process again and again, while it is asked, until these alerts fire.
async fn freeze(scene: &Scene<'_>, alerts: &[&str]) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), SYSTEM_NAMESPACE);
    let certificate = secrets.get(WEBHOOK_CERTIFICATE).await?.data.unwrap_or_default();
    let authority =
        certificate.get("ca.crt").context("the webhook's certificate has no authority")?.0.clone();
    let target = scene.webhook.target("webhook", "/validate/tcr-assistant")?;
    let caller = Caller::stranger(target, Some((installed::server_name(), authority))).regular()?;
    let review: Arc<str> = review::of_pod("shop", REVIEW).into();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (caller, review) = (caller.clone(), review.clone());
        callers.spawn(async move {
            loop {
                // What is answered is not what the story is about.
                let _ = caller.review(&review).await;
                tokio::time::sleep(REST).await;
            }
        });
    }
    let process = scene.webhook.replica.process("webhook")?;
    let fired = eventually(&format!("{} to fire", alerts.join(", ")), 2 * SOON, async || {
        process.suspend();
        tokio::time::sleep(FROZEN.0).await;
        process.resume();
        tokio::time::sleep(FROZEN.1).await;
        scene.are_firing(alerts).await
    })
    .await;
    process.resume();
    fired
}

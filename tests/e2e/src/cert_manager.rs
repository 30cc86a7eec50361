//! The webhook's certificate by cert-manager: its own definitions and its own cainjector, on a control plane.
//!
//! Certificates are issued by the story, into the Secret that the chart's Certificate names and as cert-manager marks it:
//! its controllers need more of the world than a test has.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use controller::webhook_certificate;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::json;
use support::{ControlPlane, Process, Program, eventually};
use tcr::names::{MUTATING_WEBHOOK, SYSTEM_NAMESPACE, VALIDATING_WEBHOOK, WEBHOOK_CERTIFICATE};
use tcr_cloud::Config;

use crate::chart::{self, sample};
use crate::control_plane::{SERVICE, document_of, endpoint};
use crate::installed::{self, Programs, Running, SOON};
use crate::steps::Steps;

const MODULE: &str = "github.com/cert-manager/cert-manager";
/// Of its kinds those that the chart makes.
const DEFINITIONS: [&str; 2] = ["cert-manager.io_certificates.yaml", "cert-manager.io_issuers.yaml"];

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    // Before the network is gone.
    let injector = Program::Cainjector.path()?;
    let definitions = Program::Cainjector.source_of(MODULE)?.join("deploy/crds");
    installed::on_control_plane(Programs::Built, async |plane, helm| {
        let start = inject(plane, &injector, &definitions);
        let injector = steps.step("cert-manager's definitions and its cainjector are there", start).await?;
        let story = Story { plane, client: plane.client().await?, injector };
        let (controller, webhook) =
            steps.step("helm installs the chart; the controller runs", story.install(helm)).await?;
        steps.step("a certificate is issued: reviews are answered", story.issue(&webhook)).await?;
        steps.step("and another one, of another authority: they still are", story.issue(&webhook)).await?;
        steps.step("the controller has looked at no webhook configuration", untouched(&controller)).await
    })
}

struct Story<'a> {
    plane: &'a ControlPlane,
    client: Client,
    injector: Process,
}

async fn inject(plane: &ControlPlane, injector: &Path, definitions: &Path) -> Result<Process> {
    for file in DEFINITIONS {
        let file = definitions.join(file);
        let file = file.to_str().context("the path of Go's modules is not UTF-8")?;
        plane.kubectl(&["apply", "--server-side", "-f", file]).await?.checked()?;
        plane
            .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", file])
            .await?
            .checked()?;
    }
    let mut command = plane.run().command(injector);
    command.env("KUBECONFIG", plane.kubeconfig());
    plane.run().start("cainjector", command)
}

impl Story<'_> {
    async fn install(&self, helm: &Path) -> Result<(Running, Running)> {
        let values = json!({
            "registry": {"check": false},
            "webhook": {"replicas": 1, "certManager": {"enabled": true}},
        });
        chart::install(self.plane, helm, &Config::demo().accounts[0], &[&values]).await?;
        let (controller, webhook, _) = installed::workloads(&self.client).await?;
        let image = installed::image(self.plane, Programs::Built)?;
        let controller = Running::start("manager", &controller, self.plane, &image).await?;
        let webhook = Running::start("webhook", &webhook, self.plane, &image).await?;
        controller.ready().await?;
        Ok((controller, webhook))
    }

    /// Issues a certificate, and waits until the webhook is called by it.
    async fn issue(&self, webhook: &Running) -> Result<()> {
        let (pair, ca) = webhook_certificate::make(SERVICE, jiff::Timestamp::now())?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {
                "name": WEBHOOK_CERTIFICATE, "namespace": SYSTEM_NAMESPACE,
                "annotations": {"cert-manager.io/certificate-name": "tcr-assistant-webhook"},
            },
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key.expose(), "ca.crt": ca},
        });
        self.plane.apply(&secret.to_string()).await?;
        webhook.ready().await?;
        endpoint(self.plane, &webhook.replica, true).await?;
        eventually("cainjector to put the authority in", SOON, async || {
            self.injector.check()?;
            // It leaves the one before beside it.
            let found = self.authorities().await?;
            ensure!(found.len() > 1 && found.iter().all(|it| it.contains(ca.trim())), "it did not yet");
            Ok(())
        })
        .await?;
        // Without the webhook it would be accepted: failures of it are ignored.
        let bad = document_of(&sample("imagepullsecrets/bad.yaml")?, "look-alike")?;
        eventually("a bad ImagePullSecret to be refused", SOON, async || {
            let apply = ["apply", "--dry-run=server", "-f", "-"];
            let output = self.plane.kubectl_with(self.plane.kubeconfig(), &apply, &bad).await?;
            ensure!(!output.success && output.stderr.contains("denied the request"), "{}", output.stderr);
            Ok(())
        })
        .await?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let kept = secrets.get(WEBHOOK_CERTIFICATE).await?.data.unwrap_or_default();
        let kept = kept.get("tls.crt").map(|it| it.0.as_slice());
        ensure!(kept == Some(pair.certificate.as_bytes()), "somebody else has changed the certificate");
        Ok(())
    }

    /// Whom API servers trust, of each webhook.
    async fn authorities(&self) -> Result<Vec<String>> {
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let validating = validating.get(VALIDATING_WEBHOOK).await?.webhooks.unwrap_or_default();
        let mutating = mutating.get(MUTATING_WEBHOOK).await?.webhooks.unwrap_or_default();
        let configs = validating.into_iter().map(|it| it.client_config);
        let configs = configs.chain(mutating.into_iter().map(|it| it.client_config));
        let bundles = configs.map(|it| it.ca_bundle.unwrap_or_default().0);
        Ok(bundles.map(|it| String::from_utf8_lossy(&it).into_owned()).collect())
    }
}

async fn untouched(controller: &Running) -> Result<()> {
    let replica = &controller.replica;
    let metrics = replica.get(replica.port("manager", "http")?, "/metrics").await?;
    ensure!(metrics.contains("tcr_assistant_leading 1"), "the controller does not lead");
    let calls = metrics.lines().find(|line| line.contains("webhookconfigurations"));
    ensure!(calls.is_none(), "it did: {calls:?}");
    Ok(())
}

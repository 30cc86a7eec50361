//! The chart on a control plane without nodes. What a kubelet would start runs as processes, with the
//! arguments, environment and ServiceAccount that the installed Deployment names.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use controller::webhook_certificate;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Secret, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use support::{ControlPlane, Identity, Options, Output, Program, eventually, network};
use tcr::names::{CONTROLLER_DEPLOYMENT, SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE, WEBHOOK_DEPLOYMENT};
use tcr_cloud::{Cloud, Config};

use crate::chart::{self, root, sample};
use crate::replica::{Image, Replica};
use crate::steps::Steps;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);
pub(crate) const SERVICE: &str = "tcr-assistant-webhook-service";
const SECRET: &str = "tcr.ipsdemo";
/// Where the Pods of the story are.
pub(crate) const POD_ADDRESS: &str = "10.200.0.1";
/// What is in bad.yaml, and the words that each is refused with.
const REFUSED: [(&str, &str); 5] = [
    ("both-kinds", "docker"),
    ("look-alike", "demo.eviltencentcloudcr.com"),
    ("not-a-host", "https://demo.tencentcloudcr.com/v2/"),
    ("bad-list", "Team_A"),
    ("misspelled", "namespace"),
];
/// Samples of Pods, and what is in their lists afterwards.
const PODS: [(&str, &[&str]); 6] = [
    ("tcr-image", &[SECRET]),
    ("public-image", &[]),
    ("mixed", &[SECRET]),
    ("own-pull-secret", &["partner-registry", SECRET]),
    (IMAGE_VOLUME, &[SECRET]),
    ("opted-out", &[]),
];
/// A sample of what is on by default only from this minor version of Kubernetes on.
const IMAGE_VOLUME: &str = "image-volume";
const IMAGE_VOLUMES_SINCE: u32 = 35;
/// From this minor version on API servers find webhooks by EndpointSlices; 1.32 did so by Endpoints.
const WEBHOOKS_BY_SLICES_SINCE: u32 = 33;

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    // Before the network is gone.
    let helm = Program::Helm.path()?;
    for program in Program::CONTROL_PLANE {
        program.path()?;
    }
    network::enter()?;
    network::add_address(POD_ADDRESS)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(story(steps, &helm))
}

struct Story {
    plane: ControlPlane,
    client: Client,
    cloud: Cloud,
    controllers: Vec<Replica>,
    webhooks: Vec<Replica>,
}

async fn story(steps: &mut Steps, helm: &Path) -> Result<()> {
    let options = Options {
        audit: true,
        // It calls a Service's endpoints itself: there is no kube-proxy.
        apiserver_flags: vec!["--enable-aggregator-routing=true".to_owned()],
        // It knows no Pod that is ready, and would empty what `endpoint` writes.
        controller_manager_flags: vec!["--controllers=*,-endpoints-controller".to_owned()],
        ..Options::default()
    };
    let plane = steps.step("a control plane is ready", ControlPlane::start(options)).await?;
    let story = Story {
        client: plane.client().await?,
        cloud: Cloud::start(Config::demo())?,
        plane,
        controllers: Vec::new(),
        webhooks: Vec::new(),
    };
    let (run, told) = story.go(steps, helm).await;
    if told.is_err() {
        run.plane.run().failed();
    }
    told
}

impl Story {
    async fn go(mut self, steps: &mut Steps, helm: &Path) -> (Self, Result<()>) {
        let told = self.tell(steps, helm).await;
        (self, told)
    }

    async fn tell(&mut self, steps: &mut Steps, helm: &Path) -> Result<()> {
        steps.step("helm installs the chart, two controllers and two webhooks", self.install(helm)).await?;
        steps
            .step("Pod Security's level restricted refuses hosts-updater alone", self.pod_security())
            .await?;
        let old = steps.step("all of them start, with a certificate that is due", self.start()).await?;
        steps.step("the webhook answers", self.webhook_answers()).await?;
        let renewed = self.renew_while_pods_come(&old);
        steps.step("the certificate is renewed while Pods come; no review is missed", renewed).await?;

        steps.step("kubectl shows a warning for a plain password", self.warned()).await?;
        steps.step("kubectl shows why each bad ImagePullSecret is refused", self.refused()).await?;
        steps.step("kubectl apply of an ImagePullSecret: a credential, one", self.ask()).await?;
        steps.step("a second one for the same registry is refused, naming the first", self.second()).await?;
        steps.step("the first Pod of a new namespace has the reference", self.first_pod("shop")).await?;
        steps.step("a new ServiceAccount has the reference at once", self.new_account()).await?;
        steps.step("every sample Pod has the list that it should", self.sample_pods()).await?;
        steps.step("templates that name the Secret are warned of", self.templates()).await?;
        steps.step("the leader is killed; the other goes on", self.leader_killed()).await?;
        steps.step("a webhook is told to end while Pods come; no review is missed", self.drained()).await?;
        steps.step("no secret in a log, Event, status or metric; nothing was denied", self.secrecy()).await?;
        steps.step("the ImagePullSecrets are deleted; nothing is left", self.clean()).await?;
        steps.step("helm uninstalls the chart", self.uninstall(helm)).await
    }

    async fn install(&self, helm: &Path) -> Result<()> {
        let values = json!({
            "global": {"cluster": {"id": "cls-12345678", "longregion": "ap-guangzhou"}},
            "cloud": {"endpoint": self.cloud.url()},
            "controller": {"replicas": 2},
        });
        chart::install(&self.plane, helm, &Config::demo().accounts[0], &[&values]).await
    }

    /// Puts each Pod that the chart's workloads would make where the API server enforces `restricted`.
    async fn pod_security(&self) -> Result<()> {
        let label = "pod-security.kubernetes.io/enforce=restricted";
        self.plane.kubectl(&["create", "namespace", "restricted"]).await?.checked()?;
        self.plane.kubectl(&["label", "namespace", "restricted", label]).await?.checked()?;
        self.wait_for_account("restricted").await?;
        let kinds = ["-n", SYSTEM_NAMESPACE, "get", "deployments,daemonsets", "-o", "json"];
        let workloads: Value = serde_json::from_str(&self.plane.kubectl(&kinds).await?.checked()?)?;
        let mut refused = Vec::new();
        for workload in workloads["items"].as_array().context("there are no workloads")? {
            let name = workload["metadata"]["name"].as_str().context("a workload has no name")?;
            let mut spec = workload["spec"]["template"]["spec"].clone();
            // Whom it acts as is another matter, and not there.
            for field in ["serviceAccountName", "serviceAccount"] {
                spec[field] = json!("default");
            }
            let metadata = json!({"name": name, "namespace": "restricted"});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
            let create = ["create", "--dry-run=server", "-f", "-"];
            let output = self.plane.kubectl_with(self.plane.kubeconfig(), &create, &pod.to_string()).await?;
            if !output.success {
                ensure!(output.stderr.contains("violates PodSecurity"), "{name}: {}", output.stderr);
                refused.push(name);
            }
        }
        ensure!(refused == ["hosts-updater"], "it refuses {refused:?}");
        Ok(())
    }

    async fn start(&mut self) -> Result<String> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let past = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(300 * 24))?;
        let (pair, ca) = webhook_certificate::make(SERVICE, past)?;
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": WEBHOOK_CERTIFICATE}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key.expose(), "ca.crt": ca},
        }))?;
        secrets.create(&PostParams::default(), &secret).await?;

        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let webhook = deployments.get(WEBHOOK_DEPLOYMENT).await?;
        let controller = deployments.get(CONTROLLER_DEPLOYMENT).await?;
        let image = Image {
            programs: std::env::current_exe()?.parent().context("this program is in no folder")?.to_owned(),
            policy: root().join("target/policy.wasm"),
        };
        ensure!(image.policy.is_file(), "{} is missing: run ./justw policy", image.policy.display());
        for number in 0..2 {
            for (container, deployment) in [("webhook", &webhook), ("manager", &controller)] {
                let mut replica = Replica::of(deployment, number)?;
                replica.start(container, &self.plane, deployment, &image).await?;
                eventually(&format!("{container} {number} to be ready"), SOON, async || {
                    replica.is_ready(container).await
                })
                .await?;
                match container {
                    "webhook" => {
                        endpoint(&self.plane, &replica, true).await?;
                        self.webhooks.push(replica);
                    }
                    _ => self.controllers.push(replica),
                }
            }
        }
        Ok(pair.certificate)
    }

    /// Everything that was started, each with its one container.
    fn replicas(&self) -> impl Iterator<Item = (&'static str, &Replica)> {
        let controllers = self.controllers.iter().map(|it| ("manager", it));
        controllers.chain(self.webhooks.iter().map(|it| ("webhook", it)))
    }

    async fn webhook_answers(&self) -> Result<()> {
        // Without the webhook this would be accepted: its failures are ignored.
        eventually("a bad ImagePullSecret to be refused", SOON, async || {
            let bad = document_of(&sample("imagepullsecrets/bad.yaml")?, "look-alike")?;
            let output = self.apply(&["--dry-run=server"], &bad).await?;
            ensure!(!output.success && output.stderr.contains("denied the request"), "{}", output.stderr);
            Ok(())
        })
        .await
    }

    async fn renew_while_pods_come(&self, old: &str) -> Result<()> {
        self.plane.kubectl(&["create", "namespace", "busy"]).await?.checked()?;
        self.wait_for_account("busy").await?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let served = async || -> Result<bool> {
            let secret = secrets.get(WEBHOOK_CERTIFICATE).await?;
            let now = secret.data.and_then(|mut data| data.remove("tls.crt")).context("it is empty")?;
            Ok(now.0 != old.as_bytes())
        };
        ensure!(!served().await?, "it was renewed before anybody could watch");
        let missed = self.missed_reviews().await?;
        let (mut after, mut pods) = (0, 0);
        while after < 100 {
            self.make_pod("busy", &format!("before-{pods}"), "nginx:1.27").await?;
            pods += 1;
            // Some more, with the new one.
            after += usize::from(after > 0 || (pods % 10 == 0 && served().await?));
            ensure!(pods < 100_000, "the certificate was not renewed");
        }
        ensure!(self.missed_reviews().await? == missed, "some of {pods} reviews failed");
        Ok(())
    }

    /// Reviews that the API server could not get, by its own count.
    async fn missed_reviews(&self) -> Result<u64> {
        let metrics = self.plane.kubectl(&["get", "--raw", "/metrics"]).await?.checked()?;
        let counters =
            ["apiserver_admission_webhook_fail_open_count{", "apiserver_admission_webhook_rejection_count{"];
        let failed = metrics.lines().filter(|line| {
            line.starts_with(counters[0])
                || (line.starts_with(counters[1]) && !line.contains("error_type=\"no_error\""))
        });
        Ok(failed.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    async fn ask(&self) -> Result<()> {
        let sample = sample("demo.yaml")?;
        self.apply(&[], &sample).await?.checked()?;
        let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "imagepullsecret/demo"];
        self.plane.kubectl(&wait).await?.checked()?;
        ensure!(self.cloud.live_tokens().len() == 1, "{} credentials live", self.cloud.live_tokens().len());
        Ok(())
    }

    async fn warned(&self) -> Result<()> {
        let good = sample("imagepullsecrets/good.yaml")?;
        let output = self.apply(&["--dry-run=server"], &good).await?;
        let warned = output.stderr.contains("Warning: ") && output.stderr.contains("passwordSecretRef");
        ensure!(warned, "no warning in {}", output.stderr);
        output.checked().map(drop)
    }

    async fn second(&self) -> Result<()> {
        let good = sample("imagepullsecrets/good.yaml")?;
        // What the policy knows of the cluster comes by a watch.
        eventually("the policy to know of the first", SOON, async || {
            let output = self.apply(&["--dry-run=server"], &document_of(&good, "by-reference")?).await?;
            ensure!(!output.success, "it was accepted");
            ensure!(
                output.stderr.contains("already belongs to the ImagePullSecret \"demo\""),
                "{}",
                output.stderr
            );
            Ok(())
        })
        .await
    }

    async fn refused(&self) -> Result<()> {
        let bad = sample("imagepullsecrets/bad.yaml")?;
        for (name, words) in REFUSED {
            let output = self.apply(&[], &document_of(&bad, name)?).await?;
            ensure!(!output.success, "{name} was accepted");
            ensure!(output.stderr.contains(words), "{name}: nothing of {words:?} in {}", output.stderr);
        }
        Ok(())
    }

    async fn first_pod(&self, namespace: &str) -> Result<()> {
        self.plane.kubectl(&["create", "namespace", namespace]).await?.checked()?;
        // Kubernetes itself refuses a Pod before the ServiceAccount is there.
        self.wait_for_account(namespace).await?;
        let image = "demo-vpc.tencentcloudcr.com/team/app:v1";
        self.plane.kubectl(&["-n", namespace, "run", "web", "--image", image]).await?.checked()?;
        let pod = Api::<Pod>::namespaced(self.client.clone(), namespace).get("web").await?;
        ensure!(listed(&pod) == [SECRET], "the Pod has {:?}", listed(&pod));
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        eventually("the Secret that it names", SOON, async || Ok(secrets.get(SECRET).await?)).await?;
        Ok(())
    }

    async fn new_account(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "shop");
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "builder"}}))?;
        let made = accounts.create(&PostParams::default(), &account).await?;
        let names: Vec<String> = made.image_pull_secrets.into_iter().flatten().map(|it| it.name).collect();
        ensure!(names == [SECRET], "it was made with {names:?}");
        Ok(())
    }

    async fn sample_pods(&self) -> Result<()> {
        self.plane.kubectl(&["create", "namespace", "samples"]).await?.checked()?;
        self.wait_for_account("samples").await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "samples");
        let minor = minor_version(&self.client).await?;
        let is_known = |(name, _): &(&str, _)| *name != IMAGE_VOLUME || minor >= IMAGE_VOLUMES_SINCE;
        for (name, wanted) in PODS.into_iter().filter(is_known) {
            let mut pod: Value = serde_saphyr::from_str(&sample(&format!("pods/{name}.yaml"))?)?;
            pod["metadata"]["namespace"] = json!("samples");
            self.apply(&[], &pod.to_string()).await?.checked()?;
            let made = listed(&pods.get(name).await?);
            let expected: BTreeSet<&str> = wanted.iter().copied().collect();
            let found: BTreeSet<&str> = made.iter().map(String::as_str).collect();
            // ServiceAccount admission fills a list that is empty, whatever the image.
            let by_account = wanted.is_empty() && made == [SECRET];
            ensure!(found == expected || by_account, "{name} has {made:?} and not {wanted:?}");
            ensure!(made.len() == found.len(), "{name} has something twice: {made:?}");
        }
        Ok(())
    }

    async fn templates(&self) -> Result<()> {
        let mut deployment: Value = serde_saphyr::from_str(&sample("workloads/deployment.yaml")?)?;
        deployment["metadata"]["namespace"] = json!("samples");
        let output = self.apply(&["--dry-run=server"], &deployment.to_string()).await?;
        ensure!(output.success, "{}", output.stderr);
        ensure!(output.stderr.contains("Warning: "), "no warning: {}", output.stderr);
        Ok(())
    }

    async fn leader_killed(&mut self) -> Result<()> {
        let mut leader = None;
        for (number, replica) in self.controllers.iter().enumerate() {
            let metrics = replica.get(replica.port("manager", "http")?, "/metrics").await?;
            if metrics.contains("tcr_assistant_leading 1") {
                leader = Some(number);
            }
        }
        let leader = leader.context("nobody leads")?;
        self.controllers[leader].process("manager")?.kill();
        self.first_pod("after-the-leader").await?;
        ensure!(self.cloud.tokens().len() == 1, "the credential was made again");
        Ok(())
    }

    async fn drained(&mut self) -> Result<()> {
        let missed = self.missed_reviews().await?;
        let replica = &self.webhooks[0];
        let webhook = replica.process("webhook")?;
        let end = async {
            let ended = webhook.stop(SOON).await;
            ensure!(ended.is_some_and(|status| status.success()), "the webhook ended with {ended:?}");
            Ok(())
        };
        let watch = async {
            eventually("the webhook to say that it is no longer ready", SOON, async || {
                ensure!(replica.is_ready("webhook").await.is_err(), "it is ready");
                Ok(())
            })
            .await?;
            endpoint(&self.plane, replica, false).await
        };
        let pods = async {
            for number in 0..200 {
                self.make_pod("busy", &format!("drain-{number}"), "nginx:1.27").await?;
            }
            Ok(())
        };
        tokio::try_join!(end, watch, pods)?;
        ensure!(self.missed_reviews().await? == missed, "some reviews failed");
        Ok(())
    }

    async fn secrecy(&self) -> Result<()> {
        for account in ["tcr-assistant-manager", WEBHOOK_DEPLOYMENT] {
            let denied = self.plane.denied(&Identity::service_account(SYSTEM_NAMESPACE, account))?;
            ensure!(denied.is_empty(), "{account} was denied: {denied:?}");
        }
        let account = &Config::demo().accounts[0];
        let tokens = self.cloud.tokens();
        let secrets: Vec<&str> =
            tokens.iter().map(|it| it.secret.expose()).chain([account.secret_key.expose()]).collect();
        let mut places = Vec::new();
        for (container, replica) in self.replicas() {
            let process = replica.process(container)?;
            places.push((process.name().to_owned(), process.log()?));
        }
        for kind in ["events", "configmaps", "imagepullsecrets", "leases"] {
            let found = self.plane.kubectl(&["get", kind, "-A", "-o", "json"]).await?.checked()?;
            places.push((kind.to_owned(), found));
        }
        let lasts = [(&self.controllers, "manager", "http"), (&self.webhooks, "webhook", "readiness")];
        for (replicas, container, port) in lasts {
            let last = replicas.last().with_context(|| format!("there is no {container}"))?;
            let metrics = last.get(last.port(container, port)?, "/metrics").await?;
            places.push((format!("metrics of {container}"), metrics));
        }
        for secret in secrets {
            for (place, text) in &places {
                ensure!(!text.contains(secret), "a secret is in {place}");
            }
        }
        Ok(())
    }

    async fn clean(&self) -> Result<()> {
        self.plane.kubectl(&["delete", "imagepullsecrets", "--all", "--timeout=60s"]).await?.checked()?;
        let label = "tcr.tencentcloudcr.com/image-pull-secret";
        let secrets =
            self.plane.kubectl(&["get", "secrets", "-A", "-l", label, "-o", "name"]).await?.checked()?;
        ensure!(secrets.is_empty(), "left: {secrets}");
        let accounts = Api::<ServiceAccount>::all(self.client.clone()).list(&Default::default()).await?;
        for account in accounts {
            let refers = account.image_pull_secrets.iter().flatten().any(|it| it.name == SECRET);
            ensure!(
                !refers,
                "{}/{} still refers to it",
                account.namespace().unwrap_or_default(),
                account.name_any()
            );
        }
        // The sample says nothing of onDelete, and the default is to keep it.
        ensure!(self.cloud.live_tokens().len() == 1, "the credential was revoked unasked");
        Ok(())
    }

    async fn uninstall(&mut self, helm: &Path) -> Result<()> {
        for (container, replica) in self.replicas() {
            replica.process(container)?.kill();
        }
        // The chart's hook is a Job, and there is no node to run it.
        chart::uninstall(&self.plane, helm, &["--no-hooks"]).await?;
        for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations", "clusterroles"] {
            let left = self.plane.kubectl(&["get", kind, "-o", "name"]).await?.checked()?;
            ensure!(!left.contains("tcr-assistant"), "left: {left}");
        }
        Ok(())
    }

    async fn apply(&self, arguments: &[&str], manifest: &str) -> Result<Output> {
        let all: Vec<&str> = ["apply", "-f", "-"].iter().chain(arguments).copied().collect();
        self.plane.kubectl_with(self.plane.kubeconfig(), &all, manifest).await
    }

    async fn make_pod(&self, namespace: &str, name: &str, image: &str) -> Result<()> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": image}]},
        }))?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        pods.create(&PostParams::default(), &pod)
            .await
            .map(drop)
            .with_context(|| format!("cannot create {name}"))
    }

    async fn wait_for_account(&self, namespace: &str) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        eventually("the namespace's ServiceAccount", SOON, async || Ok(accounts.get("default").await?))
            .await?;
        Ok(())
    }
}

fn listed(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| spec.image_pull_secrets.iter().flatten()).map(|it| it.name.clone()).collect()
}

/// The document of this name in a file with several.
pub(crate) fn document_of(text: &str, name: &str) -> Result<String> {
    let found = text.split("\n---\n").find(|it| it.contains(&format!("name: {name}\n")));
    Ok(found.with_context(|| format!("there is no sample {name}"))?.to_owned())
}

/// What the EndpointSlice controller does for a Pod.
pub(crate) async fn endpoint(plane: &ControlPlane, replica: &Replica, is_ready: bool) -> Result<()> {
    let port = replica.port("webhook", "webhook")?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{SERVICE}-{port}"), "namespace": SYSTEM_NAMESPACE,
            "labels": {"kubernetes.io/service-name": SERVICE},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [POD_ADDRESS], "conditions": {"ready": is_ready}}],
        "ports": [{"name": "webhook", "port": port, "protocol": "TCP"}],
    });
    plane.apply(&slice.to_string()).await?;
    endpoint_of_old(plane, port, is_ready).await
}

/// The same in the Service's Endpoints, which older API servers look at to find a webhook.
async fn endpoint_of_old(plane: &ControlPlane, port: i32, is_ready: bool) -> Result<()> {
    let client = plane.client().await?;
    if minor_version(&client).await? >= WEBHOOKS_BY_SLICES_SINCE {
        return Ok(());
    }
    let all: Api<Endpoints> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let before = all.get_opt(SERVICE).await?.and_then(|endpoints| endpoints.subsets).unwrap_or_default();
    let is_this = |subset: &EndpointSubset| subset.ports.iter().flatten().any(|it| it.port == port);
    let mut subsets: Vec<Value> = before
        .iter()
        .filter(|subset| !is_this(subset))
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()?;
    if is_ready {
        let ports = json!([{"name": "webhook", "port": port, "protocol": "TCP"}]);
        subsets.push(json!({"addresses": [{"ip": POD_ADDRESS}], "ports": ports}));
    }
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": SERVICE, "namespace": SYSTEM_NAMESPACE},
        "subsets": subsets,
    });
    plane.apply(&endpoints.to_string()).await.map(drop)
}

/// The API server's version of Kubernetes: 35 for 1.35.
async fn minor_version(client: &Client) -> Result<u32> {
    let minor = client.apiserver_version().await?.minor;
    minor.parse().with_context(|| format!("Kubernetes 1.{minor}: no minor version"))
}

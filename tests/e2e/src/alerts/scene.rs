//! The add-on on a control plane with one node, a private registry and the cloud, and Prometheus that looks at it.
//!
//! The node has no kubelet: its agent runs as a process, and the story brings it the list that a kubelet would mount.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use support::{ControlPlane, Registry, TlsFront, eventually, network, registry};
use tcr::names::{HOSTS_UPDATER, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tcr_cloud::{Cloud, Config, VpcLink};

use super::prometheus::Prometheus;
use crate::chart;
use crate::control_plane::{POD_ADDRESS, endpoint};
use crate::installed::{self, Programs, Running, SOON};

pub(super) const INSTANCE: &str = "tcr-demo0001";
/// The domain of an ImagePullSecret with a password of its own.
pub(super) const TYPED: &str = "typed.tencentcloudcr.com";
/// Where the registry is, and the private link that leads to it.
const LINK: &str = "10.200.0.2";
const VPC: &str = "vpc-demo0001";
/// How long temporary credentials live. Real ones live an hour.
const LIFE: u32 = 60;
/// Longer than a window of the rules, the waits of a keeper that was refused, and an overlap of certificates together.
const PATIENCE: Duration = Duration::from_secs(300);

/// Everything that the story is about.
pub(super) struct Scene<'a> {
    pub(super) plane: &'a ControlPlane,
    pub(super) client: Client,
    pub(super) cloud: Cloud,
    pub(super) registry: Registry,
    pub(super) controller: Running,
    pub(super) webhook: Running,
    _agent: Running,
    prometheus: Prometheus,
    /// Alerts that the chart has.
    alerts: BTreeSet<String>,
    /// Those that have fired, and ended.
    tried: BTreeSet<String>,
    _front: TlsFront,
}

impl<'a> Scene<'a> {
    pub(super) async fn start(plane: &'a ControlPlane, helm: &Path) -> Result<Self> {
        network::add_address(LINK)?;
        let client = plane.client().await?;
        let cloud = Cloud::start(config()?)?;
        let behind = cloud.url().trim_start_matches("http://").parse()?;
        let front = TlsFront::start(format!("{POD_ADDRESS}:0").parse()?, behind).await?;
        let mut auth = cloud.token_service(INSTANCE)?;
        auth.realm = auth.realm.replace(&cloud.url(), &front.url());
        let domains = ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com", TYPED];
        let options = registry::Options {
            listen: format!("{LINK}:443").parse()?,
            ..registry::Options::new(&domains, auth)
        };
        let mut registry = Registry::start(plane.run(), options).await?;
        registry.also_trust(front.ca());

        kinds(plane).await?;
        let addresses = domains.map(|domain| format!("{domain}={LINK}"));
        let values = json!({
            "global": {"cluster": {"id": "cls-12345678", "longregion": "ap-guangzhou"}},
            "cloud": {"endpoint": front.url(), "caCertificates": front.ca()},
            "registry": {"caCertificates": registry.ca(), "realms": [front.url()], "addresses": addresses},
            "webhook": {"replicas": 1},
            "hostsUpdater": {"extraArgs": ["--recheck=2s"]},
            "monitoring": {
                "annotations": true, "podMonitor": {"enabled": true}, "dashboard": {"enabled": true},
                "rules": {"enabled": true, "for": "0s", "window": "60s"},
            },
        });
        chart::install(plane, helm, &Config::demo().accounts[0], &[&values]).await?;
        let (controller, webhook, agent) = installed::workloads(&client).await?;
        let image = installed::image(plane, Programs::Built)?;
        installed::write_hosts_file(plane)?;
        let agent = Running::start("hosts-updater", &agent, plane, &image).await?;
        let controller = Running::start("manager", &controller, plane, &image).await?;
        let webhook = Running::start("webhook", &webhook, plane, &image).await?;
        for running in [&controller, &webhook, &agent] {
            running.ready().await?;
        }
        endpoint(plane, &webhook.replica, true).await?;
        node(plane, &client).await?;
        let rules = installed_object(plane, "prometheusrule").await?;
        let monitor = installed_object(plane, "podmonitor").await?;
        let targets = targets(&monitor, &[&controller, &webhook, &agent])?;
        let alerts = rules["groups"][0]["rules"].as_array().context("the chart has no rules")?;
        let alerts = alerts.iter().filter_map(|it| Some(it["alert"].as_str()?.to_owned())).collect();
        let prometheus = Prometheus::start(plane.run(), &rules, &targets).await?;
        let tried = BTreeSet::new();
        let _front = front;
        Ok(Self {
            plane,
            client,
            cloud,
            registry,
            controller,
            webhook,
            _agent: agent,
            prometheus,
            alerts,
            tried,
            _front,
        })
    }

    /// Waits until all of these alerts fire.
    pub(super) async fn fire(&self, alerts: &[&str]) -> Result<()> {
        eventually(&format!("{} to fire", alerts.join(", ")), PATIENCE, async || {
            self.are_firing(alerts).await
        })
        .await
    }

    /// The same, now.
    pub(super) async fn are_firing(&self, alerts: &[&str]) -> Result<()> {
        let firing = self.prometheus.firing().await?;
        ensure!(alerts.iter().all(|alert| firing.contains(*alert)), "{firing:?} do");
        Ok(())
    }

    /// Waits until none of these alerts fires.
    pub(super) async fn end(&mut self, alerts: &[&str]) -> Result<()> {
        eventually(&format!("{} to end", alerts.join(", ")), PATIENCE, async || {
            let firing = self.prometheus.firing().await?;
            ensure!(!alerts.iter().any(|alert| firing.contains(*alert)), "{firing:?} fire");
            Ok(())
        })
        .await?;
        self.tried.extend(alerts.iter().map(|&alert| alert.to_owned()));
        Ok(())
    }

    /// Waits until no alert fires.
    pub(super) async fn is_calm(&self) -> Result<()> {
        eventually("no alert to fire", PATIENCE, async || {
            let firing = self.prometheus.firing().await?;
            ensure!(firing.is_empty(), "{firing:?} do");
            Ok(())
        })
        .await
    }

    /// Fails where the chart has an alert that did not fire and end.
    pub(super) fn all_were_tried(&self) -> Result<()> {
        let untried: Vec<&String> = self.alerts.difference(&self.tried).collect();
        ensure!(untried.is_empty(), "the story has no fault for {untried:?}");
        Ok(())
    }

    pub(super) async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.plane.kubectl(args).await?.checked()
    }

    pub(super) async fn apply(&self, object: &Value) -> Result<()> {
        self.plane.apply(&object.to_string()).await.map(drop)
    }

    /// Asks for the instance's credential in `namespaces`, and for its address on nodes.
    pub(super) async fn ask(&self, namespaces: &str) -> Result<()> {
        let network = json!({"resolve": true, "vpcId": VPC, "whenLinkDown": "Remove"});
        self.apply(&json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "demo"},
            "spec": {
                "namespaces": namespaces, "serviceAccounts": "*",
                "tcr": {
                    "instanceId": INSTANCE, "region": "ap-guangzhou", "domains": ["default", "vpc"],
                    "credential": {"type": "temp"}, "privateNetwork": network,
                },
            },
        }))
        .await
    }

    /// Brings the agent the newest list, as a kubelet does.
    pub(super) async fn deliver(&self) -> Result<()> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let list = eventually("the list of hosts entries", SOON, async || {
            let list = maps.get(UPDATER_CONFIG).await?.data.and_then(|mut data| data.remove("hosts.yaml"));
            list.filter(|list| list.contains(LINK)).context("it has no entry")
        })
        .await?;
        let folder: PathBuf = self.plane.run().folder().join("replica-0-hosts-updater/config");
        std::fs::write(folder.join(".hosts.yaml.new"), list)?;
        Ok(std::fs::rename(folder.join(".hosts.yaml.new"), folder.join("hosts.yaml"))?)
    }
}

fn config() -> Result<Config> {
    let mut config = Config::demo();
    let instance = config.instances.first_mut().context("the demo has no instance")?;
    instance.temporary_token_seconds = LIFE;
    instance.links = Some(vec![VpcLink::running(VPC, "subnet-demo0001", LINK)]);
    Ok(config)
}

/// The kinds of the Prometheus Operator, as far as the API server has to know them.
async fn kinds(plane: &ControlPlane) -> Result<()> {
    for (kind, plural) in [("PrometheusRule", "prometheusrules"), ("PodMonitor", "podmonitors")] {
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version =
            json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": any}});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced", "versions": [version],
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            },
        });
        plane.apply(&definition.to_string()).await?;
        let name = format!("crd/{plural}.monitoring.coreos.com");
        plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &name]).await?.checked()?;
    }
    Ok(())
}

/// The spec of what the chart has installed under its own name.
async fn installed_object(plane: &ControlPlane, kind: &str) -> Result<Value> {
    let found = plane.kubectl(&["-n", SYSTEM_NAMESPACE, "get", kind, "tcr-assistant", "-o", "json"]).await?;
    let mut found: Value = serde_json::from_str(&found.checked()?)?;
    Ok(found["spec"].take())
}

/// Where metrics are: those ports of the containers that the PodMonitor names.
fn targets(monitor: &Value, running: &[&Running]) -> Result<Vec<String>> {
    let ports = monitor["podMetricsEndpoints"].as_array().context("the PodMonitor has no endpoints")?;
    let mut targets = Vec::new();
    for running in running {
        let port =
            ports.iter().find_map(|it| running.replica.port(running.container, it["port"].as_str()?).ok());
        let port = port.with_context(|| format!("the PodMonitor has no port of {}", running.container))?;
        targets.push(format!("{POD_ADDRESS}:{port}"));
    }
    Ok(targets)
}

/// A node, and the Pod of its agent where scheduler and kubelet would have it.
async fn node(plane: &ControlPlane, client: &Client) -> Result<()> {
    let labels = json!({"kubernetes.io/os": "linux", "kubernetes.io/hostname": "node-1"});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": labels}});
    plane.apply(&node.to_string()).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let of_agent = ListParams::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}"));
    let pod = eventually("the agent's Pod", SOON, async || {
        pods.list(&of_agent).await?.items.pop().context("the DaemonSet has no Pod")
    })
    .await?;
    let name = pod.name_any();
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    });
    plane.kubectl_with(plane.kubeconfig(), &["create", "-f", "-"], &binding.to_string()).await?.checked()?;
    let started = json!({"running": {"startedAt": jiff::Timestamp::now().strftime("%FT%TZ").to_string()}});
    let container = json!({
        "name": "hosts-updater", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": started,
    });
    let status = json!({"status": {
        "phase": "Running", "hostIP": POD_ADDRESS, "podIP": POD_ADDRESS, "podIPs": [{"ip": POD_ADDRESS}],
        "containerStatuses": [container],
    }})
    .to_string();
    let patch = [
        "-n",
        SYSTEM_NAMESPACE,
        "patch",
        "pod",
        &name,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    plane.kubectl(&patch).await?.checked().map(drop)
}

//! A node's agent: its Pod, which is told of the newest list, and its address, at which it tells the list
//! that the node has.
//!
//! A kubelet reads the ConfigMaps of a Pod when the Pod changes, and otherwise about once a minute. So an
//! annotation on each agent's Pod names the newest list. Which list a node has is read from its agent's
//! metrics, at the Pod's address: agents have no access to the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tcr::names::HOSTS_GENERATION_ANNOTATION;
use tcr::resource_id::is_vpc_id;

use kubernetes::api_error::within;
use reconcile::nodes::Fault;

/// Concurrent patches of Pods, and concurrent requests to agents.
pub(super) const AT_A_TIME: usize = 16;
/// The longest that a request to the API server about an agent or its node may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Short, because an agent is on the cluster's own network.
const PATIENCE: Duration = Duration::from_secs(2);
/// Many times the length of an agent's answer.
const MOST_BYTES: usize = 64 << 10;

/// An agent's Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Where it serves its metrics; none where they are switched off, or the Pod has no address yet.
    pub address: Option<SocketAddr>,
    /// It serves its metrics once it has an address.
    pub is_asked: bool,
    /// The annotation on its Pod: a generation and, if it was set again, a full stop and the number of the
    /// round.
    pub told: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// Its container runs, so it may answer.
    pub is_running: bool,
}

/// An agent's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The generation of the list that the node has.
    pub generation: String,
    /// Entries that the agent leaves out.
    pub withheld: u64,
    /// What confines the agent on its node.
    pub confinement: Confinement,
    /// The VPC of the node, once the agent knows it.
    pub vpc_id: Option<String>,
    /// Why the node does not resolve the entries.
    pub faults: BTreeSet<Fault>,
}

/// The confinement that an agent reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Confined by Landlock and seccomp.
    Landlock,
    /// Confined by seccomp alone.
    Seccomp,
    /// None, or not reported.
    None,
}

impl Agent {
    /// Reads the Pod's name and the agent from a Pod.
    pub fn of(pod: &Pod) -> Option<(String, Self)> {
        let name = pod.metadata.name.clone()?;
        let ports = pod
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .flat_map(|container| container.ports.iter().flatten());
        let port = ports
            .filter(|port| port.name.as_deref() == Some("metrics"))
            .find_map(|port| u16::try_from(port.container_port).ok());
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()?.parse::<IpAddr>().ok());
        let told =
            pod.metadata.annotations.as_ref().and_then(|all| all.get(HOSTS_GENERATION_ANNOTATION)).cloned();
        let address = port.zip(ip).map(|(port, ip)| SocketAddr::new(ip, port));
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let is_running = containers.filter_map(|it| it.state.as_ref()).any(|state| state.running.is_some());
        Some((name, Self { address, is_asked: port.is_some(), told, node, is_running }))
    }

    pub(super) fn has_heard_of(&self, generation: &str) -> bool {
        self.told.as_deref().and_then(|told| told.split('.').next()) == Some(generation)
    }
}

/// A client for the nodes' agents.
pub fn http() -> reqwest::Result<reqwest::Client> {
    // A proxy could answer anything in place of a node.
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    http.redirect(reqwest::redirect::Policy::none()).build()
}

/// Sets the annotation of these Pods to the list.
pub async fn nudge(pods: &Api<Pod>, names: Vec<String>, generation: &str) {
    let patch = json!({"metadata": {"annotations": {HOSTS_GENERATION_ANNOTATION: generation}}});
    let patches: Vec<_> = names.into_iter().map(|name| tell(pods.clone(), name, patch.clone())).collect();
    futures::stream::iter(patches).buffer_unordered(AT_A_TIME).collect::<()>().await;
}

/// Asks every agent that has an address; returns the answers.
pub async fn ask(http: &reqwest::Client, agents: &[(String, Agent)]) -> BTreeMap<String, Answer> {
    let asks: Vec<_> = agents
        .iter()
        .filter_map(|(name, agent)| Some(answer(http.clone(), name.clone(), agent.address?)))
        .collect();
    let answers = futures::stream::iter(asks).buffer_unordered(AT_A_TIME);
    answers.filter_map(async |(name, answer)| Some((name, answer?))).collect().await
}

async fn tell(pods: Api<Pod>, name: String, patch: serde_json::Value) {
    let (patch, params) = (Patch::Merge(patch), PatchParams::default());
    if let Err(error) = within(DEADLINE, pods.patch_metadata(&name, &params, &patch)).await {
        tracing::debug!(%error, pod = name, "cannot tell an agent's Pod of the newest list");
    }
}

async fn answer(http: reqwest::Client, name: String, address: SocketAddr) -> (String, Option<Answer>) {
    (name, metrics(&http, address).await.as_deref().and_then(read))
}

async fn metrics(http: &reqwest::Client, address: SocketAddr) -> Option<String> {
    let mut response = http.get(format!("http://{address}/metrics")).send().await.ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

fn read(metrics: &str) -> Option<Answer> {
    let info = metrics.lines().find_map(|line| line.strip_prefix("hosts_updater_info{"))?;
    let generation = info.split_once("generation=\"")?.1.split('"').next()?;
    let label = |name: &str| info.split_once(name).and_then(|(_, rest)| rest.split('"').next());
    let (confinement, vpc_id) = (label("confinement=\""), label("vpc_id=\""));
    let withheld = metrics.lines().find_map(|line| line.strip_prefix("hosts_updater_withheld_entries "));
    Some(Answer {
        generation: generation.to_owned(),
        withheld: withheld.and_then(|count| count.parse().ok()).unwrap_or(0),
        confinement: match confinement {
            Some("landlock") => Confinement::Landlock,
            Some("seccomp") => Confinement::Seccomp,
            _ => Confinement::None,
        },
        vpc_id: vpc_id.filter(|text| is_vpc_id(text)).map(str::to_owned),
        faults: FAULTS
            .iter()
            .filter(|(sample, _)| is_positive(metrics, sample))
            .map(|(_, fault)| *fault)
            .collect(),
    })
}

/// The metrics by which agents report faults. Agents of earlier releases have none of them.
const FAULTS: [(&str, Fault); 5] = [
    ("hosts_updater_read_only ", Fault::ReadOnly),
    ("hosts_updater_without_network ", Fault::WithoutNetwork),
    ("hosts_updater_names{state=\"not_asked\"} ", Fault::NotAsked),
    ("hosts_updater_names{state=\"shadowed\"} ", Fault::Shadowed),
    ("hosts_updater_names{state=\"link_down\"} ", Fault::LinkDown),
];

fn is_positive(metrics: &str, sample: &str) -> bool {
    let value = metrics.lines().find_map(|line| line.strip_prefix(sample));
    value.is_some_and(|value| value.parse::<u64>().is_ok_and(|value| value > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_metrics_tell_its_list_and_what_it_leaves_out() {
        let metrics = "# HELP hosts_updater_info x\nhosts_updater_info{version=\"0.1.0\",generation=\"00112233445566aa\",mode=\"rename\",vpc_id=\"vpc-a\",confinement=\"seccomp\"} 1\n\
                       hosts_updater_withheld_entries 2\n";
        let generation = "00112233445566aa".to_owned();
        let expected = Answer {
            generation,
            withheld: 2,
            confinement: Confinement::Seccomp,
            vpc_id: Some("vpc-a".to_owned()),
            faults: BTreeSet::new(),
        };
        assert_eq!(read(metrics), Some(expected.clone()));
        for told in ["", "vpc_id=\"\",", "vpc_id=\"subnet-1\","] {
            let metrics = metrics.replace("vpc_id=\"vpc-a\",", told);
            assert_eq!(read(&metrics), Some(Answer { vpc_id: None, ..expected.clone() }));
        }
        for (told, confinement) in [
            (",confinement=\"landlock\"", Confinement::Landlock),
            (",confinement=\"none\"", Confinement::None),
            ("", Confinement::None),
        ] {
            let metrics = metrics.replace(",confinement=\"seccomp\"", told);
            assert_eq!(read(&metrics), Some(Answer { confinement, ..expected.clone() }));
        }
        let faults = "hosts_updater_read_only 1\nhosts_updater_without_network 0\n\
                      hosts_updater_names{state=\"used\"} 3\nhosts_updater_names{state=\"shadowed\"} 2\n\
                      hosts_updater_names{state=\"not_asked\"} x\n";
        let faulty = Answer { faults: [Fault::ReadOnly, Fault::Shadowed].into(), ..expected.clone() };
        assert_eq!(read(&format!("{metrics}{faults}")), Some(faulty));
        assert_eq!(read("somebody else\n"), None);
        assert_eq!(read("hosts_updater_info{version=\"1\"} 1\n"), None);
    }

    #[test]
    fn a_pod_without_the_port_is_not_asked() {
        let pod = |ports: serde_json::Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "hosts-updater-x", "annotations": {HOSTS_GENERATION_ANNOTATION: "00"}},
                "spec": {"containers": [{"name": "hosts-updater", "ports": ports}]},
                "status": {"podIP": "fd00::7"},
            }))
            .unwrap()
        };
        let (name, agent) = Agent::of(&pod(json!([{"name": "metrics", "containerPort": 19617}]))).unwrap();
        assert_eq!(name, "hosts-updater-x");
        let address = Some("[fd00::7]:19617".parse().unwrap());
        let expected =
            Agent { address, is_asked: true, told: Some("00".to_owned()), node: None, is_running: false };
        assert_eq!(agent, expected);
        let (_, agent) = Agent::of(&pod(json!([]))).unwrap();
        assert_eq!(agent, Agent { address: None, is_asked: false, ..expected.clone() });
        assert!(expected.has_heard_of("00") && !expected.has_heard_of("0"));
        assert!(Agent { told: Some("00.3".to_owned()), ..expected.clone() }.has_heard_of("00"));
        assert!(!Agent { told: None, ..expected }.has_heard_of("00"));
    }
}

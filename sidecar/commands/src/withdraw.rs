//! `tcr-assistant withdraw-hosts`: removes our entries from the nodes before the add-on is uninstalled.
//!
//! Agents leave the entries in place when they end, on purpose: a rolling update must not remove them. So the
//! chart's uninstall empties the list first and waits until every node follows. A mark on the ConfigMap keeps
//! the controller, which still runs, from filling it again.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tcr::hosts_entry::{HOSTS_KEY, HostsList};
use tcr::names::{HOSTS_UPDATER, HOSTS_WITHDRAWN_ANNOTATION, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tokio::time::{Instant, sleep};

use controller::agent::{self, Agent};

/// The time between two looks at the nodes.
const PAUSE: Duration = Duration::from_secs(1);
/// Agents that may not be asked have the list by then: kubelets look about once a minute.
const UNASKED: Duration = Duration::from_secs(90);

/// Empties the list and waits, at most this long, until no node has entries of it. Reports progress with
/// `tell`.
///
/// # Errors
/// The list cannot be emptied. Nodes that do not follow are reported, and are no error: a node that is gone
/// must not keep the add-on from being uninstalled.
pub async fn run(client: Client, wait: Duration, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    if maps.get_opt(UPDATER_CONFIG).await.with_context(|| format!("cannot read {UPDATER_CONFIG}"))?.is_none()
    {
        tell(&format!("there is no ConfigMap {UPDATER_CONFIG}, so no node has entries of ours"));
        return Ok(());
    }
    let empty = HostsList::default();
    let patch = json!({
        "metadata": {"annotations": {HOSTS_WITHDRAWN_ANNOTATION: "true"}},
        "data": {HOSTS_KEY: empty.to_yaml()},
    });
    maps.patch(UPDATER_CONFIG, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("cannot empty {UPDATER_CONFIG}"))?;
    let pods: Api<Pod> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let generation = empty.generation();
    let http = agent::http().context("cannot make a client for the nodes' agents")?;
    let started = Instant::now();
    let mut told = String::new();
    loop {
        let labels = ListParams::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}"));
        let list = pods.list(&labels).await.context("cannot list the nodes' agents")?;
        let agents: Vec<(String, Agent)> = list.iter().filter_map(Agent::of).collect();
        let behind: Vec<String> = agents
            .iter()
            .filter(|(_, agent)| agent.told.as_deref() != Some(&*generation))
            .map(|(name, _)| name.clone())
            .collect();
        agent::nudge(&pods, behind, &generation).await;
        let answers = agent::ask(&http, &agents).await;
        let left: Vec<&str> = agents
            .iter()
            .filter(|(name, agent)| match agent.is_asked {
                true => answers.get(name).is_none_or(|answer| answer.generation != generation),
                false => started.elapsed() < UNASKED,
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let line =
            format!("{} of {} nodes carry no entries of ours", agents.len() - left.len(), agents.len());
        if line != told {
            tell(&line);
            told = line;
        }
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() >= wait {
            tell(&format!(
                "no longer waiting for {}: run hosts-updater --remove there if the node comes back",
                left.join(", ")
            ));
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

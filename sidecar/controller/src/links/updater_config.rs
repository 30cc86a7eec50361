//! The ConfigMap `updater-config`, whose list the nodes' agents apply.

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use private_link::hosts_map::{HostsMap, Planned};
use serde_json::json;
use tcr::hosts_entry::HOSTS_KEY;
use tcr::names::{HOSTS_WITHDRAWN_ANNOTATION, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tokio::sync::watch;

use crate::settings::DEADLINE;
use kubernetes::api_error::{ApiError, within};

/// Reads and writes the ConfigMap.
pub(super) struct UpdaterConfig {
    maps: Api<ConfigMap>,
    /// The generation of its list; empty while there is none.
    generation: watch::Sender<Option<String>>,
}

/// The ConfigMap as it was read.
pub(super) struct Read {
    map: Option<ConfigMap>,
    /// The relevant part.
    pub(super) hosts_map: HostsMap,
}

impl UpdaterConfig {
    pub(super) fn new(client: Client, generation: watch::Sender<Option<String>>) -> Self {
        Self { maps: Api::namespaced(client, SYSTEM_NAMESPACE), generation }
    }

    pub(super) async fn read(&self) -> Result<Read, ApiError> {
        let map = within(DEADLINE, self.maps.get_opt(UPDATER_CONFIG)).await?;
        let hosts_map = map.as_ref().map(hosts_map).unwrap_or_default();
        Ok(Read { map, hosts_map })
    }

    /// The list's text after each change by any client; a watch that breaks off is started again.
    pub(super) fn texts(&self) -> impl Stream<Item = Option<String>> + Send + use<> {
        let watch = watcher::watch_object(self.maps.clone(), UPDATER_CONFIG).default_backoff();
        watch.filter_map(async |changed| match changed {
            Ok(map) => Some(map.and_then(|map| text(&map))),
            Err(error) => {
                tracing::debug!(%error, "the watch of {UPDATER_CONFIG} broke off; it goes on");
                None
            }
        })
    }

    /// Writes the planned list over the one that was read; returns the text afterwards.
    pub(super) async fn write(&self, planned: Planned, read: Read) -> Result<Option<String>, ApiError> {
        let Planned { write, generation } = planned;
        let text = match write {
            None => read.hosts_map.text,
            Some(yaml) => {
                self.replace(&yaml, read.map).await?;
                Some(yaml)
            }
        };
        self.generation.send_if_modified(|now| {
            let differs = now.as_ref() != Some(&generation);
            *now = Some(generation);
            differs
        });
        Ok(text)
    }

    async fn replace(&self, yaml: &str, before: Option<ConfigMap>) -> Result<(), ApiError> {
        match before {
            Some(map) => {
                let patch = json!({
                    "metadata": {"resourceVersion": map.metadata.resource_version},
                    "data": {HOSTS_KEY: yaml},
                });
                let params = PatchParams::default();
                within(DEADLINE, self.maps.patch(UPDATER_CONFIG, &params, &Patch::Merge(patch))).await?;
            }
            None => {
                let mut map = ConfigMap {
                    data: Some([(HOSTS_KEY.to_owned(), yaml.to_owned())].into()),
                    ..ConfigMap::default()
                };
                map.metadata.name = Some(UPDATER_CONFIG.to_owned());
                within(DEADLINE, self.maps.create(&PostParams::default(), &map)).await?;
            }
        }
        Ok(())
    }
}

/// `withdraw` documents the annotation.
fn hosts_map(map: &ConfigMap) -> HostsMap {
    let annotations = map.metadata.annotations.as_ref();
    let is_withdrawn = annotations.is_some_and(|all| all.contains_key(HOSTS_WITHDRAWN_ANNOTATION));
    HostsMap { text: text(map), is_withdrawn }
}

fn text(map: &ConfigMap) -> Option<String> {
    map.data.as_ref()?.get(HOSTS_KEY).cloned()
}

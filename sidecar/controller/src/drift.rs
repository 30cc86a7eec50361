//! What others do to what is ours: counted, mended, and told where somebody keeps doing it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Api;
use tcr::names::MANAGED_BY;

use super::announce::Announcement;
use super::core::Core;
use super::report::Reported;
use super::state::News;
use distribution::{Target, TargetKind};
use kubernetes::api_error::within;

const DEADLINE: Duration = Duration::from_secs(30);

impl Core {
    /// Something was seen; whether there is work.
    pub(super) fn take_drift(
        &mut self,
        namespace: &Arc<str>,
        kind: TargetKind,
        name: &Arc<str>,
        news: News,
    ) -> bool {
        if let Some(image_pull_secret) = news.undone {
            self.numbers.undone();
            let target = Target { namespace: namespace.clone(), kind, name: name.clone() };
            if self.contests.undone(target.clone(), &image_pull_secret, Instant::now()) {
                self.ask_for_rival(target);
            }
        }
        news.is_news
    }

    /// Contests that are over are told of no longer; when the next one is.
    pub(super) fn expire_contests(&mut self, now: Instant) -> Option<Instant> {
        let next = self.contests.next_end()?;
        if next <= now && self.contests.expire(now) {
            self.items.values_mut().for_each(|item| item.dirty = true);
        }
        self.contests.next_end()
    }

    /// The managed fields say who it is; they are read only now, because to keep them would cost more
    /// memory than all the rest.
    fn ask_for_rival(&mut self, target: Target) {
        let client = self.client.clone();
        self.reports.spawn(async move {
            let Target { namespace, kind, name } = &target;
            let fields = match kind {
                TargetKind::Secret => {
                    let api = Api::<Secret>::namespaced(client, namespace);
                    within(DEADLINE, api.get_metadata_opt(name)).await.map(|it| it.map(|it| it.metadata))
                }
                TargetKind::ServiceAccount => {
                    let api = Api::<ServiceAccount>::namespaced(client, namespace);
                    within(DEADLINE, api.get_metadata_opt(name)).await.map(|it| it.map(|it| it.metadata))
                }
            };
            let fields = fields.ok().flatten().and_then(|metadata| metadata.managed_fields);
            let rival = rival(&fields.unwrap_or_default());
            Reported::Rival { target, rival }
        });
    }

    pub(super) fn take_rival(&mut self, target: &Target, rival: Option<String>) {
        let Some(image_pull_secret) = self
            .contests
            .contested()
            .find(|(it, _)| *it == target)
            .map(|(_, it)| it.image_pull_secret.clone())
        else {
            return;
        };
        let Target { namespace, kind, name } = target;
        let who = rival.as_deref().unwrap_or("somebody");
        let message = format!(
            "{who} keeps changing {} {namespace}/{name} back; it is repaired ever less often. {}",
            kind.as_str(),
            advice(*kind)
        );
        tracing::warn!(image_pull_secret, message, "a contest");
        if let Some(item) = self.items.get_mut(&image_pull_secret) {
            item.dirty = true;
            self.announcer.say(Announcement {
                name: image_pull_secret,
                uid: item.object.uid.clone(),
                warning: true,
                reason: "Contested",
                message,
            });
        }
        if let Some(rival) = rival {
            self.contests.name_rival(target, rival);
        }
    }

    /// How many objects of the ImagePullSecret are contested, with an example.
    pub(super) fn contested(&self, image_pull_secret: &str) -> Option<(usize, String)> {
        let mut all: Vec<_> = self
            .contests
            .contested()
            .filter(|(_, contest)| contest.image_pull_secret == image_pull_secret)
            .collect();
        all.sort_by_key(|(target, _)| *target);
        let (target, contest) = all.first()?;
        let who = contest.rival.as_deref().unwrap_or("somebody");
        let kind = target.kind.as_str();
        Some((all.len(), format!("{kind} {}/{} by {who}", target.namespace, target.name)))
    }
}

fn advice(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::ServiceAccount => {
            "Take imagePullSecrets out of the ServiceAccount where it is declared, or add the Secret to that list, or \
             leave the ServiceAccount out by spec.serviceAccounts"
        }
        TargetKind::Secret => "Stop what writes it, or leave its namespace out by spec.namespaces",
    }
}

/// Who wrote last, other than us.
fn rival(fields: &[ManagedFieldsEntry]) -> Option<String> {
    let others = fields.iter().filter(|entry| entry.manager.as_deref().is_some_and(|it| it != MANAGED_BY));
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    let how = if last.operation.as_deref() == Some("Apply") { " (by server-side apply)" } else { "" };
    Some(format!("{}{how}", last.manager.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rival_is_who_wrote_last_but_us() {
        let fields: Vec<ManagedFieldsEntry> = serde_json::from_value(serde_json::json!([
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
            {"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-03T00:00:00Z"},
            {"manager": "tcr-assistant", "operation": "Update", "time": "2026-01-04T00:00:00Z"},
        ]))
        .unwrap();
        assert_eq!(rival(&fields).as_deref(), Some("argocd-controller (by server-side apply)"));
        assert_eq!(rival(&fields[2..]), None);
    }
}

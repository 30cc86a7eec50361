//! Reads what a Pod's pulls depend on, with the user's own rights, and asks the registries.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret, ServiceAccount};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use tcr::image_ref;
use tcr::names::{MUTATING_WEBHOOK, derived_secret_name};

use super::admission;
use super::facts::{AccountFacts, EventFact, Facts, PodFacts, SecretFacts};
use super::objects::{account_facts, asked_for, event, is_unreviewed, pod_facts};
use super::target::{Target, TargetKind, Workload};
use crate::reader::{Reader, Right, Seen, seen};
use kubernetes::api_error::within;
use registry_client::Checker;

/// Concurrent requests to registries.
const AT_A_TIME: usize = 4;
/// ServiceAccounts of a namespace that are read.
const MOST_ACCOUNTS: u32 = 500;

impl Reader {
    /// Reads everything but the registries' answers.
    ///
    /// # Errors
    /// The explained object does not exist or may not be read, or the API server does not answer.
    pub async fn facts(&self, namespace: &str, target: &Target) -> Result<Facts> {
        let name = target.name.as_str();
        let any = |account: &str, namespace: &str| PodFacts {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            ..PodFacts::default()
        };
        let pod = match target.kind {
            TargetKind::Pod => return self.facts_of_pod(namespace, name).await,
            TargetKind::Workload(workload) => self.template(workload, namespace, name).await?,
            TargetKind::ServiceAccount => any(name, namespace),
            TargetKind::Namespace => {
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                if let Ok(None) = within(self.deadline, namespaces.get_opt(name)).await {
                    bail!("there is no Namespace {name}");
                }
                any("default", name)
            }
        };
        let mut facts = self.around(pod, true).await;
        facts.target = Some(target.clone());
        if matches!(target.kind, TargetKind::ServiceAccount) && facts.account == Seen::Known(None) {
            bail!(
                "there is no ServiceAccount {name} in namespace {namespace}: name another namespace with -n"
            );
        }
        if !matches!(target.kind, TargetKind::Workload(_)) {
            facts.pod.images = admission::any_images(&facts);
        }
        if target.kind == TargetKind::Namespace {
            facts.other_accounts = self.account_names(name).await;
        }
        admission::admit(&mut facts);
        Ok(facts)
    }

    async fn facts_of_pod(&self, namespace: &str, name: &str) -> Result<Facts> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match within(self.deadline, pods.get(name)).await {
            Ok(pod) => Ok(self.around(pod_facts(&pod), false).await),
            Err(error) if error.is_not_found() => {
                bail!("there is no Pod {name} in namespace {namespace}: name another namespace with -n")
            }
            Err(error) => Err(anyhow!("cannot read Pod {namespace}/{name}: {error}")),
        }
    }

    /// The Pod that a workload would create.
    async fn template(&self, workload: &Workload, namespace: &str, name: &str) -> Result<PodFacts> {
        let kind = workload.resource().kind;
        let objects: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &workload.resource());
        match within(self.deadline, objects.get(name)).await {
            Ok(object) => {
                let pod = workload.pod(&object.data, namespace);
                let pod = pod.with_context(|| format!("cannot read the Pod template of {kind} {name}"))?;
                Ok(PodFacts { owner: Some(format!("{kind} {name}")), ..pod_facts(&pod) })
            }
            Err(error) if error.is_not_found() => {
                bail!("there is no {kind} {name} in namespace {namespace}: name another namespace with -n")
            }
            Err(error) => Err(anyhow!("cannot read {} {namespace}/{name}: {error}", workload.plural())),
        }
    }

    async fn account_names(&self, namespace: &str) -> Seen<Vec<String>> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().limit(MOST_ACCOUNTS);
        let found = seen(
            Right::list("serviceaccounts", namespace),
            within(self.deadline, accounts.list_metadata(&params)).await,
        );
        found.map(|found| found.items.iter().map(|it| it.name_any()).filter(|it| it != "default").collect())
    }

    /// Reads what a Pod's pulls depend on besides itself. A Pod that does not exist yet would also get its
    /// ServiceAccount's references.
    async fn around(&self, pod: PodFacts, is_future: bool) -> Facts {
        let (namespace, name) = (pod.namespace.as_str(), pod.name.as_str());
        let (labels, webhook, account, asked, events, controller) = futures::join!(
            self.labels(namespace),
            self.webhook(),
            self.account(namespace, &pod.account),
            self.image_pull_secrets(),
            async { if is_future { Seen::Known(Vec::new()) } else { self.events(namespace, name).await } },
            self.controller(),
        );
        let asked = asked.map(|all| all.into_iter().map(asked_for).collect::<Vec<_>>());
        let unreviewed = is_unreviewed(&webhook, namespace, &labels);
        let hosts: Vec<&str> = pod.images.iter().map(|it| image_ref::host_of(&it.image)).collect();
        let meant = asked.known().into_iter().flatten();
        let is_any = pod.images.is_empty();
        let meant = meant.filter(|it| is_any || it.hosts.iter().any(|host| hosts.contains(&host.as_str())));
        let meant = meant.map(|it| derived_secret_name(&it.name));
        let of_account = account.known().and_then(Option::as_ref).filter(|_| is_future);
        let of_account = of_account.map(|it| it.references.clone()).unwrap_or_default();
        let names: BTreeSet<String> = pod.references.iter().cloned().chain(meant).chain(of_account).collect();
        let read = names.into_iter().map(async |name| (name.clone(), self.secret(namespace, &name).await));
        let secrets = futures::future::join_all(read).await.into_iter().collect();
        let answers = BTreeMap::new();
        let (target, ways, other_accounts) = (None, BTreeMap::new(), Seen::Known(Vec::new()));
        Facts {
            pod,
            labels,
            unreviewed,
            account,
            asked,
            secrets,
            events,
            controller,
            answers,
            target,
            ways,
            other_accounts,
        }
    }

    async fn labels(&self, name: &str) -> Seen<BTreeMap<String, String>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = self.object(&namespaces, name, Right::get("namespaces", name)).await;
        let mut labels = found.map(|found| found.and_then(|it| it.metadata.labels).unwrap_or_default());
        if let Seen::Known(labels) = &mut labels {
            // As newer API servers do, in case an old one does not.
            labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.to_owned());
        }
        labels
    }

    async fn webhook(&self) -> Seen<Option<MutatingWebhookConfiguration>> {
        let webhooks: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let resource = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
        self.object(&webhooks, MUTATING_WEBHOOK, Right { verb: "get", resource, namespace: None }).await
    }

    async fn account(&self, namespace: &str, name: &str) -> Seen<Option<AccountFacts>> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let right = Right { verb: "get", resource: "serviceaccounts", namespace: Some(namespace.to_owned()) };
        let found = seen(right, within(self.deadline, accounts.get_opt(name)).await);
        found.map(|found| found.as_ref().map(account_facts))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Seen<Option<SecretFacts>> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = self.object(&secrets, name, Right::get("secrets", namespace)).await;
        found.map(|found| found.as_ref().map(SecretFacts::of))
    }

    async fn events(&self, namespace: &str, pod: &str) -> Seen<Vec<EventFact>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let right = Right::list("events", namespace);
        let about = format!("involvedObject.kind=Pod,involvedObject.name={pod}");
        let found =
            seen(right, within(self.deadline, events.list(&ListParams::default().fields(&about))).await);
        found.map(|found| {
            let mut events: Vec<EventFact> = found.items.into_iter().filter_map(event).collect();
            events.sort_by_key(|event| std::cmp::Reverse(event.at));
            events
        })
    }
}

/// Asks the registries the questions of `facts`, and stores the answers in it.
pub async fn ask(checker: &Checker, facts: &mut Facts) {
    let asked = facts.questions();
    let asked = asked.into_iter().map(async |(question, image, login)| {
        let answer = checker.pull(&image, login).await;
        (question, answer)
    });
    let answers: BTreeMap<_, _> = futures::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
    facts.answers = answers;
}

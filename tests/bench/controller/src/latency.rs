//! How soon something is done that somebody waits for: a new namespace, on an idle cluster and during
//! a rotation, and a repair.
//!
//! Times run from one watch event to another, as seen by an observer beside the controller.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use figure::{Figure, p99};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::sync::mpsc;

use crate::cluster::{Cluster, PATIENCE, RAW_PREFIX};
use crate::fill::{LAST, figure};
use crate::progress::say;
use crate::raw;
use crate::sizes::Sizes;
use crate::subject::Subject;

/// The round of a rotation that no other part uses.
const BUSY_ROUND: usize = 900;

/// What the observer saw, and when.
#[derive(Debug)]
struct Seen {
    at: Instant,
    namespace: String,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Namespace,
    /// The ServiceAccount `default`, and whether it refers to the Secret.
    Account(bool),
    /// The Secret was written, or is gone.
    Secret,
}

/// Tells one thing from others.
type Is = fn(What) -> bool;

/// Watches namespaces, ServiceAccounts and one Secret in all namespaces.
struct Observer {
    seen: mpsc::UnboundedReceiver<Seen>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Milliseconds from a namespace to its Secret, and from its ServiceAccount to the reference.
#[derive(Default)]
struct Delays {
    secret: Vec<f64>,
    reference: Vec<f64>,
}

impl Delays {
    /// The worse of the two.
    fn p99(self) -> f64 {
        p99(self.secret).max(p99(self.reference))
    }
}

pub(crate) async fn measure(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let controller = cluster.controller().await?;
    controller.quiet().await?;
    say("new namespaces, a raw watcher");
    let raw = raw_namespaces(cluster, sizes).await?;
    say("new namespaces");
    let ours = new_namespaces(cluster, sizes).await?;
    say("repairs");
    let repair = p99(repairs(cluster, sizes).await?);
    say("new namespaces during a rotation");
    let (busy, write) = busy(cluster, &controller).await?;
    controller.kill();
    Ok(vec![
        figure("new_ns_idle_p99_ms", ours, "ms", Some(50.0)),
        figure("new_ns_idle_vs_raw", ours / raw, "ratio", None),
        figure("repair_p99_ms", repair, "ms", Some(100.0)),
        figure("new_ns_busy_p99_vs_write", busy / write, "ratio", Some(3.0)),
        figure("new_ns_busy_p99", busy, "ms", None),
    ])
}

async fn new_namespaces(cluster: &Cluster, sizes: &Sizes) -> Result<f64> {
    let secret = format!("tcr.ips{LAST}");
    let mut observer = Observer::start(&cluster.client, &secret).await?;
    let mut delays = Delays::default();
    for index in 0..sizes.samples {
        let name = format!("new-idle-{index}");
        make(&cluster.client, &name).await?;
        observer.delays(&name, &mut delays).await?;
    }
    Ok(delays.p99())
}

/// The same by a watcher that answers each event with one write.
async fn raw_namespaces(cluster: &Cluster, sizes: &Sizes) -> Result<f64> {
    let secret = raw::secret_name(0);
    let mut observer = Observer::start(&cluster.client, &secret).await?;
    let mut watcher = Observer::start(&cluster.client, &secret).await?;
    let client = cluster.client.clone();
    let answering = tokio::spawn(async move {
        while let Some(Seen { namespace, what, .. }) = watcher.seen.recv().await {
            let is_ours = namespace.starts_with(RAW_PREFIX);
            // What cannot be written shows as an event that never comes.
            let _ = match what {
                What::Namespace if is_ours => raw::create(&client, &namespace, &raw::secret_name(0)).await,
                What::Account(false) if is_ours => raw::refer(&client, &namespace, "default", 0).await,
                _ => Ok(()),
            };
        }
    });
    let mut delays = Delays::default();
    for index in 0..sizes.samples {
        let name = format!("{RAW_PREFIX}{index}");
        make(&cluster.client, &name).await?;
        observer.delays(&name, &mut delays).await?;
    }
    answering.abort();
    Ok(delays.p99())
}

/// Milliseconds from the damage to its repair: an edited and a deleted Secret, a reference taken out.
async fn repairs(cluster: &Cluster, sizes: &Sizes) -> Result<Vec<f64>> {
    let secret = format!("tcr.ips{LAST}");
    let mut observer = Observer::start(&cluster.client, &secret).await?;
    let mut delays = Vec::new();
    for index in 0..sizes.samples {
        let namespace = Cluster::name(index % cluster.size);
        let (is_damage, is_repair): (Is, Is) = match index % 3 {
            2 => (|what| what == What::Account(false), |what| what == What::Account(true)),
            _ => (|what| what == What::Secret, |what| what == What::Secret),
        };
        let secrets = cluster.secrets(&namespace);
        match index % 3 {
            0 => {
                let other = Patch::Merge(json!({"data": {".dockerconfigjson": "e30="}}));
                secrets.patch(&secret, &PatchParams::default(), &other).await?;
            }
            1 => drop(secrets.delete(&secret, &DeleteParams::default()).await?),
            _ => {
                let none = Patch::Merge(json!({"imagePullSecrets": null}));
                let accounts = Api::<ServiceAccount>::namespaced(cluster.client.clone(), &namespace);
                accounts.patch("default", &PatchParams::default(), &none).await?;
            }
        }
        let damaged = observer.next(&namespace, is_damage).await?;
        let repaired = observer.next(&namespace, is_repair).await?;
        delays.push((repaired - damaged).as_secs_f64() * 1e3);
    }
    Ok(delays)
}

/// Milliseconds, of 99 in 100, from a namespace to its Secret during a rotation, and of a raw write.
async fn busy(cluster: &Cluster, controller: &Subject) -> Result<(f64, f64)> {
    let mut observer = Observer::start(&cluster.client, &format!("tcr.ips{LAST}")).await?;
    let before = controller.metrics().await?.writes();
    let is_through = AtomicBool::new(false);
    cluster.rotate(LAST, BUSY_ROUND).await?;
    let rotation = async {
        let through =
            controller.until("a rotation", |now| now.writes() >= before + cluster.size as f64).await;
        is_through.store(true, Ordering::Relaxed);
        through
    };
    let namespaces = async {
        let mut delays = Vec::new();
        while !is_through.load(Ordering::Relaxed) {
            let name = format!("new-busy-{}", delays.len());
            make(&cluster.client, &name).await?;
            let made = observer.next(&name, |what| what == What::Namespace).await?;
            let written = observer.next(&name, |what| what == What::Secret).await?;
            delays.push((written - made).as_secs_f64() * 1e3);
        }
        anyhow::Ok(delays)
    };
    let writes = async {
        let mut delays = Vec::new();
        while !is_through.load(Ordering::Relaxed) {
            let started = Instant::now();
            raw::create(&cluster.client, "default", &format!("{RAW_PREFIX}busy-{}", delays.len())).await?;
            delays.push(started.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(delays)
    };
    let ((), namespaces, writes) = tokio::try_join!(rotation, namespaces, writes)?;
    Ok((p99(namespaces), p99(writes)))
}

async fn make(client: &Client, name: &str) -> Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(())
}

impl Observer {
    /// Begins to watch, from now on, for namespaces, their `default` ServiceAccount and the Secret `secret`.
    async fn start(client: &Client, secret: &str) -> Result<Self> {
        let (see, seen) = mpsc::unbounded_channel();
        let wanted = secret.to_owned();
        let tasks = vec![
            observe(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), "", &see, |object| {
                (object.metadata.name.unwrap_or_default(), What::Namespace)
            })
            .await?,
            observe(
                Api::<ServiceAccount>::all(client.clone()),
                "metadata.name=default",
                &see,
                move |object| {
                    let refers = object.image_pull_secrets.iter().flatten().any(|it| it.name == wanted);
                    (object.metadata.namespace.unwrap_or_default(), What::Account(refers))
                },
            )
            .await?,
            observe(
                Api::<PartialObjectMeta<Secret>>::all(client.clone()),
                &format!("metadata.name={secret}"),
                &see,
                |object| (object.metadata.namespace.unwrap_or_default(), What::Secret),
            )
            .await?,
        ];
        Ok(Self { seen, tasks })
    }

    /// When the next such thing happened in the namespace; what happened before is forgotten.
    async fn next(&mut self, namespace: &str, is_it: impl Fn(What) -> bool) -> Result<Instant> {
        let next = async {
            loop {
                let seen = self.seen.recv().await.context("the observer ended")?;
                if seen.namespace == namespace && is_it(seen.what) {
                    return Ok(seen.at);
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.with_context(|| format!("nothing came in {namespace}"))?
    }

    /// Waits until a new namespace has its Secret and its reference, whatever the order of events.
    async fn delays(&mut self, namespace: &str, delays: &mut Delays) -> Result<()> {
        let (mut made, mut written, mut account, mut referring) = (None, None, None, None);
        while [made, written, account, referring].contains(&None) {
            let seen = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
            let seen = seen
                .with_context(|| format!("nothing came in {namespace}"))?
                .context("the observer ended")?;
            let place = match seen.what {
                _ if seen.namespace != namespace => continue,
                What::Namespace => &mut made,
                What::Secret => &mut written,
                What::Account(false) => &mut account,
                What::Account(true) => &mut referring,
            };
            place.get_or_insert(seen.at);
        }
        let between = |from: Option<Instant>, to: Option<Instant>| {
            // Two watches: the earlier event may arrive later.
            to.zip(from).map_or(Duration::ZERO, |(to, from)| to.saturating_duration_since(from)).as_secs_f64()
                * 1e3
        };
        delays.secret.push(between(made, written));
        delays.reference.push(between(account, referring));
        Ok(())
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Tells of every change after now.
async fn observe<K>(
    api: Api<K>,
    fields: &str,
    see: &mpsc::UnboundedSender<Seen>,
    what: impl Fn(K) -> (String, What) + Send + 'static,
) -> Result<tokio::task::JoinHandle<()>>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let list = api.list_metadata(&ListParams::default().limit(1)).await?;
    let mut version = list.metadata.resource_version.context("the list has no version")?;
    let (see, fields) = (see.clone(), fields.to_owned());
    Ok(tokio::spawn(async move {
        // A watch ends after some minutes; another goes on where it was.
        loop {
            let params = WatchParams::default().fields(&fields);
            let Ok(events) = api.watch(&params, &version).await else { return };
            let mut events = std::pin::pin!(events);
            while let Ok(Some(event)) = events.try_next().await {
                let object = match event {
                    WatchEvent::Added(object)
                    | WatchEvent::Modified(object)
                    | WatchEvent::Deleted(object) => object,
                    WatchEvent::Bookmark(bookmark) => {
                        version = bookmark.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Error(_) => return,
                };
                if let Some(now) = &object.meta().resource_version {
                    version.clone_from(now);
                }
                let (namespace, what) = what(object);
                if see.send(Seen { at: Instant::now(), namespace, what }).is_err() {
                    return;
                }
            }
        }
    }))
}

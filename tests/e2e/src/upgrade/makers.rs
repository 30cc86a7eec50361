//! Users who make Pods, all the time: some in one namespace, and one in a new namespace each time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use support::eventually;
use tokio::task::JoinSet;

use crate::installed::has_reference;
use crate::world::{LONG, VPC_DOMAIN, World};

/// They make Pods one by one, each with a little pause: one at least is under way at every moment.
const MAKERS: usize = 6;
const PAUSE: Duration = Duration::from_millis(50);
const NAMESPACE: &str = "shop";
/// Of those that failed, so many are told.
const MOST_TOLD: usize = 5;

/// They make Pods until they are told to end, or dropped.
pub(super) struct Makers {
    count: Arc<Count>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Count {
    /// Since the start.
    made: AtomicUsize,
    since: Mutex<Since>,
}

/// What happened since it was last told.
#[derive(Default)]
struct Since {
    made: usize,
    new_namespaces: usize,
    slowest: Duration,
    refused: usize,
    without: usize,
    told: Vec<String>,
}

impl Makers {
    /// Starts them, and waits until each way has worked once.
    pub(super) async fn start(world: &World) -> Result<Self> {
        let client = world.nodes.plane().client().await?;
        let count = Arc::new(Count::default());
        let mut tasks = JoinSet::new();
        namespace(&client, NAMESPACE).await?;
        for _ in 0..MAKERS {
            let (client, count) = (client.clone(), count.clone());
            tasks.spawn(async move {
                loop {
                    count.add(make(&client, NAMESPACE).await, false);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        let of_new = count.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let name = format!("{NAMESPACE}-{number}");
                if let Err(error) = namespace(&client, &name).await {
                    of_new.add(Err(error), true);
                    continue;
                }
                of_new.add(make(&client, &name).await, true);
                // It goes in its own time.
                let _ = Api::<Namespace>::all(client.clone()).delete(&name, &DeleteParams::default()).await;
                tokio::time::sleep(PAUSE * 10).await;
            }
        });
        let makers = Self { count, tasks };
        makers.more(MAKERS * 2).await?;
        makers.told()?;
        Ok(makers)
    }

    /// Waits until so many more have been made.
    pub(super) async fn more(&self, pods: usize) -> Result<()> {
        let until = self.count.made.load(Ordering::Relaxed) + pods;
        eventually(&format!("{pods} more Pods"), LONG, async || {
            let made = self.count.made.load(Ordering::Relaxed);
            ensure!(made >= until, "{} are missing", until - made);
            Ok(())
        })
        .await
    }

    /// What has happened since the last call.
    ///
    /// # Errors
    /// A Pod was refused, or has no reference; the first few say why.
    pub(super) fn told(&self) -> Result<String> {
        let since = std::mem::take(&mut *self.count.since.lock().unwrap_or_else(PoisonError::into_inner));
        let Since { made, new_namespaces, slowest, refused, without, told } = since;
        let slowest = slowest.as_millis();
        let text = format!(
            "{made} Pods, {new_namespaces} of them in new namespaces; {refused} refused, {without} without the \
             reference; slowest {slowest} ms"
        );
        ensure!(refused == 0 && without == 0, "{text}: {}", told.join("; "));
        Ok(text)
    }

    /// Nobody makes Pods any more.
    pub(super) async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Count {
    fn add(&self, made: Result<(Pod, Duration)>, is_in_new: bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = match made {
            Ok((pod, took)) => {
                self.made.fetch_add(1, Ordering::Relaxed);
                since.made += 1;
                since.new_namespaces += usize::from(is_in_new);
                since.slowest = since.slowest.max(took);
                if has_reference(&pod) {
                    return;
                }
                since.without += 1;
                format!("{} has no reference", pod.metadata.name.unwrap_or_default())
            }
            Err(error) => {
                since.refused += 1;
                // Its Debug, which its text has in it, says everything twice.
                match error.downcast_ref() {
                    Some(kube::Error::Api(status)) => status.message.clone(),
                    _ => format!("{error:#}"),
                }
            }
        };
        if since.told.len() < MOST_TOLD {
            since.told.push(problem);
        }
    }
}

/// A namespace that takes Pods.
async fn namespace(client: &Client, name: &str) -> Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    let start = Instant::now();
    while accounts.get_opt("default").await?.is_none() {
        ensure!(start.elapsed() < LONG, "{name} gets no ServiceAccount");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// A Pod that no node will ever run, and that is deleted at once.
async fn make(client: &Client, namespace: &str) -> Result<(Pod, Duration)> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "web-"},
        "spec": {
            "schedulingGates": [{"name": "example.com/never"}],
            "containers": [{"name": "app", "image": format!("{VPC_DOMAIN}/team/app:v1")}],
        },
    }))?;
    let start = Instant::now();
    let made = pods.create(&PostParams::default(), &pod).await?;
    let took = start.elapsed();
    let Some(name) = &made.metadata.name else { bail!("the Pod that was made has no name") };
    // A namespace that is going may have taken it.
    let _ = pods.delete(name, &DeleteParams::default().grace_period(0)).await;
    Ok((made, took))
}

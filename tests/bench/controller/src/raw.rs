//! A writer without any logic: what the API server and a client in Rust need for the same writes.

use std::thread;

use anyhow::{Context as _, Result};
use custom_resource::ImagePullSecret;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cluster::{CONCURRENCY, Cluster, password};

/// The labels of its Secrets: as long as ours, and not ours.
const LABELS: [(&str, &str); 2] = [
    ("app.kubernetes.io/managed-by", "raw-assistant"),
    ("tcr.tencentcloudcr.com/image-pull-set-raw", "demo"),
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// A Secret into each namespace, and a reference to it into each ServiceAccount.
    Fill {
        namespaces: usize,
        /// ServiceAccounts in each.
        accounts: usize,
        /// Makes the name of the Secret.
        round: usize,
    },
    /// Other bytes into each Secret of a fill.
    Rotate {
        namespaces: usize,
        round: usize,
        /// Makes the bytes.
        bytes: usize,
    },
}

/// Does the work on a thread of its own, as the controller does it in a process of one thread, with
/// watches like the controller's. Seconds that it took.
pub(crate) async fn write(cluster: &Cluster, work: Work) -> Result<f64> {
    let kubeconfig = cluster.plane.kubeconfig().to_owned();
    let (done, mut result) = mpsc::channel(1);
    thread::spawn(move || {
        let run = || -> Result<f64> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let read = kube::config::Kubeconfig::read_from(kubeconfig)?;
                let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await?;
                let client = Client::try_from(config)?;
                let watches = watches(&client).await;
                let started = std::time::Instant::now();
                carry_out(&client, work).await?;
                let took = started.elapsed().as_secs_f64();
                watches.iter().for_each(tokio::task::JoinHandle::abort);
                Ok(took)
            })
        };
        // Nobody listens when the benchmark is being ended.
        let _ = done.blocking_send(run());
    });
    result.recv().await.context("the raw writer panicked")?
}

async fn carry_out(client: &Client, work: Work) -> Result<()> {
    let namespaces = match work {
        Work::Fill { namespaces, .. } | Work::Rotate { namespaces, .. } => namespaces,
    };
    let one = |index: usize| async move {
        let namespace = Cluster::name(index);
        match work {
            Work::Fill { accounts, round, .. } => {
                create(client, &namespace, &secret_name(round)).await?;
                for account in 0..accounts {
                    refer(client, &namespace, &Cluster::account(account), round).await?;
                }
            }
            Work::Rotate { round, bytes, .. } => {
                let operations = json!([
                    {"op": "test", "path": "/metadata/namespace", "value": namespace},
                    {"op": "add", "path": "/data", "value": data(bytes)},
                    {"op": "add", "path": "/metadata/labels/app.kubernetes.io~1managed-by", "value": LABELS[0].1},
                    {"op": "add", "path": format!("/metadata/labels/{}", LABELS[1].0.replace('/', "~1")), "value": LABELS[1].1},
                ]);
                let api = Api::<Secret>::namespaced(client.clone(), &namespace);
                api.patch(&secret_name(round), &PatchParams::default(), &json_patch(operations)?).await?;
            }
        }
        anyhow::Ok(())
    };
    futures::stream::iter((0..namespaces).map(one)).buffer_unordered(CONCURRENCY).try_collect().await
}

/// Creates a Secret of the same size as ours.
pub(crate) async fn create(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let mut secret = Secret { type_: Some("kubernetes.io/dockerconfigjson".to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.labels = Some(LABELS.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    secret.data = Some(data(0));
    Api::<Secret>::namespaced(client.clone(), namespace).create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// Adds a reference as we do, but for reading the list first.
pub(crate) async fn refer(client: &Client, namespace: &str, account: &str, round: usize) -> Result<()> {
    let entry = json!({"name": secret_name(round)});
    let add = match round {
        0 => json!({"op": "add", "path": "/imagePullSecrets", "value": [entry]}),
        _ => json!({"op": "add", "path": "/imagePullSecrets/-", "value": entry}),
    };
    let operations = json!([{"op": "test", "path": "/metadata/name", "value": account}, add]);
    let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    api.patch(account, &PatchParams::default(), &json_patch(operations)?).await?;
    Ok(())
}

/// The Secret of a round.
pub(crate) fn secret_name(round: usize) -> String {
    format!("raw.set{round}")
}

fn data(round: usize) -> std::collections::BTreeMap<String, ByteString> {
    let auth = json!({"auths": {"demo.tencentcloudcr.com": {
        "username": "100012345678", "password": password(round),
        "auth": "x".repeat((password(round).len() + 13).div_ceil(3) * 4),
    }}});
    [(".dockerconfigjson".to_owned(), ByteString(auth.to_string().into_bytes()))].into()
}

fn json_patch(operations: Value) -> Result<Patch<()>> {
    Ok(Patch::Json(serde_json::from_value(operations)?))
}

/// Holds watches like the controller's; back when each has its first list.
async fn watches(client: &Client) -> Vec<tokio::task::JoinHandle<()>> {
    let plain = watcher::Config::default;
    let labels = format!("{}={},{}", LABELS[0].0, LABELS[0].1, LABELS[1].0);
    vec![
        watch(Api::<ImagePullSecret>::all(client.clone()), plain()).await,
        watch(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), plain()).await,
        watch(Api::<ServiceAccount>::all(client.clone()), plain()).await,
        watch(Api::<Secret>::all(client.clone()), plain().labels(&labels)).await,
    ]
}

async fn watch<K>(api: Api<K>, config: watcher::Config) -> tokio::task::JoinHandle<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let (tell, mut told) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let mut events = Box::pin(watcher(api, config));
        while let Some(event) = events.next().await {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                let _ = tell.try_send(());
            }
        }
    });
    told.recv().await;
    task
}

//! `tcr-assistant run`: keeps the cluster as its ImagePullSecrets say.
//!
//! ```text
//!   watches, answers, keepers of credentials, private links, time
//!        │ input                                        ▲
//!        ▼                                              │
//!   reconciler (decides) ── effect ──► runtime (carries out)
//! ```
//!
//! Decisions are pure and elsewhere: [`reconcile`], [`distribution`], [`credential_plan`],
//! [`private_link`], [`lease::decide`]. Only the leader does any of this; every controller has API servers leave a webhook that
//! ends ([`webhook_certificate::connections`]).
//!
//! May import every crate of this folder but `commands`. Absent: the command line.

use std::sync::Arc;

use anyhow::Context as _;
use kube::Client as Kube;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub mod agent;
pub mod execute;
pub mod http;
pub mod observed;
pub mod partial_objects;
pub mod tasks;
pub mod watch_streams;
pub mod webhook_certificate;
pub mod write_limits;

mod event_recorder;
mod installation;
pub mod installation_key;
mod instances;
mod links;
mod login_check;
mod nodes;
mod rival;
mod runtime;
mod settings;
mod startup_taint;
mod until_known;

pub use settings::Settings;

/// Events of watches that wait to be taken in.
const MOST_WATCH_EVENTS: usize = 2048;

/// Serves on `listener` and, while it leads, works; until `stop` turns true.
///
/// # Errors
/// The lease was lost, or one of the tasks is gone: the process has to end, so that nothing that was begun goes on.
pub async fn run(
    kube: Kube,
    calls: Arc<kubernetes::api_calls::ApiCalls>,
    settings: Settings,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let (leading, is_leading) = watch::channel(false);
    let (ready, is_ready) = watch::channel(false);
    let (ask, asked) = mpsc::channel(4);
    let (tasks, mut failures) = tasks::Tasks::new();
    let limits = Arc::new(write_limits::WriteLimits::default());
    let state = http::Served {
        leading: is_leading,
        ready: is_ready,
        ask,
        calls,
        cloud: settings.clouds.own().clone(),
        limits: limits.clone(),
    };
    let served = tasks.spawn_endless("the server of /healthz", http::serve(listener, state));
    if settings.webhook_service.is_some() {
        let renew = webhook_certificate::connections::renew(kube.clone());
        tasks.spawn_endless("the watch of webhooks that end", renew);
    }
    let identity = identity()?;
    let mut leadership = kubernetes::lease::Leadership::new(kube.clone(), identity.clone());
    if settings.leader_elect {
        tracing::info!(identity, "waiting to lead");
        tokio::select! {
            () = leadership.acquire() => {}
            failed = failures.first() => return Err(failed.into()),
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
    tracing::info!(identity, "leading");
    leading.send_replace(true);
    let written = settings.written();
    let dry_runs = write_limits::keep(kube.clone(), written, limits);
    tasks.spawn_endless("the dry runs of what may not be written", dry_runs);
    let work = lead(kube, settings.clone(), ready, asked, stop, tasks);
    let work = async {
        tokio::select! {
            result = work => Ok(result?),
            failed = failures.first() => Err(anyhow::Error::from(failed)),
        }
    };
    tokio::pin!(work);
    let result = match settings.leader_elect {
        false => work.await,
        true => tokio::select! {
            result = &mut work => {
                // After a failure something may still be under way: the lease ends by itself.
                if result.is_ok() {
                    leadership.release().await;
                }
                result
            }
            lost = leadership.hold() => Err(lost.into()),
        },
    };
    served.abort();
    result
}

async fn lead(
    kube: Kube,
    settings: Arc<Settings>,
    ready: watch::Sender<bool>,
    asked: mpsc::Receiver<tokio::sync::oneshot::Sender<String>>,
    mut stop: watch::Receiver<bool>,
    tasks: tasks::Tasks,
) -> Result<(), tasks::TaskFailed> {
    let (watches, watch_events) = mpsc::channel(MOST_WATCH_EVENTS);
    let (credentials, credential_events) = mpsc::channel(64);
    let (links, link_events) = mpsc::channel(16);
    if let Some(service) = settings.webhook_service.clone() {
        let keep = webhook_certificate::keeper::keep(kube.clone(), service);
        tasks.spawn_endless("the keeper of the webhook's certificate", keep);
    }
    let links = links::start(&kube, &settings, links, &tasks);
    let (key, installation) = tokio::select! {
        known = async { tokio::join!(installation_key::obtain(&kube), installation::obtain(&kube)) } => known,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    watch_streams::start(&kube, &settings, &key, &watches, &tasks);
    let inputs = runtime::Inputs {
        watches: watch_events,
        credentials: credential_events,
        links: link_events,
        metrics: asked,
        stop,
    };
    let outputs = runtime::Outputs { ready, watches, credentials, links, tasks };
    let reconciler = reconcile::Reconciler::new(settings.reconciler(), key.clone());
    let writer = execute::NamespaceWriter::new(kube.clone(), key);
    runtime::Runtime::new(kube, settings, writer, installation, outputs).run(reconciler, inputs).await
}

/// The Pod's name, and something of this process alone.
///
/// # Errors
/// The machine has no random numbers: two controllers with one identity would both hold the Lease.
fn identity() -> anyhow::Result<String> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "tcr-assistant".to_owned());
    let random = getrandom::u64().context("cannot draw a random number for the Lease's holder")?;
    Ok(format!("{host}_{random:016x}"))
}

/// A client by kubeconfig or from inside a Pod, that counts its calls.
///
/// # Errors
/// There is no kubeconfig and no Pod around, or one of them cannot be used.
pub async fn client() -> anyhow::Result<(Kube, Arc<kubernetes::api_calls::ApiCalls>)> {
    let config = kube::Config::infer().await.context("cannot find out how to reach the API server")?;
    let calls = Arc::new(kubernetes::api_calls::ApiCalls::default());
    let client =
        kubernetes::api_calls::counted(config, &calls).context("cannot make a client of the API server")?;
    Ok((client, calls))
}

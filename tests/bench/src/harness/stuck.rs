//! A policy that never answers, and its neighbours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use figure::Figure;
use tokio::task::JoinSet;

use super::bench::{Bench, at_most, figure};
use super::client::request;
use super::tls::Authority;
use crate::review;

/// Clients of the policy that never answers.
const STUCK: usize = 8;
/// Clients of the others.
const GOOD: usize = 14;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let authority = Authority::new()?;
    let policies = format!(
        "stuck: {{module: 'file://{}', timeoutEvalSeconds: 3}}\nours: {{module: 'file://{}', settings: {}, allowedToMutate: true}}\nsdk: {{module: 'file://{}', settings: {{label: owner, value: bob}}, allowedToMutate: true}}\n",
        bench.path("endless.wasm").display(),
        bench.path("policy.wasm").display(),
        review::settings(1),
        bench.path("sdk.wasm").display(),
    );
    let server = bench.serve(&authority, &policies, "cache")?;
    server.settled()?;
    let pod = review::pod(5 << 10, true);
    let ended = Arc::new(AtomicBool::new(false));
    let mut stuck = JoinSet::new();
    for _ in 0..STUCK {
        let (caller, ended) = (server.caller.clone(), ended.clone());
        let request = request("/validate/stuck", &pod);
        stuck.spawn(async move {
            let mut refused = 0;
            while !ended.load(Ordering::Relaxed) {
                refused += usize::from(!caller.ask(&request).await?.is_admitted());
            }
            anyhow::Ok(refused)
        });
    }
    let lasts = bench.times(Duration::from_secs(10), Duration::from_secs(4));
    let (ours, sdk) = (request("/validate/ours", &pod), request("/validate/sdk", &pod));
    let (ours, sdk) =
        tokio::join!(server.caller.load(&ours, GOOD / 2, lasts), server.caller.load(&sdk, GOOD / 2, lasts),);
    let (ours, sdk) = (ours?, sdk?);
    ended.store(true, Ordering::Relaxed);
    let mut refused = 0;
    while let Some(of_one) = stuck.join_next().await {
        refused += of_one??;
    }
    ensure!(refused > 0, "the policy that never answers was never asked");
    let answered = (ours.took.len() + sdk.took.len()) as f64;
    Ok(vec![
        figure("stuck_policy_refused_others", (ours.failed + sdk.failed) as f64, "reviews", at_most(0.0)),
        figure("stuck_policy_answered_others", answered, "reviews", None),
    ])
}

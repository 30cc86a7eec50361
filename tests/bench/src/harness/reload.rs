//! Policies and certificates that are replaced while reviews come.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use figure::Figure;
use tokio::task::JoinSet;

use super::bench::{Bench, at_most, figure};
use super::client::{Caller, Connection, request};
use super::process::Server;
use super::tls::Authority;
use crate::review;

/// Callers with a connection each that they keep, and as many that make a new one for each review.
const CALLERS: usize = 8;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let authority = Authority::new()?;
    let server = bench.serve(&authority, &policies(bench, 0), "cache")?;
    server.settled()?;
    let ended = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for number in 0..2 * CALLERS {
        callers.spawn(ask_until(server.caller.clone(), number % 2 == 0, ended.clone()));
    }
    let times = bench.times(20, 2);
    for time in 1..=times {
        change(bench, &authority, &server, time).await?;
    }
    ended.store(true, Ordering::Relaxed);
    let (mut answered, mut failed) = (0, 0);
    while let Some(counts) = callers.join_next().await {
        let counts = counts??;
        answered += counts.0;
        failed += counts.1;
    }
    let reloads = server.metric(r#"harness_policies_reloads_total{result="applied"} "#)?;
    ensure!(reloads >= f64::from(times), "there were {reloads} reloads of {times}");
    Ok(vec![
        figure("reload_failed_requests", failed as f64, "reviews", at_most(0.0)),
        figure("reload_answered_requests", answered as f64, "reviews", None),
        figure("reloads", reloads, "reloads", None),
    ])
}

/// Another policies file, another module and another certificate; until all of them are served.
async fn change(bench: &Bench, authority: &Authority, server: &Server, time: u32) -> anyhow::Result<()> {
    let certificate = authority.issue(bench.folder.path())?;
    // As a ConfigMap's and an editor's changes come: in one piece.
    fs::copy(bench.path(&format!("sdk-{}.wasm", time % 5)), bench.path("changing.wasm.new"))?;
    fs::rename(bench.path("changing.wasm.new"), bench.path("changing.wasm"))?;
    bench.write("policies.yml.new", policies(bench, time).as_bytes())?;
    fs::rename(bench.path("policies.yml.new"), bench.path("policies.yml"))?;
    let (caller, pod) = (&server.caller, review::pod(5 << 10, true));
    let review = request("/validate/changing", &pod);
    let expected = format!("owner=v{time}");
    let mut tries = 0;
    loop {
        let answer = caller.ask(&review).await?;
        if answer.body.contains(&expected) && caller.certificate().await? == certificate {
            return Ok(());
        }
        tries += 1;
        ensure!(tries < 1200, "the change is never served: {} {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn policies(bench: &Bench, time: u32) -> String {
    if time == 0 {
        // There is one before it changes.
        let _ = fs::copy(bench.path("sdk.wasm"), bench.path("changing.wasm"));
    }
    format!(
        "changing: {{module: 'file://{}', settings: {{label: owner, value: v{time}}}, allowedToMutate: true}}\nours: {{module: 'file://{}', settings: {}, allowedToMutate: true}}\n",
        bench.path("changing.wasm").display(),
        bench.path("policy.wasm").display(),
        review::settings(1 + time as usize)
    )
}

/// Reviews one after the other until the end; how many were admitted, and how many were not.
async fn ask_until(
    caller: Caller,
    keeps_connection: bool,
    ended: Arc<AtomicBool>,
) -> anyhow::Result<(usize, usize)> {
    let pod = review::pod(5 << 10, true);
    let reviews = [request("/validate/changing", &pod), request("/validate/ours", &pod)];
    let (mut answered, mut failed) = (0, 0);
    let mut kept: Option<Connection> = None;
    for review in reviews.iter().cycle() {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let answer = match &mut kept {
            Some(connection) => connection.ask(review).await,
            None => caller.ask(review).await,
        };
        match answer {
            Ok(answer) if answer.is_admitted() => answered += 1,
            other => {
                failed += 1;
                eprintln!("failed: {other:?}");
                kept = None;
            }
        }
        if keeps_connection && kept.is_none() {
            kept = Some(caller.connect().await?);
        }
        // A machine that does nothing else would show less of what others see.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((answered, failed))
}

//! From the start of the process, with nothing compiled, to the first answer of each policy.

use std::time::Instant;

use anyhow::ensure;
use figure::Figure;
use harness::{Host, HostOptions, Policy};
use tokio::task::JoinSet;

use super::bench::{Bench, MANY, at_most, figure};
use super::client::request;
use super::tls::Authority;
use crate::review;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.times(MANY, 4);
    let one = first_answers(bench, 1).await?;
    let many = first_answers(bench, count).await?;
    // What it would take to compile them for good before anything is answered, all processors at work.
    let wasm = std::fs::read(bench.path("sdk.wasm"))?;
    let host = Host::new(HostOptions::default())?;
    let began = Instant::now();
    for _ in 0..3 {
        Policy::load(&host, &wasm)?;
    }
    let compiled = began.elapsed().as_secs_f64() / 3.0;
    let of_36 = (many - one) / (count - 1) as f64 * MANY as f64 + one;
    Ok(vec![
        figure("cold_36_first_answers_s", if count == MANY { many } else { of_36 }, "s", at_most(10.0)),
        figure("cold_36_vs_compile", many / (compiled * count as f64), "ratio", None),
        figure("cold_1_first_answer_s", one, "s", at_most(0.5)),
        figure("cold_1_vs_compile", one / compiled, "ratio", None),
    ])
}

/// Seconds until each of so many policies has answered.
async fn first_answers(bench: &Bench, count: usize) -> anyhow::Result<f64> {
    let authority = Authority::new()?;
    let server = bench.serve(&authority, &bench.many(count), &format!("cold-{count}"))?;
    let mut asked = JoinSet::new();
    let pod = review::pod(5 << 10, true);
    for number in 0..count {
        let caller = server.caller.clone();
        let request = request(&format!("/validate/sdk-{number}?timeout=30s"), &pod);
        let began = server.began;
        asked.spawn(async move {
            let answer = caller.ask(&request).await?;
            ensure!(answer.is_admitted(), "not admitted: {} {}", answer.status, answer.body);
            Ok(began.elapsed().as_secs_f64())
        });
    }
    let mut last = 0.0;
    while let Some(answered) = asked.join_next().await {
        last = f64::max(last, answered??);
    }
    Ok(last)
}

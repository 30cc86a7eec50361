//! What the webhook holds: with as many policies as the largest servers have, and after many reviews.

use std::time::Duration;

use anyhow::ensure;
use figure::Figure;

use super::bench::{Bench, MANY, at_most, figure};
use super::client::{Caller, request};
use super::tls::Authority;
use crate::review;

const CONNECTIONS: usize = 32;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let one = resident(bench, 1).await?;
    // The short form proves that it runs.
    let many = resident(bench, bench.times(MANY, 3)).await?;
    let growth = growth(bench).await?;
    Ok(vec![
        figure("rss_36_policies_mib", many, "MiB", at_most(150.0)),
        figure("rss_1_policy_mib", one, "MiB", None),
        figure("rss_growth_mib_100k", growth, "MiB", at_most(2.0)),
    ])
}

/// MiB with so many policies, each of which has answered.
async fn resident(bench: &Bench, count: usize) -> anyhow::Result<f64> {
    let authority = Authority::new()?;
    let server = bench.serve(&authority, &bench.many(count), &format!("memory-{count}"))?;
    server.settled()?;
    let pod = review::pod(5 << 10, true);
    for number in 0..count {
        let request = request(&format!("/validate/sdk-{number}"), &pod);
        let load = server.caller.load(&request, 4, Duration::from_millis(100)).await?;
        ensure!(load.failed == 0, "some reviews were not admitted");
    }
    server.resident()
}

/// MiB more after 100,000 reviews than before, once it is warm.
async fn growth(bench: &Bench) -> anyhow::Result<f64> {
    let authority = Authority::new()?;
    let policies = format!(
        "ours: {{module: 'file://{}', settings: {}, allowedToMutate: true}}\n",
        bench.path("policy.wasm").display(),
        review::settings(1)
    );
    let server = bench.serve(&authority, &policies, "cache")?;
    server.settled()?;
    let (warm, many) = bench.times((20_000, 100_000), (500, 2000));
    reviews(&server.caller, warm).await?;
    let before = server.resident()?;
    reviews(&server.caller, many).await?;
    Ok(server.resident()? - before)
}

async fn reviews(caller: &Caller, count: usize) -> anyhow::Result<()> {
    let request = request("/validate/ours", &review::pod(5 << 10, true));
    let mut done = 0;
    while done < count {
        let load = caller.load(&request, CONNECTIONS, Duration::from_secs(1)).await?;
        ensure!(load.failed == 0, "some reviews were not admitted");
        done += load.took.len();
    }
    Ok(())
}

//! What the webhook answers in a second, and how long an answer takes, over HTTPS on kept connections.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use figure::{Figure, median};

use super::bench::{Bench, at_least, at_most, figure};
use super::client::{Caller, request};
use super::process::Server;
use super::tls::Authority;
use crate::review;

const CONNECTIONS: usize = 32;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let authority = Authority::new()?;
    let policies = format!(
        "ours: {{module: 'file://{}', settings: {}, allowedToMutate: true}}\nsdk: {{module: 'file://{}', settings: {{label: owner, value: bob}}, allowedToMutate: true}}\n",
        bench.path("policy.wasm").display(),
        review::settings(1),
        bench.path("sdk.wasm").display(),
    );
    let fixed_server = bench.serve_fixed(&authority)?;
    let server = bench.serve(&authority, &policies, "cache")?;
    server.settled()?;
    let pod = review::pod(5 << 10, true);
    let ours = compare(bench, &server, &fixed_server, request("/validate/ours", &pod)).await?;
    let sdk = compare(bench, &server, &fixed_server, request("/validate/sdk", &pod)).await?;
    let large = review::pod(500 << 10, true);
    let lasts = bench.times(Duration::from_secs(10), Duration::from_millis(500));
    let (large, native) = alternate(
        (&server.caller, &request("/validate/ours", &large)),
        (&fixed_server.caller, &request("/validate/native", &large)),
        1,
        lasts / 5,
    )
    .await?;
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    Ok(vec![
        figure("serve_vs_fixed", of(&ours, Round::rate), "ratio", at_least(0.45)),
        figure("serve_per_second", of(&ours, |round| round.of_policy.0), "1/s", None),
        figure("serve_p99_vs_fixed", of(&ours, Round::p99), "ratio", at_most(3.0)),
        figure("serve_p99", of(&ours, |round| round.of_policy.1), "ms", None),
        figure("sdk_policy_vs_fixed", of(&sdk, Round::rate), "ratio", at_least(0.25)),
        figure("sdk_policy_per_second", of(&sdk, |round| round.of_policy.0), "1/s", None),
        figure("serve_500k_vs_native", large / native, "ratio", at_most(1.5)),
        figure("serve_500k_p50", large, "ms", None),
    ])
}

/// Answers in a second and the 99th percentile in milliseconds, of the policy and of the fixed server next to it.
struct Round {
    of_policy: (f64, f64),
    of_fixed: (f64, f64),
}

impl Round {
    fn rate(&self) -> f64 {
        self.of_policy.0 / self.of_fixed.0
    }

    fn p99(&self) -> f64 {
        self.of_policy.1 / self.of_fixed.1
    }
}

/// Rounds in turn, so that a slow spell of the machine meets both.
async fn compare(
    bench: &Bench,
    server: &Server,
    fixed_server: &Server,
    review: Arc<[u8]>,
) -> anyhow::Result<Vec<Round>> {
    let (_, body) = review.split_at(review.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(0) + 4);
    let fixed_review = request("/validate/fixed", body);
    let lasts = bench.times(Duration::from_secs(3), Duration::from_millis(400));
    let mut rounds = Vec::new();
    for round in 0..bench.times(6, 3) {
        let of_fixed = fixed_server.caller.load(&fixed_review, CONNECTIONS, lasts).await?;
        let of_policy = server.caller.load(&review, CONNECTIONS, lasts).await?;
        ensure!(of_fixed.failed + of_policy.failed == 0, "some reviews were not admitted");
        // The first one warms up.
        if round > 0 {
            rounds.push(Round {
                of_policy: (of_policy.per_second(), of_policy.p99()),
                of_fixed: (of_fixed.per_second(), of_fixed.p99()),
            });
        }
    }
    Ok(rounds)
}

/// Medians in milliseconds of two requests that are put in turn.
async fn alternate(
    (caller, first): (&Caller, &Arc<[u8]>),
    (other, second): (&Caller, &Arc<[u8]>),
    connections: usize,
    lasts: Duration,
) -> anyhow::Result<(f64, f64)> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let load = caller.load(first, connections, lasts).await?;
        ensure!(load.failed == 0 && !load.took.is_empty(), "some reviews were not admitted");
        one.push(load.median());
        let load = other.load(second, connections, lasts).await?;
        ensure!(load.failed == 0 && !load.took.is_empty(), "some reviews were not admitted");
        two.push(load.median());
    }
    Ok((median(one), median(two)))
}

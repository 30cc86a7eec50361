//! What the webhook stands on a real control plane, as lines of `./justw bench serve`.
//!
//! The programs are those of the images, with what the chart says of them, held to the limits that it ships; there are as
//! many webhooks as it ships, behind the configurations that it renders.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use figure::{Figure, Limit, p99};
use serde_json::json;
use support::hostile::{Attack, Attackers};

use crate::installed::{self, Installed, LEFT_OUT, Programs};
use crate::review;
use crate::steps::Steps;

mod burst;
mod flood;

/// How long attackers may take until all have knocked.
const GATHERING: Duration = Duration::from_secs(30);
/// Reviews that are put beside the silent callers.
const REVIEWS: usize = 20;

/// How much is measured.
#[derive(Clone, Copy)]
struct Sizes {
    pods: usize,
    clients: usize,
    callers: usize,
    bodies: usize,
    flood: flood::Sizes,
}

const FULL: Sizes = Sizes { pods: 1000, clients: 600, callers: 1000, bodies: 40, flood: flood::FULL };
const SMOKE: Sizes = Sizes { pods: 50, clients: 25, callers: 50, bodies: 5, flood: flood::SMOKE };

/// Measures, and prints a line for each figure; whether one missed its limit.
///
/// # Errors
/// Something did not come about that has to be there to be measured.
pub(crate) fn measure(smoke: bool) -> Result<bool> {
    let (sizes, programs) = if smoke { (SMOKE, Programs::Built) } else { (FULL, Programs::Shipped) };
    let mut missed = false;
    installed::on_control_plane(programs, async |plane, helm| {
        let mut steps = Steps::of_measurement();
        let installed = Installed::on(plane, helm, programs);
        let installed = steps.step("the add-on is installed", installed).await?;
        let mut tell = |figures: Vec<Figure>| {
            figure::print(&figures);
            missed |= figures.iter().any(Figure::is_missed);
        };
        tell(steps.step("a burst of Pods", bursts(&installed, sizes)).await?);
        tell(steps.step("a namespace that floods", flooded(&installed, sizes)).await?);
        tell(steps.step("silent callers", silent(&installed, sizes)).await?);
        tell(steps.step("unfinished bodies", bodies(&installed, sizes)).await?);
        Ok(())
    })?;
    Ok(missed)
}

fn figure(metric: &'static str, value: f64, unit: &'static str, limit: impl Into<Option<f64>>) -> Figure {
    Figure { name: "serve", metric, value, unit, limit: limit.into().map(Limit::AtMost) }
}

/// The same burst without the webhook and with it, in turn, so that both meet the same machine.
async fn bursts(installed: &Installed<'_>, sizes: Sizes) -> Result<Vec<Figure>> {
    installed.namespace("left-out", json!({LEFT_OUT: "true"})).await?;
    installed.namespace("asked", json!({})).await?;
    let create = async |namespace: &str| burst::create(installed, namespace, sizes.pods, sizes.clients).await;
    let baseline = create("left-out").await?;
    ensure!(
        baseline.refused == 0,
        "{} Pods were refused that the webhook is not asked about",
        baseline.refused
    );
    let opened = burst::failed_open(installed).await?;
    let burst = create("asked").await?;
    let opened = burst::failed_open(installed).await? - opened;
    Ok(vec![
        figure("burst_1000_refused", burst.refused as f64, "Pods", 0.0),
        figure("burst_1000_uninjected", burst.uninjected as f64, "Pods", 0.0),
        figure("apiserver_admission_webhook_fail_open_count", opened, "reviews", 0.0),
        figure("burst_1000_p99", p99(burst.took), "ms", None),
        figure("burst_1000_p99_without_webhook", p99(baseline.took), "ms", None),
        figure("burst_1000_pods_per_second", sizes.pods as f64 / burst.all.as_secs_f64(), "1/s", None),
        figure("burst_1000_peak_rss_mib", peak(installed)?, "MiB", None),
    ])
}

/// What the hungriest webhook has had in memory.
fn peak(installed: &Installed<'_>) -> Result<f64> {
    let mut most = 0;
    for webhook in &installed.webhooks {
        most = most.max(webhook.replica.process(webhook.container)?.resident_peak()?);
    }
    Ok(most as f64 / f64::from(1 << 20))
}

/// By a namespace that is there, as API servers ask, and by one that is not, for which the webhook asks the API server each
/// time: only callers that are none send such reviews.
async fn flooded(installed: &Installed<'_>, sizes: Sizes) -> Result<Vec<Figure>> {
    let webhook = installed.webhooks.first().context("the chart has no webhook")?;
    let (flooder, caller) = (installed.reviewer(webhook)?.regular()?, installed.reviewer(webhook)?);
    for namespace in ["flood", "quiet"] {
        installed.namespace(namespace, json!({})).await?;
    }
    let flood = flood::measure(&flooder, "flood", &caller, "quiet", sizes.flood).await?;
    let forged = flood::measure(&flooder, "nowhere", &caller, "quiet", sizes.flood).await?;
    let (alone, beside) = (p99(flood.alone), p99(flood.beside));
    Ok(vec![
        figure("flooded_p99_vs_alone", beside / alone, "ratio", 3.0),
        figure("flooded_p99", beside, "ms", None),
        figure("alone_p99", alone, "ms", None),
        figure("flood_reviews_per_second", flood.rate, "1/s", None),
        figure("flooded_unanswered", (flood.unanswered + forged.unanswered) as f64, "reviews", 0.0),
        figure(
            "flooded_by_unknown_namespace_p99_vs_alone",
            p99(forged.beside) / p99(forged.alone),
            "ratio",
            None,
        ),
    ])
}

/// Reviews on new connections beside callers that are silent after their handshake.
async fn silent(installed: &Installed<'_>, sizes: Sizes) -> Result<Vec<Figure>> {
    let webhook = installed.webhooks.first().context("the chart has no webhook")?;
    let reviewer = installed.reviewer(webhook)?;
    let attackers = Attackers::start(Attack::SilentTls, &installed.reviews(webhook)?, sizes.callers)?;
    attackers.begun(GATHERING).await;
    let mut slowest = 0.0_f64;
    for _ in 0..REVIEWS {
        // One that gets no answer has waited as long as anybody waits.
        let took = reviewer.review(&review::of_pod("shop", 2 << 10)).await;
        let took = took.map_or(crate::caller::PATIENCE, |took| took);
        slowest = slowest.max(took.as_secs_f64() * 1e3);
        if took == crate::caller::PATIENCE {
            break;
        }
    }
    let (taken, held) = attackers.held();
    Ok(vec![
        figure("silent_connections_answer_ms", slowest, "ms", 1000.0),
        figure("silent_connections_taken", taken as f64, "connections", None),
        figure("silent_connections_held", held as f64, "connections", None),
    ])
}

/// Of a webhook that nothing holds to its limit, so that all is seen that it would take.
async fn bodies(installed: &Installed<'_>, sizes: Sizes) -> Result<Vec<Figure>> {
    let webhook = installed.unlimited_webhook().await?;
    let process = webhook.replica.process(webhook.container)?;
    let reviewer = installed.reviewer(&webhook)?;
    reviewer.review(&review::of_pod("shop", 2 << 10)).await?;
    process.forget_peak()?;
    let attackers = Attackers::start(Attack::HalfBodies, &installed.reviews(&webhook)?, sizes.bodies)?;
    attackers.begun(GATHERING).await;
    // As long as it takes to send what is taken of them.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let peak = process.resident_peak()? as f64 / f64::from(1 << 20);
    let (taken, _) = attackers.held();
    Ok(vec![
        figure("body_bomb_rss_mib", peak, "MiB", 64.0),
        figure("body_bomb_connections", taken as f64, "connections", None),
    ])
}

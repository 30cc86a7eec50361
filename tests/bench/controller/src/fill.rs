//! Whole clusters: filled with a new ImagePullSecret, and rotated.

use std::time::Instant;

use anyhow::Result;
use figure::{Figure, Limit, median};

use crate::cluster::Cluster;
use crate::progress::say;
use crate::raw::{self, Work};
use crate::sizes::Sizes;
use crate::subject::Subject;

/// The ImagePullSecret that is rotated, and in which latencies are measured.
pub(crate) const LAST: &str = "many-0";

/// A figure of the controller.
pub(crate) fn figure(metric: &'static str, value: f64, unit: &'static str, limit: Option<f64>) -> Figure {
    Figure { name: "controller", metric, value, unit, limit: limit.map(Limit::AtMost) }
}

/// Seconds of both, in turn.
#[derive(Default)]
struct Pairs {
    ours: Vec<f64>,
    raw: Vec<f64>,
}

impl Pairs {
    fn figures(self, ratio: &'static str, seconds: &'static str) -> [Figure; 2] {
        let (ours, raw) = (median(self.ours), median(self.raw));
        [figure(ratio, ours / raw, "ratio", Some(1.25)), figure(seconds, ours, "s", None)]
    }
}

/// The first fill, and what removing it takes.
pub(crate) async fn small(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let (mut fills, mut removals) = (Pairs::default(), Vec::new());
    for round in 0..sizes.runs {
        say(&format!("small fill {} of {}", round + 1, sizes.runs));
        let name = format!("few-{round}");
        let controller = cluster.controller().await?;
        fills.ours.push(fill(cluster, &controller, &name).await?);
        let started = Instant::now();
        cluster.withdraw(&name).await?;
        removals.push(started.elapsed().as_secs_f64());
        controller.kill();
        fills.raw.push(raw_fill(cluster, round).await?);
    }
    let mut figures = fills.figures("fill_1k_vs_raw", "fill_1k").to_vec();
    figures.push(figure("remove_1k", median(removals), "s", None));
    Ok(figures)
}

/// The large fills, one ImagePullSecret after the other so that there are three in the end, and
/// rotations of the last one. The most memory of all of it.
pub(crate) async fn large(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let (mut fills, mut rotations, mut peak) = (Pairs::default(), Pairs::default(), 0.0_f64);
    for round in (0..sizes.runs).rev() {
        say(&format!("large fill {} of {}", sizes.runs - round, sizes.runs));
        let controller = cluster.controller().await?;
        fills.ours.push(fill(cluster, &controller, &format!("many-{round}")).await?);
        controller.quiet().await?;
        peak = peak.max(controller.memory()?.1);
        say(&format!("at most {peak:.1} MiB so far"));
        controller.kill();
        fills.raw.push(raw_fill(cluster, sizes.runs + sizes.runs - 1 - round).await?);
    }
    let controller = cluster.controller().await?;
    let (size, accounts) = (cluster.size, cluster.size * cluster.accounts);
    for round in 1..=sizes.runs {
        say(&format!("rotation {round} of {}", sizes.runs));
        let before = controller.metrics().await?.writes();
        let started = Instant::now();
        cluster.rotate(LAST, round).await?;
        let is_through = |now: &crate::subject::Metrics| {
            now.writes() >= before + size as f64 && now.is_at(LAST, size, accounts)
        };
        controller.until("a rotation", is_through).await?;
        rotations.ours.push(started.elapsed().as_secs_f64());
        controller.quiet().await?;
        let work = Work::Rotate { namespaces: size, round: sizes.runs, bytes: round };
        rotations.raw.push(raw::write(cluster, work).await?);
    }
    peak = peak.max(controller.memory()?.1);
    controller.kill();
    let mut figures = fills.figures("fill_10k_vs_raw", "fill_10k").to_vec();
    figures.extend(rotations.figures("rotate_10k_vs_raw", "rotate_10k"));
    figures.push(figure("rss_10k_mib", peak, "MiB", Some(30.0)));
    Ok(figures)
}

/// Seconds from the ImagePullSecret's creation until it is everywhere.
async fn fill(cluster: &Cluster, controller: &Subject, name: &str) -> Result<f64> {
    let (size, accounts) = (cluster.size, cluster.size * cluster.accounts);
    let started = Instant::now();
    cluster.ask(name).await?;
    controller.until("a fill", |now| now.is_at(name, size, accounts)).await?;
    Ok(started.elapsed().as_secs_f64())
}

async fn raw_fill(cluster: &Cluster, round: usize) -> Result<f64> {
    let (namespaces, accounts) = (cluster.size, cluster.accounts);
    raw::write(cluster, Work::Fill { namespaces, accounts, round }).await
}

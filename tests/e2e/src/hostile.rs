//! Every listener of the installed add-on, attacked in every way by a thousand callers.
//!
//! While an attack goes on, somebody honest comes with new connections: an API server with a review at the webhook, and
//! a prober of the port that is attacked. Each line says how many callers the listener took, how many it still held,
//! how long the honest ones waited at most, and how much memory the attacked container has had.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use support::hostile::{Attack, Attackers, Target};
use support::{ControlPlane, eventually};

use crate::caller::Caller;
use crate::installed::{self, Installed, Programs, Running, SOON};
use crate::review;
use crate::steps::Steps;

/// How long somebody honest waits at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the attackers may take until all have knocked.
const GATHERING: Duration = Duration::from_secs(15);
/// Between two questions of somebody honest.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a program that is told to end may take: it answers what it has begun, for a bounded time.
const END: Duration = Duration::from_secs(25);
/// What somebody honest asks about, like most Pods.
const REVIEW: usize = 2 << 10;

/// How much of the story is told.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Callers of each attack.
    callers: usize,
    /// How long each attack goes on once all have come.
    lasts: Duration,
    /// Which programs are attacked.
    programs: Programs,
}

impl Extent {
    pub(crate) fn new(short: bool, callers: Option<usize>, built: bool) -> Self {
        let (usual, lasts) = if short { (200, 1) } else { (1000, 5) };
        Self {
            callers: callers.unwrap_or(usual),
            lasts: Duration::from_secs(lasts),
            programs: if built { Programs::Built } else { Programs::Shipped },
        }
    }
}

/// A listener under attack.
struct Port<'a> {
    name: &'static str,
    running: &'a Running,
    target: Target,
    /// Who probes it; at the port of reviews it is those that count.
    prober: Option<Caller>,
}

/// What somebody honest has waited at most.
#[derive(Default)]
struct Waited {
    review: Duration,
    probe: Duration,
}

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps, extent: Extent) -> Result<()> {
    installed::on_control_plane(extent.programs, async |plane, helm| {
        let installed = Installed::on(plane, helm, extent.programs);
        let installed = steps.step("the add-on is installed", installed).await?;
        story(steps, plane, &installed, extent).await
    })
}

async fn story(
    steps: &mut Steps,
    plane: &ControlPlane,
    installed: &Installed<'_>,
    extent: Extent,
) -> Result<()> {
    let before = installed.state().await?;
    let webhook = installed.webhooks.first().context("the chart has no webhook")?;
    let reviewer = installed.reviewer(webhook)?;
    let ports = ports(installed, webhook)?;
    let mut holds = true;
    for port in &ports {
        for attack in Attack::ALL.into_iter().filter(|attack| attack.suits(&port.target)) {
            let what = format!("{} {attack} at {}", extent.callers, port.name);
            holds &= steps.trial(&what, attacked(installed, port, &reviewer, attack, extent)).await;
            port.running.recover().await?;
            webhook.recover().await?;
            let calm = async || ask(port, &reviewer).await;
            eventually("the answers to come again", SOON, calm).await?;
        }
    }
    let same = async {
        let after = installed.state().await?;
        for (what, was) in &before {
            ensure!(after.get(what) == Some(was), "{what} was {was:?} and is {:?}", after.get(what));
        }
        Ok(format!("{} things", before.len()))
    };
    holds &= steps.trial("the Secrets and the hosts file are as before", same).await;
    // Also not after an attack, when what it has left is looked at.
    let none_ended = async {
        for port in &ports {
            let ended = port.running.replica.ended_for_memory(port.running.container)?;
            ensure!(ended == 0, "{} {ended} times", port.running.container);
        }
        Ok("none".to_owned())
    };
    holds &= steps.trial("processes that the kernel has ended for their memory", none_ended).await;
    for port in ports {
        let what = format!("{} silent callers at {}, and it is told to end", extent.callers, port.name);
        holds &= steps.trial(&what, told_to_end(&port, extent)).await;
        port.running.replica.process(port.running.container)?.start()?;
        port.running.ready().await?;
    }
    if !holds {
        plane.run().failed();
    }
    Ok(())
}

fn ports<'a>(installed: &'a Installed<'_>, webhook: &'a Running) -> Result<Vec<Port<'a>>> {
    let probed = |name, running: &'a Running, port, path| -> Result<Port<'a>> {
        // Metrics are the longest answer that these ports have.
        let target = running.target(port, "/metrics")?;
        let prober = Some(Caller::stranger(running.target(port, path)?, None));
        Ok(Port { name, running, target, prober })
    };
    let target = installed.reviews(webhook)?;
    let reviews = Port { name: "the webhook", running: webhook, target, prober: None };
    Ok(vec![
        reviews,
        probed("the webhook's readiness", webhook, "readiness", "/readiness")?,
        probed("the controller", &installed.controller, "http", "/healthz")?,
        probed("hosts-updater", &installed.agent, "metrics", "/metrics")?,
    ])
}

/// One attack, and what was held.
async fn attacked(
    installed: &Installed<'_>,
    port: &Port<'_>,
    reviewer: &Caller,
    attack: Attack,
    extent: Extent,
) -> Result<String> {
    let Running { container, replica } = port.running;
    let process = replica.process(container)?;
    process.forget_peak()?;
    let ended_before = replica.ended_for_memory(container)?;
    let attackers = Attackers::start(attack, &port.target, extent.callers)?;
    attackers.begun(GATHERING).await;
    let asked = ask_while(port, reviewer, extent.lasts).await;
    let (taken, held) = attackers.held();
    let ended = replica.ended_for_memory(container)? - ended_before;
    ensure!(
        ended == 0,
        "took {taken}; {container} has reached its memory limit, and the kernel has ended it"
    );
    process.check()?;
    let peak = process.resident_peak()? as f64 / f64::from(1 << 20);
    let limit =
        replica.limits(container)?.memory.map_or(f64::INFINITY, |bytes| bytes as f64 / f64::from(1 << 20));
    let held = format!("took {taken}, holds {held}, peak {peak:.1} of {limit} MiB");
    let waited = asked.with_context(|| held.clone())?;
    let probe = port.prober.as_ref().map(|_| format!(", a probe {} ms", waited.probe.as_millis()));
    let found = format!("{held}, a review {} ms{}", waited.review.as_millis(), probe.unwrap_or_default());
    ensure!(waited.review.max(waited.probe) <= PATIENCE, "{found}, at most {} ms", PATIENCE.as_millis());
    ensure!(installed.programs == Programs::Built || peak <= limit, "{found}");
    Ok(found)
}

/// The longest that anybody honest waits meanwhile.
async fn ask_while(port: &Port<'_>, reviewer: &Caller, lasts: Duration) -> Result<Waited> {
    let mut most = Waited::default();
    let start = Instant::now();
    loop {
        let waited = ask(port, reviewer).await?;
        most.review = most.review.max(waited.review);
        most.probe = most.probe.max(waited.probe);
        if start.elapsed() >= lasts {
            return Ok(most);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Everybody honest, once.
async fn ask(port: &Port<'_>, reviewer: &Caller) -> Result<Waited> {
    let review = reviewer.review(&review::of_pod("shop", REVIEW)).await.context("an honest review")?;
    let probe = match &port.prober {
        Some(prober) => prober.get().await.context("an honest probe")?,
        None => Duration::ZERO,
    };
    Ok(Waited { review, probe })
}

async fn told_to_end(port: &Port<'_>, extent: Extent) -> Result<String> {
    let silent = if port.target.tls.is_some() { Attack::SilentTls } else { Attack::SilentTcp };
    let attackers = Attackers::start(silent, &port.target, extent.callers)?;
    attackers.begun(GATHERING).await;
    let start = Instant::now();
    let ended = port.running.replica.process(port.running.container)?.stop(END).await;
    let status = ended.with_context(|| format!("it had to be killed after {} s", END.as_secs()))?;
    ensure!(status.success(), "it ended with {status}");
    Ok(format!("it ended after {:.1} s", start.elapsed().as_secs_f64()))
}

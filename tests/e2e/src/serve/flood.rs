//! Reviews of one namespace, alone and beside another one's flood, put to one webhook.
//!
//! Straight to the webhook, because an API server that is flooded is slow by itself; and by two clients, each with threads
//! and connections of its own, because a client that floods is slow by itself too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::review;

/// What most Pods have.
const SIZE: usize = 5 << 10;

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Callers of the quiet namespace, one question after another.
    quiet: usize,
    /// Questions of each.
    questions: usize,
    /// Callers of the namespace that floods.
    flood: usize,
}

pub(super) const FULL: Sizes = Sizes { quiet: 2, questions: 200, flood: 64 };
pub(super) const SMOKE: Sizes = Sizes { quiet: 2, questions: 10, flood: 8 };

pub(super) struct Flood {
    /// Milliseconds of each question of the quiet namespace, alone and beside the flood.
    pub(super) alone: Vec<f64>,
    pub(super) beside: Vec<f64>,
    /// Questions of the quiet namespace that got no answer, or not the right one.
    pub(super) unanswered: usize,
    /// Answers that the namespace which floods gets in a second.
    pub(super) rate: f64,
}

/// `flooding` is the namespace that floods, and `quiet` the other one; `flooder` and `caller` ask for them.
pub(super) async fn measure(
    flooder: &Caller,
    flooding: &str,
    caller: &Caller,
    quiet: &str,
    sizes: Sizes,
) -> Result<Flood> {
    // What is cold the first time is no figure of this.
    apart(caller, quiet, Sizes { questions: sizes.questions / 10, ..sizes }).await?;
    let (alone, unanswered_alone) = apart(caller, quiet, sizes).await?;
    let ended = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..sizes.flood {
        let (caller, ended, answered) = (flooder.clone(), ended.clone(), answered.clone());
        let review = review::of_pod(flooding, SIZE);
        flood.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                // What comes of a flood is the webhook's choice.
                let is_answered = caller.review(&review).await.is_ok();
                answered.fetch_add(usize::from(is_answered), Ordering::Relaxed);
            }
        });
    }
    let start = Instant::now();
    let (beside, unanswered) = apart(caller, quiet, sizes).await?;
    let rate = answered.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    flood.join_all().await;
    Ok(Flood { alone, beside, unanswered: unanswered + unanswered_alone, rate })
}

/// [`reviews`] on a thread of its own.
async fn apart(caller: &Caller, namespace: &str, sizes: Sizes) -> Result<(Vec<f64>, usize)> {
    let (caller, namespace) = (caller.clone(), namespace.to_owned());
    let thread = tokio::task::spawn_blocking(move || -> Result<_> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Connections belong to the runtime that opened them.
        let caller = caller.regular()?;
        Ok(runtime.block_on(reviews(&caller, &namespace, sizes)))
    });
    thread.await?
}

/// Milliseconds of each answer, and how many questions got none.
async fn reviews(caller: &Caller, namespace: &str, sizes: Sizes) -> (Vec<f64>, usize) {
    let mut asking = JoinSet::new();
    for _ in 0..sizes.quiet {
        let caller = caller.clone();
        let review = review::of_pod(namespace, SIZE);
        asking.spawn(async move {
            let (mut took, mut unanswered) = (Vec::new(), 0);
            for _ in 0..sizes.questions {
                let start = Instant::now();
                unanswered += usize::from(caller.review(&review).await.is_err());
                took.push(start.elapsed().as_secs_f64() * 1e3);
            }
            (took, unanswered)
        });
    }
    let mut all = (Vec::new(), 0);
    for (took, unanswered) in asking.join_all().await {
        all.0.extend(took);
        all.1 += unanswered;
    }
    all
}

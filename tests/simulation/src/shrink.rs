//! The shortest history that still breaks the rule: actions are left out as long as it does.

use crate::action::Action;
use crate::history::{self, Outcome};
use crate::view::SharedViews;

/// Histories that are tried at most.
const MOST_TRIES: usize = 4000;

/// The actions that are left, and what comes of them.
pub fn shrink(
    seed: u64,
    actions: &[Action],
    outcome: &Outcome,
    views: &SharedViews,
) -> (Vec<Action>, Outcome) {
    let Some(broken) = &outcome.broken else { return (actions.to_vec(), outcome.clone()) };
    let rule = broken.rule;
    let mut best = (actions[..outcome.at.min(actions.len())].to_vec(), outcome.clone());
    let mut tries = 0;
    let mut size = best.0.len().div_ceil(2);
    while size > 0 && tries < MOST_TRIES {
        let mut from = 0;
        let mut removed = false;
        while from < best.0.len() && tries < MOST_TRIES {
            let mut fewer = best.0.clone();
            fewer.drain(from..(from + size).min(fewer.len()));
            tries += 1;
            let outcome = history::run(seed, &fewer, views, None);
            if outcome.broken.as_ref().is_some_and(|it| it.rule == rule) {
                best = (fewer, outcome);
                removed = true;
            } else {
                from += size;
            }
        }
        size = if size > 1 { size.div_ceil(2) } else { usize::from(removed) };
    }
    best
}

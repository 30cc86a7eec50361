//! Workers, and who waits for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::fair_queue::{FairQueue, Lane, Pushed, Ticket};

/// Reviews that wait for a worker; more than a worker answers in a second.
const MOST_WAITING: usize = 1024;

/// So many workers. Cloning shares them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    queue: FairQueue<oneshot::Sender<Turn>>,
}

/// A worker's time; giving it up lets the next review in.
pub(super) struct Turn(Option<Turns>);

/// Why there was no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Too many wait.
    Full,
    /// None came in time.
    Late,
}

impl Turns {
    pub(super) fn new(workers: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: workers.max(1), queue: FairQueue::new(MOST_WAITING) })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn until then.
    pub(super) async fn wait(&self, lane: Lane, until: Instant) -> Result<Turn, NoTurn> {
        let (turn, mut waits) = {
            let mut state = self.state();
            // While a worker is free nobody waits.
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Some(self.clone())));
            }
            let (give, turn) = oneshot::channel();
            let ticket = match state.queue.push(lane, give) {
                Pushed::Full(_) => return Err(NoTurn::Full),
                // The other one hears of it by the end of its channel.
                Pushed::Waits(ticket) | Pushed::InsteadOf(ticket, _) => ticket,
            };
            (turn, Waits { turns: self, ticket: Some(ticket) })
        };
        let turn = tokio::time::timeout_at(until.into(), turn).await;
        match turn {
            Ok(turn) => {
                waits.ticket = None;
                turn.map_err(|_| NoTurn::Full)
            }
            Err(_) => Err(NoTurn::Late),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = turns.state();
                let next = state.queue.pop();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn(Some(turns.clone()))) {
                Ok(()) => return,
                // It waits no longer; not to be given up again by its own end.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

/// One that waits; where it gives up, it is taken out of the queue.
struct Waits<'t> {
    turns: &'t Turns,
    ticket: Option<Ticket>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.turns.state().queue.remove(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LANE: Lane = Lane { policy: 0, namespace: 0 };

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_turn_given_up_is_the_next_ones() {
        let turns = Turns::new(1);
        let first = turns.wait(LANE, soon()).await.unwrap();
        assert_eq!(turns.wait(LANE, Instant::now()).await.err(), Some(NoTurn::Late));
        let next = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(LANE, soon()).await.is_ok() }
        });
        while turns.state().queue.len() == 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert!(next.await.unwrap());
        assert_eq!(turns.state().free, 1);
    }

    #[tokio::test]
    async fn a_turn_for_somebody_who_has_gone_is_not_lost() {
        let turns = Turns::new(1);
        let first = turns.wait(LANE, soon()).await.unwrap();
        let gone = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(LANE, soon()).await.is_ok() }
        });
        while turns.state().queue.len() == 0 {
            tokio::task::yield_now().await;
        }
        // It gives up between the turn's coming and its being told.
        drop(first);
        gone.abort();
        let _ = gone.await;
        assert!(turns.wait(LANE, soon()).await.is_ok());
        assert!(turns.state().queue.len() == 0);
    }

    #[tokio::test]
    async fn a_full_queue_is_told_at_once() {
        let turns = Turns::new(1);
        let _first = turns.wait(LANE, soon()).await.unwrap();
        let wait = |namespace| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.wait(Lane { policy: 0, namespace }, soon()).await.err() })
        };
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| wait(0)).collect();
        while turns.state().queue.len() < MOST_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.wait(LANE, soon()).await.err(), Some(NoTurn::Full));
        // Another lane takes the place of the last of the long one.
        let other = wait(1);
        assert_eq!(waiting.pop().unwrap().await.unwrap(), Some(NoTurn::Full));
        assert!(!other.is_finished() && waiting.iter().all(|task| !task.is_finished()));
    }
}

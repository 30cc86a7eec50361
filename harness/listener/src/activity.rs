//! The activity of one connection, and what is to be done with it. Pure but for the lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// How long a body may stand still before its connection counts as one that does nothing.
pub(crate) const STALLED: Duration = Duration::from_millis(500);
/// How long a new connection may send nothing, or pause in its handshake, before it counts as silent. Only
/// waiting counts: bytes that this process had no time to read are not held against the client.
const ARRIVING: Duration = Duration::from_millis(250);
/// How long it may be waited for in all before its first request, and count as one that comes.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(1);
/// Bytes that a connection may have sent by then: a handshake with a client's certificates and HTTP/2's
/// settings is less, and a client that only sends pings is not about to send a request.
const MOST_ARRIVAL_BYTES: usize = 16 << 10;
/// How long a connection may take to close after it was told to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that were taken back, more than were let finish: an API server gives up one in a while, and
/// a client that takes back each one makes work and no admission.
const MOST_GIVEN_UP: usize = 200;
/// Bytes without a request and without a piece of a body: handshakes, settings, pings, and what HTTP/2's
/// window lets a body send ahead.
const MOST_IDLE_BYTES: usize = 512 << 10;

/// The activity of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    state: Mutex<State>,
    /// Read since a request or a body last came forward.
    idle_bytes: AtomicUsize,
}

#[derive(Clone, Debug)]
struct State {
    /// When anything last came of it: it was opened, a request began, came forward, or ended.
    since: Instant,
    /// Whether there was a request ever.
    proven: bool,
    /// Before its first request: since when it is waited for, because everything that it has sent was read.
    waiting_since: Option<Instant>,
    /// How long it was waited for before that.
    waited: Duration,
    /// Requests that began and are not answered to the end.
    open: usize,
    /// How many of those have a body that is being read.
    reading: usize,
    /// How many of those have an answer that is being received.
    answering: usize,
    /// When an answer last was, or began to be.
    answer_since: Instant,
    /// Since when the other side takes no byte.
    blocked_since: Option<Instant>,
    finished: usize,
    given_up: usize,
    /// When it was told to close.
    told: Option<Instant>,
}

/// How much a connection would be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It has sent much, and no request.
    Noisy,
    /// There was no request yet.
    Silent,
    /// All that it has are bodies that stand still and answers that are not taken.
    Stalled,
    /// It is between requests.
    Idle,
    /// It has just come, or is in its handshake.
    Arriving,
    /// It has a request.
    Busy,
}

impl Stage {
    /// Whether a request may be lost where its connection ends at once.
    pub(crate) fn is_missed(self) -> bool {
        self >= Self::Idle
    }
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing; look again then.
    Wait(Instant),
    /// Tell it to close.
    Leave,
    /// It ends at once, for this reason.
    End(&'static str),
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Self {
        let state = State {
            since: now,
            proven: false,
            waiting_since: None,
            waited: Duration::ZERO,
            open: 0,
            reading: 0,
            answering: 0,
            answer_since: now,
            blocked_since: None,
            finished: 0,
            given_up: 0,
            told: None,
        };
        Self { state: Mutex::new(state), idle_bytes: AtomicUsize::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came_forward(&self, change: impl FnOnce(&mut State)) {
        self.idle_bytes.store(0, Ordering::Relaxed);
        let mut state = self.state();
        state.since = Instant::now();
        change(&mut state);
    }

    pub(crate) fn request_began(&self) {
        self.came_forward(|state| {
            state.proven = true;
            state.open += 1;
        });
    }

    pub(crate) fn answer_began(&self) {
        self.came_forward(|state| {
            state.answering += 1;
            state.answer_since = state.since;
        });
    }

    /// `answered`: there was an answer, and it was taken or its caller has gone; else the request was taken
    /// back before.
    pub(crate) fn request_ended(&self, answered: bool) {
        self.came_forward(|state| {
            state.open = state.open.saturating_sub(1);
            if answered {
                state.finished += 1;
                state.answering = state.answering.saturating_sub(1);
                state.answer_since = state.since;
            } else {
                state.given_up += 1;
            }
        });
    }

    pub(crate) fn reading_began(&self) {
        self.came_forward(|state| state.reading += 1);
    }

    pub(crate) fn reading_came_forward(&self) {
        self.came_forward(|_| {});
    }

    pub(crate) fn reading_ended(&self) {
        self.came_forward(|state| state.reading = state.reading.saturating_sub(1));
    }

    /// Bytes came; whether that is too much for nothing.
    pub(crate) fn read(&self, bytes: usize) -> bool {
        let idle = self.idle_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let mut state = self.state();
        if let Some(since) = state.waiting_since.take() {
            state.waited += since.elapsed();
        }
        idle <= MOST_IDLE_BYTES
    }

    /// All that it has sent was read.
    pub(crate) fn waits(&self) {
        let mut state = self.state();
        if !state.proven {
            state.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// The other side took bytes, or did not.
    pub(crate) fn wrote(&self, taken: bool) {
        let mut state = self.state();
        state.blocked_since = match taken {
            true => None,
            false => state.blocked_since.or_else(|| Some(Instant::now())),
        };
    }

    /// Whether it has sent more than normally precedes a first request.
    fn is_noisy(&self) -> bool {
        self.idle_bytes.load(Ordering::Relaxed) > MOST_ARRIVAL_BYTES
    }

    pub(crate) fn told(&self, now: Instant) {
        self.state().told.get_or_insert(now);
    }

    /// How much it would be missed, and since when that is so.
    pub(crate) fn stage(&self, now: Instant) -> (Stage, Instant) {
        let state = self.state();
        let stage = match &*state {
            State { proven: false, .. } if self.is_noisy() => Stage::Noisy,
            State { proven: false, waiting_since, waited, since, .. } => {
                let waiting = waiting_since.map_or(Duration::ZERO, |since| now.duration_since(since));
                let is_coming = waiting < ARRIVING && *waited + waiting < LONGEST_ARRIVAL;
                let stage = if is_coming { Stage::Arriving } else { Stage::Silent };
                return (stage, waiting_since.unwrap_or(*since));
            }
            State { open: 0, .. } => Stage::Idle,
            State { open, reading, answering, since, .. }
                if *open == reading + answering && now.duration_since(*since) >= STALLED =>
            {
                Stage::Stalled
            }
            _ => Stage::Busy,
        };
        (stage, state.since)
    }

    pub(crate) fn next(&self, now: Instant, limits: &Limits) -> Next {
        let state = self.state();
        let mut look = now + limits.answer;
        let mut is_over = |since: Instant, most: Duration| {
            let until = since + most;
            look = look.min(if until > now { until } else { look });
            until <= now
        };
        if state.given_up.saturating_sub(state.finished) > MOST_GIVEN_UP {
            return Next::End("it takes its requests back");
        }
        if state.blocked_since.is_some_and(|since| is_over(since, limits.answer))
            || state.answering > 0 && is_over(state.answer_since, limits.answer)
        {
            return Next::End("it does not take its answers");
        }
        if !state.proven && is_over(state.since, limits.first_request) {
            return Next::End("it sends no request");
        }
        if state.open == 0 {
            match state.told {
                Some(told) if is_over(told.max(state.since), CLOSE_TIMEOUT) => {
                    return Next::End("it was told to close, and did not");
                }
                None if state.proven && is_over(state.since, limits.idle) => return Next::Leave,
                _ => {}
            }
        }
        Next::Wait(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits::connections(1)
    }

    fn end(reason: &'static str) -> Next {
        Next::End(reason)
    }

    #[test]
    fn a_connection_without_a_request_ends_and_one_that_had_one_is_told_to_close() {
        let now = Instant::now();
        let activity = Activity::new(now);
        assert_eq!(activity.next(now + 9 * SECOND, &limits()), Next::Wait(now + 10 * SECOND));
        assert_eq!(activity.next(now + 10 * SECOND, &limits()), end("it sends no request"));
        activity.request_began();
        activity.answer_began();
        activity.request_ended(true);
        let now = Instant::now();
        assert_eq!(activity.stage(now).0, Stage::Idle);
        // Longer than an API server would keep it.
        assert!(matches!(activity.next(now + 100 * SECOND, &limits()), Next::Wait(_)));
        assert_eq!(activity.next(now + 121 * SECOND, &limits()), Next::Leave);
        activity.told(now + 121 * SECOND);
        assert!(matches!(activity.next(now + 122 * SECOND, &limits()), Next::Wait(_)));
        assert_eq!(activity.next(now + 127 * SECOND, &limits()), end("it was told to close, and did not"));
    }

    #[test]
    fn a_caller_that_is_waited_for_is_silent_and_one_that_waits_itself_is_not() {
        let activity = Activity::new(Instant::now());
        let stage = |after: Duration| activity.stage(Instant::now() + after).0;
        assert_eq!(stage(9 * SECOND), Stage::Arriving, "nothing of it was looked at yet");
        activity.waits();
        assert_eq!(stage(Duration::ZERO), Stage::Arriving);
        assert_eq!(stage(ARRIVING), Stage::Silent);
        activity.read(1);
        assert_eq!(stage(9 * SECOND), Stage::Arriving, "what it sent is worked on");
        activity.state().waited = LONGEST_ARRIVAL - ARRIVING / 2;
        activity.waits();
        assert_eq!(stage(ARRIVING / 2), Stage::Silent, "it was waited for long enough in all");
    }

    #[test]
    fn who_sends_much_before_its_first_request_is_missed_least() {
        let activity = Activity::new(Instant::now());
        let stage = || activity.stage(Instant::now()).0;
        activity.read(MOST_ARRIVAL_BYTES);
        assert_eq!(stage(), Stage::Arriving);
        activity.read(1);
        assert_eq!(stage(), Stage::Noisy);
        activity.request_began();
        assert_eq!(stage(), Stage::Busy);
    }

    #[test]
    fn a_request_that_is_worked_on_is_waited_for_also_when_it_was_told_to_close() {
        let activity = Activity::new(Instant::now());
        activity.request_began();
        let now = Instant::now();
        activity.told(now);
        assert_eq!(activity.stage(now + 300 * SECOND).0, Stage::Busy);
        assert!(matches!(activity.next(now + 300 * SECOND, &limits()), Next::Wait(_)));
    }

    #[test]
    fn a_body_that_stands_still_is_nothing_that_would_be_missed() {
        let activity = Activity::new(Instant::now());
        activity.request_began();
        activity.reading_began();
        let now = Instant::now();
        assert_eq!(activity.stage(now).0, Stage::Busy);
        assert_eq!(activity.stage(now + SECOND).0, Stage::Stalled);
        activity.request_began();
        assert_eq!(activity.stage(Instant::now() + SECOND).0, Stage::Busy, "the other one is worked on");
        activity.reading_ended();
        assert_eq!(activity.stage(Instant::now() + SECOND).0, Stage::Busy);
    }

    #[test]
    fn answers_that_are_not_taken_end_it() {
        let activity = Activity::new(Instant::now());
        activity.request_began();
        activity.answer_began();
        let now = Instant::now();
        assert!(matches!(activity.next(now + 9 * SECOND, &limits()), Next::Wait(_)));
        assert_eq!(activity.next(now + 11 * SECOND, &limits()), end("it does not take its answers"));
        activity.request_ended(true);
        assert!(matches!(activity.next(now + 11 * SECOND, &limits()), Next::Wait(_)));
        activity.wrote(false);
        let now = Instant::now();
        assert_eq!(activity.next(now + 11 * SECOND, &limits()), end("it does not take its answers"));
        activity.wrote(true);
        assert!(matches!(activity.next(now + 11 * SECOND, &limits()), Next::Wait(_)));
    }

    #[test]
    fn requests_that_are_taken_back_end_it_unless_as_many_are_let_finish() {
        let activity = Activity::new(Instant::now());
        let finish = |times: usize, answered| {
            for _ in 0..times {
                activity.request_began();
                activity.request_ended(answered);
            }
        };
        finish(MOST_GIVEN_UP, false);
        assert!(matches!(activity.next(Instant::now(), &limits()), Next::Wait(_)));
        finish(1, false);
        assert_eq!(activity.next(Instant::now(), &limits()), end("it takes its requests back"));
        finish(1, true);
        assert!(matches!(activity.next(Instant::now(), &limits()), Next::Wait(_)));
    }

    #[test]
    fn bytes_that_are_no_request_are_bounded() {
        let activity = Activity::new(Instant::now());
        assert!(activity.read(MOST_IDLE_BYTES));
        activity.request_began();
        assert!(activity.read(MOST_IDLE_BYTES));
        assert!(!activity.read(1));
    }
}

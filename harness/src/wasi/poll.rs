//! `poll_oneoff`, by which a guest sleeps: `thread::sleep` in Rust, the scheduler in Go.
//!
//! A guest that sleeps holds its instance's place, and its time goes on: a sleep that would end after
//! the deadline ends at the deadline, as a loop would.

use std::time::{Duration, Instant};

use wasmtime::{Caller, Trap};

use super::clock::now;
use super::errno::{BADF, INVAL, SUCCESS};
use crate::call_state::CallState;
use crate::wapc::{read, write};

const IMPORT: &str = "poll_oneoff";
/// Sizes of WASI's structures, in bytes.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;
/// Subscriptions at a time. A guest has three descriptors and some clocks to wait for.
const MOST: u32 = 1024;

/// The event that a guest waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Clock { clock: u32, nanoseconds: u64, is_absolute: bool },
    Readable(u32),
    Writable(u32),
}

struct Subscription {
    /// Given back with the event.
    userdata: [u8; 8],
    tag: u8,
    awaited: Awaited,
}

/// When it happens, and with which error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    /// `None` for later than any deadline.
    at: Option<Instant>,
    error: i32,
}

pub(super) fn poll(
    mut caller: Caller<'_, CallState>,
    subscriptions: u32,
    events: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<i32> {
    if !(1..=MOST).contains(&count) {
        return Ok(INVAL);
    }
    let length = count * SUBSCRIPTION as u32;
    let bytes = read(&mut caller, IMPORT, subscriptions, length)?.to_vec();
    let Some(waiting): Option<Vec<Subscription>> =
        bytes.chunks_exact(SUBSCRIPTION).map(Subscription::read).collect()
    else {
        return Ok(INVAL);
    };
    let began = Instant::now();
    let due: Vec<Due> = waiting.iter().map(|it| it.awaited.due(began)).collect();
    let deadline = caller.data().deadline;
    let first = due.iter().filter_map(|due| due.at).min();
    let until = first.map_or(deadline, |first| first.min(deadline));
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    if first.is_none_or(|first| first > deadline) {
        return Err(wasmtime::Error::from(Trap::Interrupt));
    }
    let mut happened = Vec::new();
    for (subscription, due) in waiting.iter().zip(due) {
        if due.at.is_some_and(|at| at <= until) {
            happened.extend(subscription.event(due.error));
        }
    }
    let number = u32::try_from(happened.len() / EVENT).unwrap_or(count);
    write(&mut caller, IMPORT, events, &happened)?;
    write(&mut caller, IMPORT, written, &number.to_le_bytes())?;
    Ok(SUCCESS)
}

impl Subscription {
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let tag = *bytes.get(8)?;
        let awaited = match tag {
            0 => Awaited::Clock {
                clock: number(16)?,
                nanoseconds: long(24)?,
                is_absolute: bytes.get(40)? & 1 == 1,
            },
            1 => Awaited::Readable(number(16)?),
            2 => Awaited::Writable(number(16)?),
            _ => return None,
        };
        Some(Self { userdata: bytes.get(..8)?.try_into().ok()?, tag, awaited })
    }

    fn event(&self, error: i32) -> [u8; EVENT] {
        let mut event = [0; EVENT];
        event[..8].copy_from_slice(&self.userdata);
        event[8] = error as u8;
        event[10] = self.tag;
        event
    }
}

impl Awaited {
    /// Standard input is at its end and the outputs never block, so that only clocks are waited for.
    fn due(self, began: Instant) -> Due {
        let at_once = |error| Due { at: Some(began), error };
        match self {
            Self::Readable(0) | Self::Writable(1 | 2) => at_once(SUCCESS),
            Self::Readable(_) | Self::Writable(_) => at_once(BADF),
            Self::Clock { clock, nanoseconds, is_absolute } => {
                let Some(now) = now(clock) else { return at_once(INVAL) };
                let time = Duration::from_nanos(nanoseconds);
                let left = if is_absolute { time.saturating_sub(now) } else { time };
                Due { at: began.checked_add(left), error: SUCCESS }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(tag: u8, number: u32, nanoseconds: u64, flags: u8) -> [u8; SUBSCRIPTION] {
        let mut bytes = [0; SUBSCRIPTION];
        bytes[..8].copy_from_slice(b"userdata");
        bytes[8] = tag;
        bytes[16..20].copy_from_slice(&number.to_le_bytes());
        bytes[24..32].copy_from_slice(&nanoseconds.to_le_bytes());
        bytes[40] = flags;
        bytes
    }

    #[test]
    fn a_clock_is_due_when_its_time_is_over_and_the_rest_at_once() {
        let began = Instant::now();
        let due = |bytes: [u8; SUBSCRIPTION]| Subscription::read(&bytes).map(|it| it.awaited.due(began));
        let at_once = |error| Some(Due { at: Some(began), error });
        let in_a_second = Due { at: Some(began + Duration::from_secs(1)), error: SUCCESS };
        assert_eq!(due(subscription(0, 1, 1_000_000_000, 0)), Some(in_a_second));
        assert_eq!(due(subscription(0, 0, 1, 1)), at_once(SUCCESS), "a time of day that has been");
        assert_eq!(due(subscription(0, 9, 1, 0)), at_once(INVAL), "no such clock");
        assert_eq!(due(subscription(1, 0, 0, 0)), at_once(SUCCESS));
        assert_eq!(due(subscription(2, 2, 0, 0)), at_once(SUCCESS));
        assert_eq!(due(subscription(1, 3, 0, 0)), at_once(BADF));
        assert_eq!(due(subscription(2, 0, 0, 0)), at_once(BADF));
        assert_eq!(due(subscription(7, 0, 0, 0)), None, "no such thing to wait for");
    }

    #[test]
    fn an_event_gives_back_whose_it_is() {
        let event = Subscription::read(&subscription(1, 3, 0, 0)).unwrap().event(BADF);
        assert_eq!(event[..11], *b"userdata\x08\0\x01");
    }
}

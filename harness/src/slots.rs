//! How many instances exist at once: calls beyond the limit wait their turn, within their time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(crate) struct Slots {
    places: Mutex<Places>,
    freed: Condvar,
}

struct Places {
    free: usize,
    /// The number of waiting calls: at zero no call has to be woken, which would be a system call.
    waiting: usize,
}

/// One instance's place; giving it up lets the next call in.
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self { places: Mutex::new(Places { free: count.max(1), waiting: 0 }), freed: Condvar::new() }
    }

    /// Waits for a place; `None` when there is none until `deadline`.
    pub(crate) fn take(&self, deadline: Instant) -> Option<Slot<'_>> {
        let mut places = self.lock();
        while places.free == 0 {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            places.waiting += 1;
            places = self.freed.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0;
            places.waiting -= 1;
        }
        places.free -= 1;
        Some(Slot { slots: self })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut places = self.slots.lock();
        places.free += 1;
        if places.waiting > 0 {
            self.slots.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_place_given_up_lets_a_waiting_call_in() {
        let slots = Slots::new(1);
        let first = slots.take(Instant::now()).unwrap();
        assert!(slots.take(Instant::now()).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| slots.take(Instant::now() + Duration::from_secs(60)).is_some());
            drop(first);
            assert!(waiting.join().unwrap());
        });
        assert!(slots.take(Instant::now()).is_some());
    }
}

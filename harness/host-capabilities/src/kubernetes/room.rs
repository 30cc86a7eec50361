//! The memory that all lists share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::api_server::Failure;

/// So many bytes. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    most: usize,
    used: AtomicUsize,
}

/// One caller's share of a room, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Bytes { most, used: AtomicUsize::new(0) }))
    }

    /// Whether more than half of it is taken.
    pub(super) fn is_short(&self) -> bool {
        self.0.used.load(Ordering::Relaxed) > self.0.most / 2
    }

    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

impl Share {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more of the room, or gives some back.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), Failure> {
        let Bytes { most, used } = &*self.room.0;
        if let Some(more) = bytes.checked_sub(self.bytes) {
            let fits = |used: usize| used.checked_add(more).filter(|used| used <= most);
            used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
                .map_err(|_| Failure::NoRoom(*most))?;
        } else {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_to_no_more_than_the_room_and_are_given_back() {
        let room = Room::new(10);
        let (mut one, mut other) = (room.share(), room.share());
        one.resize(4).unwrap();
        assert!(!room.is_short());
        other.resize(6).unwrap();
        assert!(room.is_short());
        assert!(one.resize(5).is_err());
        assert_eq!(one.bytes(), 4);
        other.resize(5).unwrap();
        one.resize(5).unwrap();
        drop(one);
        other.resize(10).unwrap();
        assert!(other.resize(usize::MAX).is_err());
        drop(other);
        assert_eq!(room.0.used.load(Ordering::Relaxed), 0);
    }
}

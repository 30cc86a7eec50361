//! Bodies of requests: how many bytes of them are there at a time, which is known before they are read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use http_body::Body as _;
use tokio::sync::Notify;

use crate::activity::STALLED;
use crate::connection::Caller;

/// Bytes of a request besides its body: its head, and bookkeeping.
const BESIDES: usize = 4 << 10;
/// A body up to this size finds room where the rest is full of larger ones.
const SMALL: usize = 64 << 10;
/// Requests that wait for room; further ones are told at once.
const MOST_WAITING: usize = 1024;
/// How soon a request that waits looks again for bodies that stand still.
const LOOK: Duration = Duration::from_millis(100);

/// The room that bodies share. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    room: Mutex<Room>,
    freed: Notify,
}

/// The bytes held by each caller. A fifth of the room is for small bodies.
#[derive(Debug)]
struct Room {
    most: usize,
    used: usize,
    next: u64,
    held: BTreeMap<u64, Holding>,
    waiting: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Holding {
    peer: IpAddr,
    bytes: usize,
    /// When its last piece came; none once it is whole.
    since: Option<Instant>,
    stop: Arc<Notify>,
}

/// A body that was read, and its room until this is dropped.
#[derive(Debug)]
pub struct Body {
    /// The body's bytes, whole.
    pub bytes: Vec<u8>,
    _place: Place,
}

#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    id: u64,
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be.
    #[error("the body has more than {0} bytes")]
    TooLong(usize),
    /// It ended before its end.
    #[error("the body broke off")]
    BrokeOff,
    /// It did not come in time, or not on while others waited for its room.
    #[error("the body did not arrive in time")]
    TooLate,
    /// There was no room for it.
    #[error("too many requests are being read")]
    NoRoom,
}

impl Bodies {
    /// The least room in which a body of that many bytes is read.
    pub fn least_room(body: usize) -> usize {
        (body.saturating_add(BESIDES)).div_ceil(4).saturating_mul(5)
    }

    /// Room for `most` bytes.
    pub fn new(most: usize) -> Self {
        let room = Room { most, used: 0, next: 0, held: BTreeMap::new(), waiting: BTreeMap::new() };
        Self(Arc::new(Shared { room: Mutex::new(room), freed: Notify::new() }))
    }

    /// Reads a request's body of at most `longest` bytes until then, once there is room for it. One whose
    /// length is not told takes room for the longest.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn read(&self, request: Request, longest: usize, until: Instant) -> Result<Body, BodyError> {
        let caller = request.extensions().get::<Caller>().cloned();
        let body = request.into_body();
        let told = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if told.is_some_and(|bytes| bytes > longest) {
            return Err(BodyError::TooLong(longest));
        }
        let bytes = told.unwrap_or(longest);
        let peer = caller.as_ref().map_or(IpAddr::from([0, 0, 0, 0]), |caller| caller.peer);
        // Waiting for room is no work either, for which a connection would be kept.
        let reading = caller.map(Reading::of);
        let (place, stop) = self.place(peer, bytes, until).await?;
        let read = self.fill(body, &place, told, longest, reading.as_ref());
        let bytes = tokio::select! {
            read = tokio::time::timeout_at(until.into(), read) => read.unwrap_or(Err(BodyError::TooLate))?,
            () = stop.notified() => return Err(BodyError::TooLate),
        };
        self.0.room().finished(place.id);
        Ok(Body { bytes, _place: place })
    }

    async fn fill(
        &self,
        mut body: axum::body::Body,
        place: &Place,
        told: Option<usize>,
        longest: usize,
        reading: Option<&Reading>,
    ) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::with_capacity(told.unwrap_or(0));
        loop {
            let frame =
                std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
            let Some(frame) = frame else { return Ok(bytes) };
            let Ok(data) = frame.map_err(|_| BodyError::BrokeOff)?.into_data() else { continue };
            if bytes.len() + data.len() > longest {
                return Err(BodyError::TooLong(longest));
            }
            bytes.extend_from_slice(&data);
            if !data.is_empty() {
                self.0.room().came_forward(place.id, Instant::now());
                reading.inspect(|reading| reading.0.activity.reading_came_forward());
            }
        }
    }

    async fn place(
        &self,
        peer: IpAddr,
        bytes: usize,
        until: Instant,
    ) -> Result<(Place, Arc<Notify>), BodyError> {
        let cost = bytes.saturating_add(BESIDES);
        let mut waiting = None;
        loop {
            // Registered before the check, so that room that is freed after it is noticed.
            let freed = self.0.freed.notified();
            let now = Instant::now();
            {
                let mut room = self.0.room();
                if room.has_room(peer, cost) {
                    let stop = Arc::new(Notify::new());
                    let id = room.take(peer, cost, now, stop.clone());
                    return Ok((Place { shared: self.0.clone(), id }, stop));
                }
                if waiting.is_none() {
                    if cost > room.open_to(cost) || room.waiting.values().sum::<usize>() >= MOST_WAITING {
                        return Err(BodyError::NoRoom);
                    }
                    *room.waiting.entry(peer).or_default() += 1;
                    waiting = Some(Waiting { shared: self.0.clone(), peer });
                }
                room.stop_one_that_stands_still(now);
            }
            if now >= until {
                return Err(BodyError::NoRoom);
            }
            // Either way it looks again.
            let _ = tokio::time::timeout_at((now + LOOK).min(until).into(), freed).await;
        }
    }
}

impl Shared {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Whether a body may be read: there is room for it, and where others wait, its caller would not have
    /// more than an equal share.
    fn has_room(&self, peer: IpAddr, cost: usize) -> bool {
        let fits = self.used.saturating_add(cost) <= self.open_to(cost);
        let others_wait = self.waiting.keys().any(|other| *other != peer);
        fits && (!others_wait || self.has_no_more_than_its_share(peer, cost))
    }

    /// The room that bodies of this size may use together.
    fn open_to(&self, cost: usize) -> usize {
        if cost <= SMALL + BESIDES { self.most } else { self.most - self.most / 5 }
    }

    fn has_no_more_than_its_share(&self, peer: IpAddr, cost: usize) -> bool {
        let mut peers: Vec<IpAddr> = self.held.values().map(|holding| holding.peer).collect();
        peers.extend(self.waiting.keys());
        peers.push(peer);
        peers.sort_unstable();
        peers.dedup();
        let own = self.of(peer);
        // A client that has none gets one.
        own == 0 || own.saturating_add(cost) <= self.most / peers.len()
    }

    fn of(&self, peer: IpAddr) -> usize {
        self.held.values().filter(|holding| holding.peer == peer).map(|holding| holding.bytes).sum()
    }

    fn take(&mut self, peer: IpAddr, bytes: usize, now: Instant, stop: Arc<Notify>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.used += bytes;
        self.held.insert(id, Holding { peer, bytes, since: Some(now), stop });
        id
    }

    fn came_forward(&mut self, id: u64, now: Instant) {
        if let Some(holding) = self.held.get_mut(&id) {
            holding.since = Some(now);
        }
    }

    fn finished(&mut self, id: u64) {
        if let Some(holding) = self.held.get_mut(&id) {
            holding.since = None;
        }
    }

    fn give_back(&mut self, id: u64) {
        if let Some(holding) = self.held.remove(&id) {
            self.used -= holding.bytes;
        }
    }

    /// Stops the body that has stood still for longest, of the caller that holds most.
    fn stop_one_that_stands_still(&mut self, now: Instant) {
        let stands_still = |holding: &&mut Holding| holding.since.is_some_and(|since| now - since >= STALLED);
        let mut by_peer: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for holding in self.held.values() {
            *by_peer.entry(holding.peer).or_default() += holding.bytes;
        }
        let stopped = self.held.values_mut().filter(stands_still).min_by_key(|holding| {
            let of_peer = by_peer.get(&holding.peer).copied().unwrap_or_default();
            (std::cmp::Reverse(of_peer), holding.since)
        });
        if let Some(holding) = stopped {
            // A body is stopped at most once.
            holding.since = None;
            holding.stop.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.room().give_back(self.id);
        self.shared.freed.notify_waiters();
    }
}

/// A request that waits for room.
struct Waiting {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut room = self.shared.room();
        if let Some(count) = room.waiting.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                room.waiting.remove(&self.peer);
            }
        }
    }
}

/// A body that is being read, for its connection.
struct Reading(Caller);

impl Reading {
    fn of(caller: Caller) -> Self {
        caller.activity.reading_began();
        Self(caller)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.activity.reading_ended();
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as Content;

    use super::*;

    const MIB: usize = 1 << 20;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn room(most: usize) -> Room {
        Room { most, used: 0, next: 0, held: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn hold(room: &mut Room, last: u8, bytes: usize, now: Instant) -> (u64, Arc<Notify>) {
        assert!(room.has_room(peer(last), bytes));
        let stop = Arc::new(Notify::new());
        (room.take(peer(last), bytes, now, stop.clone()), stop)
    }

    #[test]
    fn a_small_body_finds_room_where_large_ones_take_the_rest() {
        let mut room = room(8 * MIB);
        hold(&mut room, 1, 6 * MIB, Instant::now());
        assert!(!room.has_room(peer(1), MIB));
        assert!(room.has_room(peer(1), SMALL));
    }

    #[test]
    fn shares_bind_only_while_other_callers_wait() {
        let now = Instant::now();
        let mut room = room(8 * MIB);
        hold(&mut room, 1, 5 * MIB, now);
        assert!(room.has_room(peer(1), MIB), "nobody else is there");
        room.waiting.insert(peer(2), 1);
        assert!(!room.has_room(peer(1), MIB));
        assert!(room.has_room(peer(2), MIB));
    }

    #[test]
    fn what_stands_still_longest_is_stopped_once_and_what_is_whole_never() {
        let now = Instant::now();
        let mut room = room(8 * MIB);
        let (whole, _) = hold(&mut room, 1, MIB, now);
        room.finished(whole);
        let (_first, stop_first) = hold(&mut room, 1, MIB, now);
        let (second, stop_second) = hold(&mut room, 1, MIB, now);
        let later = now + 2 * STALLED;
        room.came_forward(second, now + STALLED / 2);
        let is_told = |stop: &Notify| {
            let told = std::pin::pin!(stop.notified());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            told.poll(&mut context).is_ready()
        };
        room.stop_one_that_stands_still(now);
        assert!(!is_told(&stop_first));
        room.stop_one_that_stands_still(later);
        assert!(is_told(&stop_first) && !is_told(&stop_second));
        room.stop_one_that_stands_still(later);
        assert!(is_told(&stop_second));
        room.stop_one_that_stands_still(later);
        assert_eq!(room.used, 3 * MIB);
        room.give_back(whole);
        room.give_back(whole);
        assert_eq!(room.used, 2 * MIB);
    }

    fn request(content: Content) -> Request {
        Request::new(content)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_body_is_read_and_holds_its_room_until_it_is_dropped() {
        let bodies = Bodies::new(MIB);
        let body = bodies.read(request("text".into()), 10, soon()).await.unwrap();
        assert_eq!((body.bytes.as_slice(), bodies.0.room().used), (&b"text"[..], 4 + BESIDES));
        drop(body);
        assert_eq!(bodies.0.room().used, 0);
        let long = bodies.read(request("more than ten".into()), 10, soon()).await;
        assert_eq!(long.unwrap_err(), BodyError::TooLong(10));
        let larger = bodies.read(request("x".repeat(MIB).into()), 2 * MIB, soon()).await;
        assert_eq!(larger.unwrap_err(), BodyError::NoRoom);
        assert!(bodies.0.room().held.is_empty() && bodies.0.room().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_body_that_stands_still_gives_its_room_to_the_next() {
        let bodies = Bodies::new(MIB);
        // Its length is not told, so it takes room for the longest.
        let endless = Content::new(Endless);
        let still = tokio::spawn({
            let bodies = bodies.clone();
            async move { bodies.read(request(endless), MIB / 2, soon()).await.map(drop) }
        });
        while bodies.0.room().held.is_empty() {
            tokio::task::yield_now().await;
        }
        let next = bodies.read(request("x".repeat(MIB / 2).into()), MIB, soon()).await.unwrap();
        assert_eq!(next.bytes.len(), MIB / 2);
        assert_eq!(still.await.unwrap(), Err(BodyError::TooLate));
    }

    /// Never comes, and never ends.
    struct Endless;

    impl http_body::Body for Endless {
        type Data = axum::body::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
}

//! Which connections there are, and which is closed when there are too many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::activity::{Activity, Stage};

/// The connections of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    members: Arc<Mutex<Members>>,
    /// For connections that make room and finish their requests first, which for a moment exist besides the
    /// others.
    room_to_end: Arc<Semaphore>,
    /// Notified when a place becomes free.
    place_free: Arc<Notify>,
}

#[derive(Debug)]
struct Members {
    most: usize,
    next: u64,
    places: BTreeMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    peer: IpAddr,
    activity: Arc<Activity>,
    notices: watch::Sender<Notice>,
}

/// A message from the listener to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Notice {
    #[default]
    None,
    /// Finish the present requests, and close.
    Close,
    /// Close: another connection has its place.
    MakeRoom,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    connections: Connections,
    id: u64,
    pub(crate) activity: Arc<Activity>,
    pub(crate) notices: watch::Receiver<Notice>,
}

/// Whether a connection may come in.
#[derive(Debug)]
pub(crate) enum Admitted {
    As(Member),
    /// All others have work; one of them was told to go after it.
    Not,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        let members = Members { most: most.max(1), next: 0, places: BTreeMap::new() };
        let room_to_end = Arc::new(Semaphore::new(most.div_ceil(4)));
        Self { members: Arc::new(Mutex::new(members)), room_to_end, place_free: Arc::default() }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, in the place of another one where there are too many.
    pub(crate) fn admit(&self, peer: IpAddr, now: Instant) -> Admitted {
        let peer = network(peer);
        let mut members = self.members();
        if members.places.len() >= members.most {
            let standing: Vec<Standing> = members
                .places
                .iter()
                .map(|(&id, place)| {
                    let (stage, since) = place.activity.stage(now);
                    let is_told = *place.notices.borrow() != Notice::None;
                    Standing { id, peer: place.peer, stage, since, is_told }
                })
                .collect();
            let Some(leaves) = who_leaves(&standing, peer) else {
                let ends = who_ends(&standing, peer).and_then(|id| members.places.get(&id));
                if let Some(place) = ends {
                    place.notices.send_replace(Notice::Close);
                }
                return Admitted::Not;
            };
            if let Some(place) = members.places.remove(&leaves) {
                place.notices.send_replace(Notice::MakeRoom);
            }
        }
        let id = members.next;
        members.next += 1;
        let activity = Arc::new(Activity::new(now));
        let (sender, notices) = watch::channel(Notice::default());
        members.places.insert(id, Place { peer, activity: activity.clone(), notices: sender });
        Admitted::As(Member { connections: self.clone(), id, activity, notices })
    }

    /// Waits until a place is free, for one who was not admitted.
    pub(crate) async fn place_free(&self) {
        self.place_free.notified().await;
    }

    /// Tells all to close.
    pub(crate) fn close(&self) {
        for place in self.members().places.values() {
            place.notices.send_replace(Notice::Close);
        }
    }
}

impl Member {
    /// A permit for a connection that was told to make room, to finish its requests; none where there are
    /// many such connections already, or where it has no request.
    pub(crate) fn room_to_end(&self) -> Option<OwnedSemaphorePermit> {
        let is_missed = self.activity.stage(Instant::now()).0.is_missed();
        is_missed.then(|| self.connections.room_to_end.clone().try_acquire_owned().ok()).flatten()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.connections.members().places.remove(&self.id);
        self.connections.place_free.notify_one();
    }
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    id: u64,
    peer: IpAddr,
    stage: Stage,
    since: Instant,
    /// Whether it was told to go already.
    is_told: bool,
}

/// Which connection leaves at once for one of `newcomer`: none that has work. First of callers that have more than
/// an equal share of all; of those the one that would be missed least, and for longest.
fn who_leaves(standing: &[Standing], newcomer: IpAddr) -> Option<u64> {
    let has_few = has_few(standing, newcomer);
    let may_leave = standing.iter().filter(|member| member.stage < Stage::Arriving);
    let leaves = may_leave.min_by_key(|member| (has_few(member.peer), member.stage, member.since));
    leaves.map(|member| member.id)
}

/// The connection that closes after its requests, where all have some: otherwise a client that always sends
/// another request would keep its place for as long as it likes. Clients with more than an equal share of all
/// come first; of their connections the oldest closes. Its client may connect again, after those who wait
/// now.
fn who_ends(standing: &[Standing], newcomer: IpAddr) -> Option<u64> {
    let has_few = has_few(standing, newcomer);
    let may_end = standing.iter().filter(|member| member.stage == Stage::Busy && !member.is_told);
    may_end.min_by_key(|member| (has_few(member.peer), member.id)).map(|member| member.id)
}

/// Whether a caller has less than an equal share of all.
fn has_few(standing: &[Standing], newcomer: IpAddr) -> impl Fn(IpAddr) -> bool {
    let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
    standing.iter().for_each(|member| *counts.entry(member.peer).or_default() += 1);
    counts.entry(newcomer).or_default();
    let share = (standing.len() + 1).div_ceil(counts.len());
    move |peer| counts.get(&peer).is_none_or(|&has| has < share)
}

/// The identity of a client: an address, or an IPv6 network of the smallest size that is assigned.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn standing(all: &[(u8, Stage, u64)]) -> Vec<Standing> {
        let start = Instant::now();
        let of = |(id, &(last, stage, second)): (usize, &(u8, Stage, u64))| Standing {
            id: id as u64,
            peer: peer(last),
            stage,
            since: start + Duration::from_secs(second),
            is_told: false,
        };
        all.iter().enumerate().map(of).collect()
    }

    #[test]
    fn the_one_that_is_missed_least_leaves() {
        use Stage::{Arriving, Busy, Idle, Noisy, Silent, Stalled};
        let leaves = |all: &[(u8, Stage, u64)], newcomer| who_leaves(&standing(all), peer(newcomer));
        assert_eq!(leaves(&[(1, Silent, 0), (1, Noisy, 5)], 1), Some(1));
        assert_eq!(leaves(&[(1, Idle, 0), (1, Silent, 5), (1, Silent, 4), (1, Busy, 0)], 1), Some(2));
        assert_eq!(leaves(&[(1, Idle, 0), (1, Stalled, 5), (1, Busy, 0)], 1), Some(1));
        assert_eq!(leaves(&[(1, Busy, 0), (2, Busy, 0)], 3), None);
        // A client with more than its share loses a connection before a silent one of a client with less.
        assert_eq!(leaves(&[(2, Silent, 0), (1, Idle, 1), (1, Idle, 2), (1, Idle, 3)], 3), Some(1));
        assert_eq!(leaves(&[(1, Arriving, 0), (1, Busy, 0)], 3), None);
        // A client that has all of them may be the only one there is.
        assert_eq!(leaves(&[(1, Idle, 1), (1, Idle, 0)], 1), Some(1));
    }

    #[test]
    fn where_all_have_work_the_one_that_came_first_leaves_after_it() {
        use Stage::{Arriving, Busy};
        let ends = |all: &[(u8, Stage, u64)], newcomer| who_ends(&standing(all), peer(newcomer));
        assert_eq!(ends(&[(1, Arriving, 0), (1, Busy, 5), (1, Busy, 0)], 1), Some(1));
        assert_eq!(
            ends(&[(2, Busy, 0), (1, Busy, 0), (1, Busy, 1)], 3),
            Some(1),
            "one that has more than its share"
        );
        assert_eq!(ends(&[(1, Arriving, 0)], 1), None);

        let connections = Connections::new(2);
        let admit = || match connections.admit(peer(1), Instant::now()) {
            Admitted::As(member) => Some(member),
            Admitted::Not => None,
        };
        let (first, second) = (admit().unwrap(), admit().unwrap());
        first.activity.request_began();
        second.activity.request_began();
        assert!(admit().is_none());
        assert_eq!([*first.notices.borrow(), *second.notices.borrow()], [Notice::Close, Notice::None]);
        assert!(admit().is_none());
        assert_eq!(*second.notices.borrow(), Notice::Close, "the first one takes its time");
        drop(second);
        assert!(admit().is_some());
    }

    #[test]
    fn who_left_is_told_and_gives_up_no_place_twice() {
        let connections = Connections::new(2);
        let later = Instant::now() + Duration::from_secs(2);
        let admit = |last, at| match connections.admit(peer(last), at) {
            Admitted::As(member) => member,
            Admitted::Not => panic!("there is room"),
        };
        let (first, second) = (admit(1, Instant::now()), admit(1, Instant::now()));
        second.activity.request_began();
        assert!(
            matches!(connections.admit(peer(2), later), Admitted::Not),
            "nothing of the first was looked at yet"
        );
        first.activity.waits();
        let third = admit(2, later);
        assert_eq!(*first.notices.borrow(), Notice::MakeRoom);
        third.activity.request_began();
        assert!(matches!(connections.admit(peer(3), later), Admitted::Not));
        drop(first);
        assert!(matches!(connections.admit(peer(3), later), Admitted::Not), "its place is the third one's");
        drop(third);
        let fourth = admit(3, later);
        connections.close();
        assert_eq!([*second.notices.borrow(), *fourth.notices.borrow()], [Notice::Close; 2]);
    }

    #[test]
    fn of_those_that_make_room_some_may_end_what_they_have() {
        let connections = Connections::new(8);
        let members: Vec<Member> =
            std::iter::repeat_with(|| match connections.admit(peer(1), Instant::now()) {
                Admitted::As(member) => member,
                Admitted::Not => panic!("there is room"),
            })
            .take(4)
            .collect();
        members[..3].iter().for_each(|member| member.activity.request_began());
        let first = members[0].room_to_end();
        assert!(first.is_some() && members[1].room_to_end().is_some());
        let _second = members[1].room_to_end().unwrap();
        assert!(members[2].room_to_end().is_none(), "two of eight");
        drop(first);
        assert!(members[3].room_to_end().is_some(), "it has just come");
        members[3].activity.read(1 << 20);
        assert!(members[3].room_to_end().is_none(), "it has sent much, and no request");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("fd00:1:2:3:4:5:6:7"), "fd00:1:2:3::");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
    }

    proptest! {
        /// However many connections one client has, those of another client with few stay.
        #[test]
        fn a_caller_with_few_keeps_its_own(
            many in proptest::collection::vec((0..3_usize, 0..100_u64), 20..40),
            few in proptest::collection::vec((0..3_usize, 0..100_u64), 0..9),
            newcomer in 1..4_u8,
        ) {
            let stages = [Stage::Silent, Stage::Stalled, Stage::Idle];
            let mut all: Vec<(u8, Stage, u64)> = Vec::new();
            all.extend(many.iter().map(|&(stage, since)| (1, stages[stage], since)));
            all.extend(few.iter().map(|&(stage, since)| (2, stages[stage], since)));
            let leaves = who_leaves(&standing(&all), peer(newcomer)).unwrap();
            prop_assert!((leaves as usize) < many.len());
        }
    }
}

//! Everything outside the controllers: the API server, the cloud, the registry, and the calls under way to them.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use tcr::registry_host::RegistryHost;

use crate::call::Reply;
use crate::cloud::{Cloud, RegistryState};
use crate::cluster::{Cluster, NAMESPACES, OBJECTS};
use crate::in_flight::InFlight;
use crate::invariants::Broken;
use crate::random::Random;
use crate::view::SharedViews;

/// Everything outside the controllers.
#[derive(Debug)]
pub struct World {
    /// Milliseconds since the history began.
    pub now: u64,
    /// By how many milliseconds the controllers' clocks are ahead.
    pub clock_error: i64,
    /// They were set, so that what waits for a time of day may end early.
    pub has_set_clock: bool,
    /// The API server.
    pub cluster: Cluster,
    /// Tencent's API.
    pub cloud: Cloud,
    /// The registry.
    pub registry: RegistryState,
    /// Chance inside the controllers.
    pub random: Random,
    /// The first rule that was broken.
    pub broken: Option<Broken>,
    /// Statuses that were written.
    pub statuses: usize,
    /// Stored credentials that were written.
    pub stores: usize,
    /// What controllers' contents are.
    pub views: SharedViews,
    /// The registry refused what is good.
    pub registry_lied: bool,
    /// Namespaces in which a controller may not know what was done in its name: an answer was lost, or two of them worked
    /// side by side.
    pub blurred: [bool; NAMESPACES.len()],
    /// The same of tokens and stored credentials.
    pub has_blurred_tokens: bool,
    /// Two controllers worked side by side.
    pub is_superseded: bool,
    /// One that leads no more still works.
    pub has_former: bool,
    /// The status is of a process that leads no more, so that the one that leads may not have seen it.
    pub is_said_by_former: [bool; OBJECTS.len()],
    /// A watch was listed anew.
    pub has_relisted: bool,
    /// When the login of an ImagePullSecret was changed last.
    pub changed_at: [u64; OBJECTS.len()],
    /// When an ImagePullSecret asked for a password that its registry refuses for the first time.
    pub bad_since: [Option<u64>; OBJECTS.len()],
    /// The conflict policies that it had: 1 for adopt, 2 for overwrite.
    pub policies: [u8; OBJECTS.len()],
    /// Secrets that others deleted or replaced, or a controller that does not know it, since they were made.
    pub gone_by_others: [[bool; OBJECTS.len()]; NAMESPACES.len()],
    /// Some ImagePullSecret wanted its credential to be left behind.
    pub may_retain: bool,
    /// Tokens that others deleted or switched off.
    pub killed: Vec<String>,
    pub(crate) calls: Vec<InFlight>,
    pub(crate) answers: Vec<(u32, Reply)>,
    /// When tasks wake: the time, the process and the task.
    pub timers: Vec<(u64, u32, u32)>,
    pub(crate) issued: u32,
    pub(crate) public_domain: RegistryHost,
}

/// The world as tasks hold it.
pub type Shared = Rc<RefCell<World>>;

/// When every history begins.
pub fn epoch() -> Timestamp {
    Timestamp::constant(1_800_000_000, 0)
}

impl World {
    /// An empty one.
    pub fn new(seed: u64, views: SharedViews) -> Self {
        Self {
            now: 0,
            clock_error: 0,
            has_set_clock: false,
            cluster: Cluster::default(),
            cloud: Cloud::default(),
            registry: RegistryState::Well,
            random: Random::new(seed ^ 0x5EED),
            broken: None,
            statuses: 0,
            stores: 0,
            views,
            registry_lied: false,
            blurred: [false; NAMESPACES.len()],
            has_blurred_tokens: false,
            is_superseded: false,
            has_former: false,
            is_said_by_former: [false; OBJECTS.len()],
            has_relisted: false,
            changed_at: [0; OBJECTS.len()],
            bad_since: [None; OBJECTS.len()],
            policies: [0; OBJECTS.len()],
            gone_by_others: [[false; OBJECTS.len()]; NAMESPACES.len()],
            may_retain: false,
            killed: Vec::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            timers: Vec::new(),
            issued: 0,
            public_domain: public_domain(),
        }
    }

    /// The time as a timestamp.
    pub fn timestamp(&self) -> Timestamp {
        epoch() + SignedDuration::from_millis(i64::try_from(self.now).unwrap_or(i64::MAX))
    }

    /// The time by the controllers' clocks.
    pub fn controllers_time(&self) -> Timestamp {
        self.timestamp() + SignedDuration::from_millis(self.clock_error)
    }

    /// The time, and a random number.
    pub fn now_and_random(&mut self) -> (u64, u64) {
        (self.now, self.random.draw())
    }

    /// A rule was broken.
    pub fn fail(&mut self, rule: &'static str, how: String) {
        self.broken.get_or_insert(Broken { rule, how });
    }

    /// How many calls are under way.
    pub fn under_way(&self) -> usize {
        self.calls.len()
    }

    /// One of the calls under way, for people.
    pub fn describe(&self, pick: usize) -> String {
        let index = pick % self.calls.len().max(1);
        self.calls
            .get(index)
            .map(|it| format!("process {} calls {:?}", it.process, it.call))
            .unwrap_or_default()
    }

    /// The process ends: nobody waits for its calls any more, and what it made and did not store is on its own.
    pub fn abandon(&mut self, process: u32) {
        let now = self.now;
        for call in self.calls.iter_mut().filter(|call| call.process == process) {
            call.abandon(now);
            if let Some(place) = call.call.place() {
                self.blurred[place] = true;
            }
        }
        self.cloud.tokens.iter_mut().filter(|it| it.maker == process).for_each(|it| it.abandoned = true);
        self.timers.retain(|(_, it, _)| *it != process);
    }
}

/// The instance's default domain.
pub fn public_domain() -> RegistryHost {
    "demo.tencentcloudcr.com".parse().unwrap_or_else(|_| unreachable!("a valid host"))
}

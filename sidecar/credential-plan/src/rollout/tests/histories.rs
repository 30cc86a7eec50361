//! Any order of edits, absences, verdicts, status writes and restarts, compared with what somebody knows who has
//! heard every verdict.

use std::collections::BTreeMap;

use super::*;

const PASSWORDS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Event {
    /// The spec gives this password, as its next version.
    Edit(usize),
    /// The Secret with the password goes.
    Away,
    /// It comes back unchanged.
    Back,
    /// The registry lets a password in from now on, or no longer.
    Grant(usize, bool),
    /// The registry can be reached from now on, or no longer.
    Reach(bool),
    /// Every question under way is answered.
    Answers,
    Passes(i64),
    /// Namespaces get what is to be distributed.
    Spread,
    WriteStatus,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..PASSWORDS.len()).prop_map(Event::Edit),
        1 => Just(Event::Away),
        1 => Just(Event::Back),
        2 => (0..PASSWORDS.len(), any::<bool>()).prop_map(|(which, is_good)| Event::Grant(which, is_good)),
        2 => any::<bool>().prop_map(Event::Reach),
        5 => Just(Event::Answers),
        3 => (1i64..1000).prop_map(Event::Passes),
        3 => Just(Event::Spread),
        3 => Just(Event::WriteStatus),
        1 => Just(Event::Restart),
    ]
}

/// The last verdict on a password that was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    LetIn,
    Refused,
}

struct World {
    rollout: Rollout,
    now: Timestamp,
    version: usize,
    given: Option<usize>,
    /// The password of the spec, also while its Secret is away.
    written: Option<usize>,
    good: [bool; PASSWORDS.len()],
    is_reachable: bool,
    asked: Vec<usize>,
    in_memory: Option<usize>,
    found: Option<usize>,
    status: ImagePullSecretStatus,
    /// What this process was told by the status, and about which password.
    recorded: Recorded,
    assumed: Option<usize>,
    /// By this process.
    heard: BTreeMap<usize, Heard>,
    /// Since when the password that is given waits, in this process or by what the status said to it.
    waits_since: Option<(usize, Timestamp)>,
}

impl World {
    fn new() -> Self {
        Self {
            rollout: Rollout::default(),
            now: at(0),
            version: 0,
            given: None,
            written: None,
            good: [true, true, false],
            is_reachable: true,
            asked: Vec::new(),
            in_memory: None,
            found: None,
            status: ImagePullSecretStatus::default(),
            recorded: Recorded::default(),
            assumed: None,
            heard: BTreeMap::new(),
            waits_since: None,
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Edit(which) => {
                self.version += usize::from(self.written != Some(which));
                (self.written, self.given) = (Some(which), Some(which));
            }
            Event::Away => self.given = None,
            Event::Back => self.given = self.written,
            Event::Grant(which, is_good) => self.good[which] = is_good,
            Event::Reach(is_reachable) => self.is_reachable = is_reachable,
            Event::Answers => self.answers(),
            Event::Passes(seconds) => self.now = later(self.now, SignedDuration::from_secs(seconds)),
            Event::Spread => self.found = self.in_memory.or(self.found),
            Event::WriteStatus => self.status = status(&self.rollout),
            Event::Restart => {
                self.recorded = Recorded::of(&self.status);
                self.rollout = Rollout::restored(self.recorded.clone());
                self.assumed = self.found;
                self.in_memory = None;
                self.waits_since = None;
                self.asked.clear();
                self.heard.clear();
            }
        }
        self.works();
    }

    fn answers(&mut self) {
        for which in std::mem::take(&mut self.asked) {
            let verdict = match (self.is_reachable, self.good[which]) {
                (false, _) => unknown(),
                (true, true) => accepted(),
                (true, false) => refused(),
            };
            match verdict {
                Verdict::Accepted { .. } => drop(self.heard.insert(which, Heard::LetIn)),
                Verdict::Refused { .. } => drop(self.heard.insert(which, Heard::Refused)),
                Verdict::Unknown { .. } => {}
            }
            self.rollout.answer(digest(PASSWORDS[which]), verdict, self.now);
        }
    }

    /// What the controller does whenever something happened.
    fn works(&mut self) {
        match self.given {
            None => self.rollout.give_none(),
            Some(which) => self.gives(which),
        }
        for due in self.rollout.due(self.now) {
            self.rollout.ask(due);
            self.asked.extend((0..PASSWORDS.len()).filter(|which| digest(PASSWORDS[*which]) == due));
        }
        let next = self.rollout.next();
        assert!(next.is_none_or(|next| next > self.now), "it would spin: {next:?} at {}", self.now);
        let most = later(self.now, ASK_EVERY.max(TIMEOUT));
        assert!(next.is_none_or(|next| next <= most), "nothing before {next:?}");
        if self.given.is_some() || self.in_memory.is_some() {
            assert!(next.is_some() || !self.asked.is_empty(), "the registry is never asked again");
        }
    }

    fn gives(&mut self, which: usize) {
        let place = self.in_memory.or(self.found);
        let in_place = match place {
            None => InPlace::Nothing,
            Some(it) if it == which => InPlace::Same,
            Some(_) => InPlace::Other,
        };
        let version = self.version.to_string();
        let pending = self.recorded.pending.clone().filter(|it| it.version == version);
        if in_place == InPlace::Same && self.in_memory.is_none() && pending.is_some() {
            // It had waited in vain before the restart.
            self.assumed = None;
        }
        if in_place == InPlace::Other && self.waits_since.is_none_or(|(waiting, _)| waiting != which) {
            let said = pending.as_ref().map(|it| it.until.0.checked_sub(TIMEOUT).unwrap());
            self.waits_since = Some((which, said.unwrap_or(self.now)));
            self.heard.remove(&which);
        }
        let given = Given { digest: digest(PASSWORDS[which]), version: &version };
        let is_distributed = self.rollout.give(given, in_place, TIMEOUT, self.now);
        assert!(is_distributed || in_place == InPlace::Other, "it replaces nothing");
        if !is_distributed {
            return;
        }
        if in_place == InPlace::Other {
            self.may_replace(which, place.unwrap(), pending.is_some_and(|it| !it.refused.is_empty()));
            self.assumed = None;
        }
        self.in_memory = Some(which);
        self.waits_since = None;
    }

    /// Whether somebody who has heard every verdict agrees.
    fn may_replace(&self, new: usize, old: usize, was_refused: bool) {
        let old_works = match self.heard.get(&old) {
            Some(heard) => *heard == Heard::LetIn,
            None => self.assumed == Some(old) && self.recorded.answer.may_be_let_in(),
        };
        let waited = self.waits_since.map(|(_, since)| self.now.duration_since(since)).unwrap_or_default();
        match self.heard.get(&new) {
            Some(Heard::LetIn) => {}
            Some(Heard::Refused) => panic!("{new} is refused, and {old} was distributed"),
            None if was_refused => panic!("{new} was refused before the restart"),
            None if old_works => {
                assert!(
                    waited >= TIMEOUT - SignedDuration::from_secs(1),
                    "{new} replaced {old} after {waited:?}"
                );
            }
            None => {}
        }
    }

    /// Nothing happens any more but answers, for so long.
    fn settles(&mut self, seconds: i64) {
        let end = later(self.now, SignedDuration::from_secs(seconds));
        let mut steps = 0;
        loop {
            self.happens(Event::Answers);
            let Some(next) = self.rollout.next().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.works();
            steps += 1;
            assert!(steps < seconds, "it never rests");
        }
        self.now = end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_history_replaces_a_login_that_works_by_one_in_doubt_or_leaves_one_waiting(
        events in proptest::collection::vec(event(), 1..60),
        is_reachable: bool,
    ) {
        let mut world = World::new();
        for event in events {
            world.happens(event);
        }
        world.happens(Event::Reach(is_reachable));
        world.happens(Event::Back);
        let Some(given) = world.given else { return Ok(()) };
        let before = world.in_memory.or(world.found);
        // The longest pause between two questions, or the time-out.
        world.settles(if is_reachable { ASK_EVERY.as_secs() + 1 } else { TIMEOUT.as_secs() + 61 });
        let standing = world.rollout.standing().unwrap();
        let is_refused = standing.reason == ConditionReason::SuccessorRefused;
        match is_reachable {
            true if world.good[given] => {
                prop_assert_eq!(world.in_memory, Some(given));
                prop_assert_eq!((standing.is_valid, standing.reason), (Some(true), ConditionReason::Valid));
            }
            true if before == Some(given) => {
                prop_assert_eq!((standing.is_valid, standing.reason), (Some(false), ConditionReason::CredentialRefused));
            }
            true => prop_assert!(is_refused || standing.reason == ConditionReason::CredentialRefused, "{standing:?}"),
            false => prop_assert!(is_refused || world.in_memory == Some(given), "{standing:?}"),
        }
        // The next process agrees, and has nothing to write.
        if world.in_memory == Some(given) {
            world.happens(Event::Spread);
            world.happens(Event::WriteStatus);
            let written = world.status.clone();
            world.happens(Event::Restart);
            prop_assert_eq!(status(&world.rollout), written);
        }
    }
}

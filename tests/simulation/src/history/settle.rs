//! The end of a history: everybody else stops, and all has to become right.

use super::History;
use crate::call::Fate;
use crate::cluster::{ALL_KINDS, NAMESPACES};

/// How long everything may take to become right once everybody else has stopped: the longest pause after a refused
/// credential, and the grace of a replaced one.
const SETTLES_WITHIN: u64 = 8 * 3_600_000;
/// How long all that nothing refuses may take beside what is refused: the longest waits are five minutes, for somebody
/// else's Secret to be looked at again and between two repairs of what was changed back.
const BEARS_WITHIN: u64 = 12 * 60_000;
/// How long it has to be quiet then.
const SILENCE: u64 = 12 * 60_000;
/// Turns without time going by, after which it is called a loop.
const MOST_TURNS: usize = 400;

impl History {
    /// Everybody else stops, and time goes on: first while writes are still refused, then until all is right and quiet.
    pub(super) fn settle(&mut self) {
        while let Some(index) = self.processes.iter().position(|it| it.is_stale) {
            self.kill(index);
        }
        if self.processes.is_empty() {
            self.start();
        }
        self.world.borrow_mut().end_faults();
        self.say(|| "everybody else stops".to_owned());
        let refuses = self.world.borrow().cluster.places().any(|(_, it)| !it.terminating && it.refuses());
        if refuses && !self.bear_refusals() {
            return;
        }
        self.world.borrow_mut().end_refusals();
        self.say(|| "nothing is refused any more".to_owned());
        self.become_quiet();
    }

    /// What is refused stops nothing else; whether that is so.
    fn bear_refusals(&mut self) -> bool {
        let began = self.world.borrow().now;
        loop {
            if !self.rest() {
                return false;
            }
            let now = self.world.borrow().now;
            if now - began > BEARS_WITHIN {
                break;
            }
            self.pass_until(began + BEARS_WITHIN + 1);
        }
        let wrong = self.world.borrow().what_is_wrong_beside_refusals();
        if let Some(wrong) = &wrong {
            self.world.borrow_mut().fail(wrong.rule, wrong.how.clone());
        }
        wrong.is_none()
    }

    fn become_quiet(&mut self) {
        let began = self.world.borrow().now;
        let (mut quiet_since, mut written) = (began, usize::MAX);
        while self.rest() {
            let now = self.world.borrow().now;
            let writes = self.world.borrow().all_writes();
            if writes != written {
                (written, quiet_since) = (writes, now);
            }
            let next = self.processes[0].wakes_at().unwrap_or(u64::MAX);
            let wrong = self.world.borrow().what_is_wrong(now - began);
            match wrong {
                // Nothing happens before that.
                None if next - quiet_since >= SILENCE => return,
                Some(wrong) if wrong.is_final || now - began > SETTLES_WITHIN => {
                    self.world.borrow_mut().fail(wrong.rule, wrong.how);
                    return;
                }
                _ => {}
            }
            if now - began > SETTLES_WITHIN {
                self.world.borrow_mut().fail("once all is right nothing is written any more", String::new());
                return;
            }
            // Also without a timer time goes on.
            self.pass_until(now + SILENCE);
        }
    }

    /// Time goes on until the controller has something to do, or until then.
    fn pass_until(&mut self, latest: u64) {
        let next = self.processes[0].wakes_at().unwrap_or(u64::MAX);
        let mut world = self.world.borrow_mut();
        world.now = next.min(latest).max(world.now + 1);
        drop(world);
        self.processes[0].wake();
    }

    /// Does all that can be done without time going by; false when a rule was broken.
    fn rest(&mut self) -> bool {
        let mut turns = 0;
        while self.turn() {
            turns += 1;
            if turns > MOST_TURNS {
                self.world.borrow_mut().fail("it comes to rest in a bounded number of steps", String::new());
            }
            if self.world.borrow().broken.is_some() {
                return false;
            }
        }
        true
    }

    /// Everything that can be done without time going by; whether there was anything.
    fn turn(&mut self) -> bool {
        let mut did = false;
        for place in 0..NAMESPACES.len() {
            while self.world.borrow_mut().manage(place) {
                did = true;
            }
        }
        for kind in ALL_KINDS {
            did |= self.processes[0].deliver(kind, 64) > 0;
        }
        let under_way = self.world.borrow().under_way();
        for _ in 0..under_way {
            self.say(|| format!("    {}", self.world.borrow().describe(0)));
            did |= self.serve(0, Fate::Well);
        }
        did |= self.processes[0].wakes_at().is_some_and(|at| at <= self.world.borrow().now)
            && self.processes[0].wake();
        did
    }
}

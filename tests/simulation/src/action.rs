//! What happens in a history, and how histories are drawn.

use crate::call::Fate;
use crate::cluster::{ACCOUNTS, ALL_KINDS, Kind, NAMESPACES, OBJECTS};
use crate::random::Random;
use crate::spec;

/// One thing that happens. One that is impossible when its turn comes does nothing, so that a history without some of
/// its actions is a history too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A watch of a process tells of so many events.
    Deliver(u8, Kind, u8),
    /// A watch breaks off, what it would have told is lost, and it lists anew.
    Relist(u8, Kind),
    /// One of the calls under way comes to this end.
    Serve(u8, Fate),
    /// Time goes on to when the process has something to do.
    Wake(u8),
    /// So many milliseconds go by.
    Pass(u32),
    /// The controllers' clocks go wrong by so many minutes, as compared with the cloud's.
    SetClock(i16),
    /// A process leads, where none does.
    Start,
    /// The leader is killed.
    Crash,
    /// The leader is stopped, and another process leads from now on.
    Supersede,
    /// The one that was stopped notices that it leads no longer.
    Retire,
    /// Somebody creates a namespace, with the label or without.
    CreateNamespace(u8, bool),
    /// Somebody deletes one.
    DeleteNamespace(u8),
    /// Somebody changes its label.
    Relabel(u8),
    /// kube-controller-manager does its next thing in the namespace.
    Manage(u8),
    /// Somebody applies a ServiceAccount with a list of its own.
    ApplyAccount(u8, u8, u8),
    /// Somebody deletes one.
    DeleteAccount(u8, u8),
    /// Somebody edits a Secret's bytes.
    EditBytes(u8, u8),
    /// Somebody takes our labels off a Secret.
    TakeLabels(u8, u8),
    /// Somebody gives a Secret another ImagePullSecret's label.
    WrongLabel(u8, u8),
    /// Somebody takes our mark off a Secret.
    TakeMark(u8, u8),
    /// Somebody makes a Secret immutable.
    Freeze(u8, u8),
    /// Somebody deletes a Secret.
    DeleteSecret(u8, u8),
    /// Somebody creates a Secret of our name; for the same registry or not.
    CreateForeign(u8, u8, bool),
    /// Somebody creates an ImagePullSecret.
    CreateObject(u8, u16),
    /// Somebody changes its spec.
    ChangeSpec(u8, u16),
    /// Somebody deletes it.
    DeleteObject(u8),
    /// Somebody changes the Secret with the password, or deletes it.
    SetPassword(u8),
    /// Admission begins or ends to refuse something in a namespace.
    Deny(u8, u8),
    /// A namespace gets a quota of so many Secrets, or none.
    Quota(u8, u8),
    /// Somebody deletes a token at the cloud.
    KillToken(u8),
    /// Somebody switches a token off.
    DisableToken(u8),
    /// Somebody makes a token of their own.
    CreateToken,
    /// Somebody asks for another credential of an ImagePullSecret's instance.
    Rotate(u8),
    /// The registry's state changes: well, unreachable, or refusing everything.
    Registry(u8),
    /// The instance is isolated, or runs again.
    Isolate(bool),
}

/// How much of what a history has. Each seed draws its own, so that some histories have much of one thing.
#[derive(Clone, Debug)]
struct Mix {
    fates: [u32; 5],
    groups: [u32; GROUPS],
    /// Clocks are set, as everything else at random.
    sets_clocks: bool,
}

const GROUPS: usize = 10;

/// Actions in a history at least and at most, before everybody else stops.
pub const LENGTH: (usize, usize) = (270, 410);

/// The history of a seed.
pub fn draw(seed: u64) -> Vec<Action> {
    let mut random = Random::new(seed);
    let random = &mut random;
    let mix = Mix {
        fates: [40, level(random, 3), level(random, 1), level(random, 2), level(random, 1)],
        groups: [
            34,
            34,
            8,
            level(random, 3),
            level(random, 2),
            2 + level(random, 4),
            2 + level(random, 4),
            1 + level(random, 3),
            level(random, 2),
            level(random, 3),
        ],
        sets_clocks: random.percent(15),
    };
    let mut actions = Vec::with_capacity(LENGTH.1);
    for place in 0..2 + random.below(2) {
        actions.push(Action::CreateNamespace(place as u8, random.percent(50)));
        actions.push(Action::Manage(place as u8));
    }
    for slot in 0..1 + random.below(OBJECTS.len()) {
        actions.push(Action::CreateObject(slot as u8, first_spec(random)));
    }
    if random.percent(80) {
        actions.push(Action::SetPassword(random.below(4) as u8));
    }
    actions.push(Action::Start);
    // The first lists.
    for kind in ALL_KINDS {
        actions.push(Action::Deliver(0, kind, 8));
        actions.push(Action::Deliver(0, kind, 8));
    }
    let length = LENGTH.0 + random.below(LENGTH.1 - LENGTH.0);
    while actions.len() < length {
        actions.push(one(random, &mix));
    }
    actions
}

/// None, some, or much.
fn level(random: &mut Random, some: u32) -> u32 {
    match random.below(4) {
        0 => 0,
        3 => some * 4,
        _ => some,
    }
}

fn first_spec(random: &mut Random) -> u16 {
    // Mostly an instance's credential, everywhere.
    let login = [0, 0, 4, 5, 5, 5, 6, 6, 7, 7, 8][random.below(11)];
    let rest = if random.percent(60) { 0 } else { random.below(spec::SPECS / 10) };
    (rest * 10 + login) as u16
}

fn any_spec(random: &mut Random) -> u16 {
    if random.percent(50) { first_spec(random) } else { random.below(spec::SPECS) as u16 }
}

fn weighted(random: &mut Random, weights: &[u32]) -> usize {
    let sum: u32 = weights.iter().sum();
    let mut at = random.below(sum as usize) as u32;
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    0
}

fn fate(random: &mut Random, mix: &Mix) -> Fate {
    let how = random.below(36) as u8;
    match weighted(random, &mix.fates) {
        0 => Fate::Well,
        1 => Fate::Refused(how),
        2 => Fate::Lost,
        3 => Fate::AnswerLost(how),
        _ => Fate::GivenUp,
    }
}

fn one(random: &mut Random, mix: &Mix) -> Action {
    let place = random.below(NAMESPACES.len().min(4)) as u8;
    let slot = random.below(OBJECTS.len()) as u8;
    let index = random.below(ACCOUNTS.len()) as u8;
    let process = random.below(4) as u8 / 3;
    let kind = ALL_KINDS[random.below(ALL_KINDS.len())];
    match weighted(random, &mix.groups) {
        0 => Action::Deliver(process, kind, 1 + random.below(6) as u8),
        1 => {
            let pick = if random.percent(60) { 0 } else { random.below(256) as u8 };
            Action::Serve(pick, fate(random, mix))
        }
        2 if mix.sets_clocks && random.percent(10) => {
            Action::SetClock([-1440, -60, -5, 0, 5, 60, 1440][random.below(7)])
        }
        2 => match random.below(4) {
            0 => Action::Pass([50, 1_000, 30_000, 600_000][random.below(4)]),
            _ => Action::Wake(process),
        },
        3 => Action::Relist(process, kind),
        4 => match random.below(6) {
            0..=1 => Action::Crash,
            2 => Action::Supersede,
            3 => Action::Retire,
            _ => Action::Start,
        },
        5 => match random.below(9) {
            0..=1 => Action::CreateNamespace(place, random.percent(50)),
            2 => Action::DeleteNamespace(place),
            3 => Action::Relabel(place),
            4..=5 => Action::Manage(place),
            6..=7 => Action::ApplyAccount(place, index, random.below(16) as u8),
            _ => Action::DeleteAccount(place, index),
        },
        6 => match random.below(10) {
            0..=1 => Action::EditBytes(place, slot),
            2..=3 => Action::TakeLabels(place, slot),
            4 => Action::WrongLabel(place, slot),
            5 => Action::TakeMark(place, slot),
            6 => Action::Freeze(place, slot),
            7..=8 => Action::DeleteSecret(place, slot),
            _ => Action::CreateForeign(place, slot, random.percent(50)),
        },
        7 => match random.below(8) {
            0..=2 => Action::CreateObject(slot, any_spec(random)),
            3..=5 => Action::ChangeSpec(slot, any_spec(random)),
            6 => Action::DeleteObject(slot),
            _ => Action::SetPassword(random.below(5) as u8),
        },
        8 => match random.below(2) {
            0 => Action::Deny(place, random.below(4) as u8),
            _ => Action::Quota(place, random.below(4) as u8),
        },
        _ => match random.below(9) {
            0 => Action::KillToken(random.below(8) as u8),
            1 => Action::DisableToken(random.below(8) as u8),
            2 => Action::CreateToken,
            8 => Action::Rotate(slot),
            3..=6 => Action::Registry(random.below(4) as u8),
            _ => Action::Isolate(random.percent(40)),
        },
    }
}

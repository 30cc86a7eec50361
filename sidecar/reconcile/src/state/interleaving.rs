//! Convergence, in whatever order events arrive and whatever other clients write meanwhile: once they stop, a
//! few plans bring the cluster to the desired state, and the next plan is empty.
//!
//! A model of the API server keeps the true state and three watches, each of which lags by itself. The watch
//! of Secrets tells metadata only: their contents are read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use tcr::names::derived_secret_name;

use super::tests::{distribution, namespace};
use super::*;
use distribution::job::Written;
use distribution::{Change, Content, Digest, ResourceVersion, Version, plan};

const PLACES: [&str; 2] = ["shop", "team"];
const ACCOUNTS: [&str; 2] = ["default", "robot"];
const SECRET: &str = "tcr.ipsdemo";

#[derive(Clone, Debug)]
struct Stored {
    uid: u64,
    version: u64,
    bytes: String,
    /// It has our labels.
    ours: bool,
    /// The content that its mark names.
    marked: Option<String>,
}

fn key() -> InstallationKey {
    InstallationKey::parse("a".repeat(64).as_bytes()).unwrap()
}

#[derive(Clone, Debug)]
enum Told {
    Place(&'static str),
    NoPlace(&'static str),
    Secret(&'static str, Stored),
    NoSecret(&'static str, u64),
    Account(&'static str, &'static str, u64, Vec<String>),
    NoAccount(&'static str, &'static str),
}

/// The true state.
#[derive(Default)]
struct World {
    clock: u64,
    places: BTreeSet<&'static str>,
    secrets: BTreeMap<&'static str, Stored>,
    accounts: BTreeMap<(&'static str, &'static str), (u64, Vec<String>)>,
    /// Events not delivered yet: of namespaces, Secrets and ServiceAccounts.
    watches: [VecDeque<Told>; 3],
}

impl World {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The controller writes a Secret.
    fn put(&mut self, place: &'static str, uid: Option<u64>, bytes: &str) -> Stored {
        self.store(place, uid, bytes, true, Some(bytes.to_owned()))
    }

    fn store(
        &mut self,
        place: &'static str,
        uid: Option<u64>,
        bytes: &str,
        ours: bool,
        marked: Option<String>,
    ) -> Stored {
        let version = self.tick();
        let before = self.secrets.get(place).cloned();
        let stored = Stored { uid: uid.unwrap_or(version), version, bytes: bytes.to_owned(), ours, marked };
        match (before.is_some_and(|it| it.ours), ours) {
            (_, true) => self.watches[1].push_back(Told::Secret(place, stored.clone())),
            // A Secret without the label leaves the watch.
            (true, false) => self.watches[1].push_back(Told::NoSecret(place, stored.uid)),
            (false, false) => {}
        }
        self.secrets.insert(place, stored.clone());
        stored
    }

    fn drop_secret(&mut self, place: &'static str) {
        if let Some(gone) = self.secrets.remove(place).filter(|it| it.ours) {
            self.watches[1].push_back(Told::NoSecret(place, gone.uid));
        }
    }

    fn list(&mut self, place: &'static str, account: &'static str, list: Vec<String>) -> u64 {
        let version = self.tick();
        self.accounts.insert((place, account), (version, list.clone()));
        self.watches[2].push_back(Told::Account(place, account, version, list));
        version
    }

    fn drop_account(&mut self, place: &'static str, account: &'static str) {
        if self.accounts.remove(&(place, account)).is_some() {
            self.watches[2].push_back(Told::NoAccount(place, account));
        }
    }

    /// Another client's write.
    fn suffer(&mut self, step: &Step) {
        match step {
            Step::Place(place) if self.places.insert(place) => {
                self.watches[0].push_back(Told::Place(place));
                self.list(place, "default", Vec::new());
            }
            Step::NoPlace(place) if self.places.remove(place) => {
                ACCOUNTS.iter().for_each(|account| self.drop_account(place, account));
                self.drop_secret(place);
                self.watches[0].push_back(Told::NoPlace(place));
            }
            Step::Account(place, account, list) if self.places.contains(place) => {
                self.list(place, account, list.iter().map(|it| (*it).to_owned()).collect());
            }
            Step::NoAccount(place, account) => self.drop_account(place, account),
            Step::Secret(place, bytes, ours) if self.places.contains(place) => {
                // An edit keeps the annotation.
                let before = self.secrets.get(place).cloned();
                let uid = before.as_ref().map(|it| it.uid);
                self.store(place, uid, bytes, *ours, before.and_then(|it| it.marked));
            }
            Step::NoSecret(place) => self.drop_secret(place),
            _ => {}
        }
    }

    /// Carries out a plan's writes, as the executor does, until the first that fails.
    fn carry_out(&mut self, place: &'static str, changes: Vec<Change>) -> Vec<Written> {
        let mut written = Vec::new();
        for change in changes {
            if !self.places.contains(place) || !self.carry_out_one(place, change, &mut written) {
                break;
            }
        }
        written
    }

    fn carry_out_one(&mut self, place: &'static str, change: Change, written: &mut Vec<Written>) -> bool {
        let bytes = |content: &Content| String::from_utf8(content.bytes().to_vec()).unwrap();
        let is = |stored: &Stored, uid: &Uid| *uid == Uid::of(&stored.uid.to_string());
        let found = self.secrets.get(place).cloned();
        let told = |seen| Written::Secret { name: SECRET.to_owned(), seen };
        match change {
            Change::CreateSecret { content, .. } => match found {
                Some(found) => {
                    written.push(told(Some(in_the_way(&found))));
                    false
                }
                None => {
                    written.push(told(Some(in_the_way(&self.put(place, None, &bytes(&content))))));
                    true
                }
            },
            Change::UpdateSecret { uid, content, .. } => match found {
                Some(found) if is(&found, &uid) => {
                    let made = self.put(place, Some(found.uid), &bytes(&content));
                    written.push(told(Some(in_the_way(&made))));
                    true
                }
                other => {
                    written.push(told(other.as_ref().map(in_the_way)));
                    false
                }
            },
            Change::ReplaceSecret { .. } => unreachable!("everything here can be mended in place"),
            Change::MarkSecret { uid, content, .. } => match found {
                Some(found) if is(&found, &uid) => {
                    let made =
                        self.store(place, Some(found.uid), &found.bytes, found.ours, Some(bytes(&content)));
                    written.push(told(Some(in_the_way(&made))));
                    true
                }
                _ => false,
            },
            Change::DeleteSecret { uid, .. } => match found {
                Some(found) if !is(&found, &uid) => false,
                _ => {
                    self.drop_secret(place);
                    written.push(told(None));
                    true
                }
            },
            Change::EditReferences { account, edit } => {
                let account = ACCOUNTS.iter().find(|it| **it == account).unwrap();
                let Some((version, mut list)) = self.accounts.get(&(place, *account)).cloned() else {
                    written.push(Written::AccountGone { name: (*account).to_owned() });
                    return true;
                };
                let operations = edit.patch();
                if operations[0]["value"].as_str() != Some(&version.to_string()) {
                    return false;
                }
                for operation in &operations[1..] {
                    let path = operation["path"].as_str().unwrap();
                    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
                    match operation["op"].as_str().unwrap() {
                        "remove" => drop(list.remove(path.rsplit('/').next().unwrap().parse().unwrap())),
                        _ if path.ends_with('-') => list.push(name(&operation["value"])),
                        _ => list = operation["value"].as_array().unwrap().iter().map(name).collect(),
                    }
                }
                let version = self.list(place, account, list.clone());
                written.push(Written::Account(account_seen(place, account, version, &list)));
                true
            }
        }
    }
}

/// A Secret of another owner at a desired name.
fn in_the_way(stored: &Stored) -> SeenSecret {
    let uid = Uid::of(&stored.uid.to_string());
    match stored.ours || stored.marked.is_some() {
        true => SeenSecret::Ours {
            uid,
            version: Version(stored.version),
            digest: Some(Digest::of(stored.bytes.as_bytes())),
            labelled: stored.ours,
            mendable: true,
            marked: stored.marked.as_ref() == Some(&stored.bytes),
            unread: false,
        },
        false => SeenSecret::Foreign { uid, same_registry: false, mendable: true },
    }
}

/// The Secret as its watch tells it.
fn metadata(stored: &Stored) -> SeenSecret {
    let written = stored.marked.as_ref().map(|bytes| key().tag(Digest::of(bytes.as_bytes())));
    SeenSecret::Ours {
        uid: Uid::of(&stored.uid.to_string()),
        version: Version(stored.version),
        digest: written.map(|tag| tag.unknown()),
        labelled: true,
        mendable: true,
        marked: written.is_some(),
        unread: true,
    }
}

fn account_seen(place: &str, account: &str, version: u64, list: &[String]) -> Placed<Account> {
    let references: Vec<Arc<str>> = list.iter().map(|it| it.as_str().into()).collect();
    let resource_version = ResourceVersion::of(&version.to_string());
    let seen = Account { resource_version, has_list: !list.is_empty(), references: references.into() };
    Placed { namespace: place.into(), name: account.into(), seen }
}

/// Hands an event to the controller's state.
fn hear(state: &mut State, told: Told) {
    match told {
        Told::Place(place) => drop(state.see_namespace(namespace(place))),
        Told::NoPlace(place) => state.lose_namespace(place),
        Told::Secret(place, stored) => {
            let seen = metadata(&stored);
            drop(state.see_secret(Placed { namespace: place.into(), name: SECRET.into(), seen }));
        }
        Told::NoSecret(place, uid) => drop(state.lose_secret(place, SECRET, &Uid::of(&uid.to_string()))),
        Told::Account(place, account, version, list) => {
            drop(state.see_account(account_seen(place, account, version, &list)));
        }
        Told::NoAccount(place, account) => state.lose_account(place, account),
    }
}

fn work(state: &mut State, world: &mut World, place: &'static str) -> bool {
    let Some(seen) = state.observed().get(place) else { return false };
    let is_unread = seen.secrets.get(SECRET).is_some_and(SeenSecret::is_unread);
    if is_unread && state.desired().of_secret(SECRET).is_some_and(|(_, it)| it.wants(place, seen)) {
        let seen = world.secrets.get(place).map(in_the_way);
        state.looked(&place.into(), vec![Written::Secret { name: SECRET.to_owned(), seen }]);
        return true;
    }
    let changes = plan(place, seen, state.desired());
    let some = !changes.is_empty();
    let written = world.carry_out(place, changes);
    state.written(&place.into(), written);
    some
}

#[derive(Clone, Debug)]
enum Step {
    Place(&'static str),
    NoPlace(&'static str),
    Account(&'static str, &'static str, Vec<&'static str>),
    NoAccount(&'static str, &'static str),
    Secret(&'static str, &'static str, bool),
    NoSecret(&'static str),
    Ask(&'static str, &'static str),
    Hear(usize),
    Work(&'static str),
}

fn any_step() -> impl Strategy<Value = Step> {
    let place = || prop::sample::select(PLACES.as_slice());
    let account = || prop::sample::select(ACCOUNTS.as_slice());
    let list = prop::collection::vec(prop::sample::select(["partner", SECRET].as_slice()), 0..3);
    prop_oneof![
        3 => place().prop_map(Step::Place),
        1 => place().prop_map(Step::NoPlace),
        2 => (place(), account(), list).prop_map(|(place, account, list)| Step::Account(place, account, list)),
        1 => (place(), account()).prop_map(|(place, account)| Step::NoAccount(place, account)),
        2 => (place(), prop::sample::select(["v1", "v2", "x"].as_slice()), any::<bool>())
            .prop_map(|(place, bytes, ours)| Step::Secret(place, bytes, ours)),
        1 => place().prop_map(Step::NoSecret),
        2 => (prop::sample::select(["*", "shop", "!shop"].as_slice()), prop::sample::select(["v1", "v2"].as_slice()))
            .prop_map(|(namespaces, bytes)| Step::Ask(namespaces, bytes)),
        8 => (0..3_usize).prop_map(Step::Hear),
        6 => place().prop_map(Step::Work),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_ends_in_what_is_asked_for(steps in prop::collection::vec(any_step(), 0..80)) {
        let (mut world, mut state) = (World::default(), State::new(Arc::new(key())));
        let mut asked = ("*", "v1");
        state.ask("demo", distribution(asked.0, asked.1));
        for step in steps {
            match step {
                Step::Ask(namespaces, bytes) => {
                    asked = (namespaces, bytes);
                    state.ask("demo", distribution(namespaces, bytes));
                }
                Step::Hear(which) => {
                    if let Some(told) = world.watches[which].pop_front() {
                        hear(&mut state, told);
                    }
                }
                Step::Work(place) => drop(work(&mut state, &mut world, place)),
                other => world.suffer(&other),
            }
        }
        // No other client writes any more. Each plan's writes are observed before the next plan.
        let mut rounds = 0;
        loop {
            for which in 0..3 {
                while let Some(told) = world.watches[which].pop_front() {
                    hear(&mut state, told);
                }
            }
            for place in PLACES {
                // A Secret of another owner is in no watch: it is read again at an interval.
                let is_foreign = state
                    .observed()
                    .get(place)
                    .and_then(|seen| seen.secrets.get(SECRET))
                    .is_some_and(|seen| !seen.is_ours());
                if is_foreign {
                    let seen = world.secrets.get(place).map(in_the_way);
                    state.written(&place.into(), vec![Written::Secret { name: SECRET.to_owned(), seen }]);
                }
            }
            let busy = PLACES.map(|place| work(&mut state, &mut world, place));
            rounds += 1;
            prop_assert!(rounds < 12, "it does not come to an end");
            if busy == [false; 2] && world.watches.iter().all(VecDeque::is_empty) {
                break;
            }
        }
        let wanted = distribution(asked.0, asked.1);
        for place in &world.places {
            let is_wanted = wanted.selection.selects_namespace(place, &BTreeMap::new());
            let found = world.secrets.get(place);
            // A Secret of ours that lost its labels where it is no longer wanted is in no watch.
            let is_theirs = found.is_some_and(|it| !it.ours && (it.marked.is_none() || !is_wanted));
            if !is_theirs {
                let bytes = found.map(|it| it.bytes.as_str());
                prop_assert_eq!(bytes, is_wanted.then_some(asked.1), "the Secret in {}", place);
            }
            for ((_, account), (_, list)) in world.accounts.iter().filter(|((it, _), _)| it == place) {
                let refers = list.contains(&derived_secret_name("demo"));
                // A reference to another owner's Secret may be that owner's, and without a Secret it is
                // useless.
                prop_assert!(is_theirs || refers == is_wanted, "{}/{} has {:?}", place, account, list);
            }
        }
        prop_assert_eq!(state.observed().names().count(), world.places.len());
    }
}

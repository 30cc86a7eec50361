//! Keepers of service accounts: two installations on one instance, each process of which may be killed before, in or after
//! any call, while others have accounts of their own, and the instance has room for few.

use std::cell::RefCell;
use std::future::{Future as _, pending};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tcr::image_pull_secret::{CredentialKind, OnDelete};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;
use tencent_cloud::action::Action;
use tencent_cloud::error::{CloudError, Failure};
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

use super::*;
use crate::store::Document;
use credential_plan::plan::{self, ListedToken};
use kubernetes::api_error::ApiError;
use registry_client::Verdict;

/// The two clusters, as the cloud tells them apart.
const INSTALLATIONS: [&str; 2] = ["aaaaaaaa", "bbbbbbbb"];
/// How long each account is valid.
const VALIDITY: Duration = Duration::from_secs(24 * 3600);
/// What others have, some of it under names like ours.
const FOREIGN: [&str; 3] = ["tcr$robot", "tcr$tcr-assistant-cccccccc-0", "tcr$tcr-assistant-aaaaaaaa-"];

#[derive(Clone, Debug)]
struct Account {
    name: String,
    /// The cluster that made it; none for others.
    maker: Option<usize>,
    description: String,
    enabled: bool,
    ends: Timestamp,
    /// Its rights are not those that it was made with.
    has_drifted: bool,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// Before the call is carried out.
    Before,
    /// After it was carried out, without its answer.
    After,
    /// Before it is carried out, which happens in the life of the next one.
    Late,
}

#[derive(Debug)]
struct World {
    now: Timestamp,
    accounts: Vec<Account>,
    /// How many the instance holds.
    quota: usize,
    secrets: [Option<(u64, Document)>; 2],
    /// What each cluster distributes.
    in_use: [Option<String>; 2],
    writes: u64,
    drawn: u64,
    /// Calls until the process dies, and how.
    death: Option<(usize, Death)>,
    /// Creations that are carried out yet, after so many calls.
    late: Vec<(usize, Account)>,
    /// Most accounts of one cluster at a time so far.
    most: usize,
    /// Somebody harmed an account, which cannot be in use any longer.
    harmed: Vec<String>,
}

type Shared = Rc<RefCell<World>>;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

impl World {
    fn new(quota: usize) -> Shared {
        let mut world = Self {
            now: start(),
            accounts: Vec::new(),
            quota,
            secrets: [None, None],
            in_use: [None, None],
            writes: 0,
            drawn: 0,
            death: None,
            late: Vec::new(),
            most: 0,
            harmed: Vec::new(),
        };
        FOREIGN.iter().for_each(|name| world.add_foreign(name));
        Rc::new(RefCell::new(world))
    }

    fn add_foreign(&mut self, name: &str) {
        self.accounts.push(Account {
            name: name.to_owned(),
            maker: None,
            description: "TKE cluster (cls-1) dedicated access credential [tcr-assistant 000000000000]"
                .to_owned(),
            enabled: true,
            ends: Timestamp::MAX,
            has_drifted: false,
        });
    }

    fn of(&self, cluster: usize) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(move |account| account.maker == Some(cluster))
    }

    fn current(&self, cluster: usize) -> Option<&Stored> {
        self.secrets[cluster].as_ref().map(|(_, document)| &document.stored)
    }

    fn insert(&mut self, account: Account) -> bool {
        let is_new = !self.accounts.iter().any(|it| it.name == account.name);
        if is_new && self.accounts.len() < self.quota {
            let cluster = account.maker.unwrap();
            self.accounts.push(account);
            self.most = self.most.max(self.of(cluster).count());
            return true;
        }
        false
    }

    /// One call is under way: whether the process dies of it, and how.
    fn call(&mut self) -> Option<Death> {
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(left, _)| *left == 0);
        self.late = late;
        self.late.iter_mut().for_each(|(left, _)| *left -= 1);
        let due: Vec<(usize, Account)> = due;
        for (_, account) in due {
            self.insert(account);
        }
        let (left, death) = self.death?;
        self.death = Some((left.saturating_sub(1), death));
        (left == 0).then_some(death)
    }

    fn mine(&mut self, cluster: usize, name: &str) -> Option<&mut Account> {
        let account = self.accounts.iter_mut().find(|it| it.name == name)?;
        assert_eq!(account.maker, Some(cluster), "{name} is not of cluster {cluster}");
        Some(account)
    }
}

/// What the keeper of one process talks to.
struct Simulated {
    world: Shared,
    cluster: usize,
    orders: watch::Sender<Order>,
    /// When the process is ended at the latest.
    until: Timestamp,
    roots: Vec<String>,
}

fn key() -> Key {
    Key {
        instance_id: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        kind: CredentialKind::ServiceAccount,
        registry_namespaces: vec!["team-a".to_owned()],
        ..Key::default()
    }
}

fn refused(action: Action, code: &str) -> CloudError {
    CloudError {
        action,
        instance: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        endpoint: String::new(),
        identity: None,
        failure: Failure::Refused { code: code.to_owned(), message: String::new(), request_id: None },
    }
}

impl Simulated {
    /// A call: what it does, unless the process dies of it before.
    async fn call<T>(&self, effect: impl FnOnce(&mut World) -> T) -> T {
        let death = self.world.borrow_mut().call();
        if matches!(death, Some(Death::Before | Death::Late)) {
            return pending().await;
        }
        let result = effect(&mut self.world.borrow_mut());
        match death {
            Some(_) => pending().await,
            None => result,
        }
    }
}

impl Services for Simulated {
    fn now(&self) -> Timestamp {
        self.world.borrow().now
    }

    fn random(&self) -> u64 {
        let mut world = self.world.borrow_mut();
        world.drawn += 1;
        // Different in its first digits too.
        world.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    async fn sleep(&mut self, wait: Duration) {
        let wakes = plan::later(self.now(), wait);
        if wakes > self.until {
            return pending().await;
        }
        self.world.borrow_mut().now = wakes;
    }

    async fn pause(&self, _: Duration) {}

    fn cluster_id(&self) -> Option<&str> {
        Some("cls-1")
    }

    fn allowed_roots(&self) -> &[String] {
        &self.roots
    }

    fn asks_registries(&self) -> bool {
        true
    }

    async fn instance(&self, key: &Key) -> Result<Option<Instance>, CloudError> {
        Ok(Some(Instance {
            id: key.instance_id.clone(),
            name: "demo".to_owned(),
            public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
            status: "Running".to_owned(),
            region: key.region.clone(),
        }))
    }

    fn installation(&self) -> &str {
        INSTALLATIONS[self.cluster]
    }

    async fn create_token(&self, _: &Key, _: &str) -> Result<IssuedToken, CloudError> {
        unreachable!("no token is asked for")
    }

    async fn create_account(&self, _: &Key, account: &ServiceAccountSpec) -> Result<IssuedToken, CloudError> {
        let name = format!("tcr${}", account.name);
        let made = Account {
            name: name.clone(),
            maker: Some(self.cluster),
            description: account.description.clone(),
            enabled: true,
            ends: account.expires_at,
            has_drifted: false,
        };
        if self.world.borrow().death.is_some_and(|it| it == (0, Death::Late)) {
            self.world.borrow_mut().late.push((5, made.clone()));
        }
        let is_full = self.world.borrow().accounts.len() >= self.world.borrow().quota;
        match self.call(|world| world.insert(made)).await {
            true => Ok(IssuedToken {
                username: name.clone(),
                token: Sensitive::new(format!("password of {name}")),
                expires_at: Some(account.expires_at),
                token_id: Some(name),
            }),
            false if is_full => Err(refused(Action::CreateServiceAccount, "OperationDenied.QuotaOverLimit")),
            false => Err(refused(Action::CreateServiceAccount, "OperationDenied")),
        }
    }

    async fn set_account(&self, _: &Key, account: &ServiceAccountSpec) -> Result<(), CloudError> {
        let cluster = self.cluster;
        let set = self.call(|world| {
            let found = world.mine(cluster, &account.name)?;
            (found.ends, found.enabled, found.has_drifted) = (account.expires_at, true, false);
            Some(())
        });
        set.await.ok_or_else(|| refused(Action::ModifyServiceAccount, "OperationDenied"))
    }

    async fn missing_namespaces(&self, _: &Key) -> Result<Vec<String>, CloudError> {
        Ok(Vec::new())
    }

    async fn tokens(&self, _: &Key) -> Result<Vec<ListedToken>, CloudError> {
        let list = self.call(|world| {
            let listed = |account: &Account| ListedToken {
                id: account.name.clone(),
                description: account.description.clone(),
                enabled: account.enabled,
                expires_at: Some(account.ends),
                drift: account.has_drifted.then(|| "it may push".to_owned()),
            };
            world.accounts.iter().map(listed).collect()
        });
        Ok(list.await)
    }

    async fn delete_token(&self, _: &Key, name: &str) -> Result<(), CloudError> {
        let cluster = self.cluster;
        let delete = self.call(|world| {
            world.mine(cluster, name)?;
            let is_in_use = world.in_use[cluster].as_deref() == Some(name);
            assert!(!is_in_use || world.harmed.iter().any(|it| it == name), "{name} is in use");
            world.accounts.retain(|account| account.name != name);
            Some(())
        });
        delete.await.ok_or_else(|| refused(Action::DeleteServiceAccount, "OperationDenied"))
    }

    async fn read(&self, _: &Key) -> Result<Option<Read>, ApiError> {
        let secret = self.world.borrow().secrets[self.cluster].clone();
        Ok(secret.map(|(version, document)| Read {
            document,
            resource_version: version.to_string(),
            uid: "u".to_owned(),
        }))
    }

    async fn write(&self, document: Document, before: Option<&Read>) -> Result<Read, ApiError> {
        let cluster = self.cluster;
        let before = before.map(|read| read.resource_version.clone());
        self.call(|world| {
            let there = world.secrets[cluster].as_ref().map(|(version, _)| version.to_string());
            if there != before {
                return Err(ApiError::Overtaken);
            }
            world.writes += 1;
            world.secrets[cluster] = Some((world.writes, document.clone()));
            Ok(Read { document, resource_version: world.writes.to_string(), uid: "u".to_owned() })
        })
        .await
    }

    async fn delete(&self, _: &Read) -> Result<(), ApiError> {
        let cluster = self.cluster;
        self.call(|world| {
            world.secrets[cluster] = None;
            Ok(())
        })
        .await
    }

    async fn check(&self, _: &[RegistryHost], username: &str, password: &Sensitive) -> Verdict {
        let world = self.world.borrow();
        let lets_in = |account: &&Account| {
            account.name == username
                && account.enabled
                && account.ends > world.now
                && password.expose() == format!("password of {username}")
        };
        match world.accounts.iter().any(|account| lets_in(&account)) {
            true => Verdict::Accepted { can_push: false },
            false => Verdict::Refused { reason: "HTTP 401".to_owned() },
        }
    }

    async fn tell(&self, _: &Key, event: CredentialEvent) -> bool {
        let is_over = self.orders.borrow().is_over;
        if let (CredentialEvent::Available { held, .. }, false) = (event, is_over) {
            self.world.borrow_mut().in_use[self.cluster] = Some(held.username.clone());
            // Every copy is replaced at once.
            self.orders.send_modify(|order| order.rolled_out = Some(held.version()));
        }
        true
    }
}

fn order() -> Order {
    Order {
        validity: Some(VALIDITY),
        rotate_after: Some(VALIDITY / 2),
        on_delete: OnDelete::Revoke,
        is_needed: true,
        ..Order::default()
    }
}

/// A process of a cluster, until it dies or so many hours have passed.
fn live(world: &Shared, cluster: usize, hours: i64, death: Option<(usize, Death)>, order: Order) {
    world.borrow_mut().death = death;
    let until = plan::later(world.borrow().now, SignedDuration::from_hours(hours));
    let (orders, receiver) = watch::channel(order);
    let roots = vec!["tencentcloudcr.com".to_owned()];
    let services = Simulated { world: world.clone(), cluster, orders, until, roots };
    let mut keeper = pin!(keep(key(), services, receiver));
    // Nothing wakes it: where it cannot go on it is over.
    let _ = keeper.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// What somebody else does to an account that a cluster made.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Nothing,
    Delete,
    Disable,
    Shorten,
    Drift,
}

fn harm(world: &Shared, cluster: usize, harm: Harm) {
    let mut world = world.borrow_mut();
    let now = world.now;
    let Some(at) = world.accounts.iter().position(|account| account.maker == Some(cluster)) else { return };
    let name = world.accounts[at].name.clone();
    match harm {
        Harm::Nothing => return,
        Harm::Delete => drop(world.accounts.remove(at)),
        Harm::Disable => world.accounts[at].enabled = false,
        Harm::Shorten => world.accounts[at].ends = plan::later(now, SignedDuration::from_mins(30)),
        Harm::Drift => world.accounts[at].has_drifted = true,
    }
    world.harmed.push(name);
}

#[derive(Clone, Copy, Debug)]
struct Life {
    cluster: usize,
    hours: i64,
    death: (usize, Death),
    harm: Harm,
}

fn lives(harms: Vec<Harm>) -> impl Strategy<Value = Vec<Life>> {
    let death = prop::sample::select(vec![Death::Before, Death::After, Death::Late]);
    let life = (0..2_usize, 0..40_i64, (0..14_usize, death), prop::sample::select(harms));
    let life = life.prop_map(|(cluster, hours, death, harm)| Life { cluster, hours, death, harm });
    prop::collection::vec(life, 0..12)
}

/// All of these lives, then each cluster's until everything has settled.
fn go_on(world: &Shared, lives: &[Life]) {
    for life in lives {
        live(world, life.cluster, life.hours, Some(life.death), order());
        harm(world, life.cluster, life.harm);
    }
    for cluster in [0, 1, 0, 1] {
        live(world, cluster, 3, None, order());
    }
}

/// Each cluster has one account, which is good and in use, and nobody else's was touched.
fn check_settled(world: &World, foreign: usize) {
    for cluster in 0..2 {
        let of: Vec<&Account> = world.of(cluster).collect();
        let stored = world.current(cluster).unwrap();
        // One that was replaced has its hour.
        assert_eq!(of.len(), 1 + stored.previous.len(), "{of:?} {stored:?}");
        let current = stored.current.as_ref().unwrap();
        let account = of.iter().find(|account| account.name == current.username).unwrap();
        assert!(account.enabled && account.ends > world.now && !account.has_drifted, "{account:?}");
        assert_eq!(world.in_use[cluster].as_deref(), Some(&*account.name));
        assert_eq!(stored.intent, None);
    }
    assert_eq!(world.accounts.iter().filter(|account| account.maker.is_none()).count(), foreign);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn killed_anywhere_each_installation_is_left_with_one_account_and_never_has_two_too_many(
        lives in lives(vec![Harm::Nothing]),
    ) {
        let world = World::new(100);
        go_on(&world, &lives);
        check_settled(&world.borrow(), FOREIGN.len());
        // The one in use, the one before it, the next one, and one that a dead process's last call made meanwhile.
        prop_assert!(world.borrow().most <= 4, "{} at a time", world.borrow().most);
    }

    #[test]
    fn what_somebody_does_to_an_account_is_mended(
        lives in lives(vec![Harm::Nothing, Harm::Delete, Harm::Disable, Harm::Shorten, Harm::Drift]),
    ) {
        let world = World::new(100);
        go_on(&world, &lives);
        check_settled(&world.borrow(), FOREIGN.len());
    }

    #[test]
    fn a_copy_of_a_cluster_takes_accounts_of_its_own_and_leaves_those_of_the_other_one(
        before in 0..30_i64,
        death in 0..14_usize,
        lives in lives(vec![Harm::Nothing]),
    ) {
        let world = World::new(100);
        live(&world, 0, before, Some((death, Death::After)), order());
        let copy = world.borrow().secrets[0].clone();
        world.borrow_mut().secrets[1] = copy;
        go_on(&world, &lives);
        check_settled(&world.borrow(), FOREIGN.len());
    }

    #[test]
    fn where_there_is_no_room_the_account_in_use_goes_on(lives in lives(vec![Harm::Nothing])) {
        // One for each, and none for a second one.
        let world = World::new(FOREIGN.len() + 2);
        for cluster in 0..2 {
            live(&world, cluster, 1, None, order());
        }
        let before = world.borrow().in_use.clone();
        // While a process is away for half a day nobody puts off any end.
        let lives: Vec<Life> = lives.into_iter().map(|life| Life { hours: life.hours % 4, ..life }).collect();
        for life in &lives {
            live(&world, life.cluster, life.hours, Some(life.death), order());
            live(&world, 1 - life.cluster, 1, None, order());
        }
        for _ in 0..20 {
            for cluster in 0..2 {
                live(&world, cluster, 4, None, order());
                let world = world.borrow();
                let in_use = world.of(cluster).find(|it| it.ends > world.now).unwrap();
                assert!(in_use.enabled);
            }
        }
        prop_assert_eq!(&world.borrow().in_use, &before);
        prop_assert!(world.borrow().current(0).unwrap().current.as_ref().unwrap().extended_at.is_some());
        check_settled(&world.borrow(), FOREIGN.len());
        // Once there is room, the next renewal takes it.
        world.borrow_mut().quota = 100;
        for (cluster, before) in before.iter().enumerate() {
            live(&world, cluster, 14, None, order());
            prop_assert_ne!(&world.borrow().in_use[cluster], before);
        }
    }

    #[test]
    fn the_last_user_takes_every_account_along(lives in lives(vec![Harm::Nothing])) {
        let world = World::new(100);
        go_on(&world, &lives);
        world.borrow_mut().in_use = [None, None];
        for cluster in 0..2 {
            live(&world, cluster, 3, None, Order { is_over: true, ..order() });
            prop_assert_eq!(world.borrow().of(cluster).count(), 0);
            prop_assert!(world.borrow().secrets[cluster].is_none());
        }
        prop_assert_eq!(world.borrow().accounts.len(), FOREIGN.len());
    }
}

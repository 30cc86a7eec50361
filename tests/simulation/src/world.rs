//! Everything outside the controllers: the API server, the cloud, the registry, and the calls under way to them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use credential::store::Document;
use credential_plan::Key;
use credential_plan::plan::ListedToken;
use custom_resource::ImagePullSecretStatus;
use distribution::{Digest, Uid};
use jiff::{SignedDuration, Timestamp};
use kubernetes::api_error::ApiError;
use tcr::registry_host::RegistryHost;
use tcr::verdict::Verdict;
use tencent_cloud::action::Action;
use tencent_cloud::error::{CloudError, Failure};
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

use crate::cloud::{self, Cloud, Mood};
use crate::cluster::{Account, Cluster, Labels, NAMESPACES, OBJECTS, Secret, Stored, denied};
use crate::invariants::Broken;
use crate::random::Random;
use crate::refusal;
use crate::sight::SharedSights;

/// A call to somebody outside.
#[derive(Clone, Debug)]
pub enum Call {
    /// DescribeInstances.
    Instance(Key),
    /// CreateInstanceToken.
    CreateToken(Key, String),
    /// CreateServiceAccount.
    CreateAccount(Key, ServiceAccountSpec),
    /// ModifyServiceAccount.
    SetAccount(ServiceAccountSpec),
    /// DescribeInstanceToken and DescribeServiceAccounts.
    ListTokens,
    /// DeleteInstanceToken and DeleteServiceAccount.
    DeleteToken(String),
    /// Reads a stored credential.
    ReadStored(String),
    /// Writes one where that version of that uid was read, or where there was none.
    WriteStored(Box<Document>, Option<(u64, u64)>),
    /// Deletes one as it was read.
    DeleteStored(String, u64, u64),
    /// Lists them.
    ListStored,
    /// Asks the registry.
    Check(String),
    /// Reads a derived Secret.
    GetSecret(usize, usize),
    /// Creates one.
    CreateSecret(usize, usize, Digest),
    /// Patches one of this uid.
    UpdateSecret(usize, usize, Uid, Digest),
    /// Replaces one of this version.
    PutSecret(usize, usize, u64, Digest),
    /// Puts the mark on one of this uid.
    MarkSecret(usize, usize, Uid, Digest),
    /// Deletes one of this uid, and whether another one is made in its place.
    DeleteSecret(usize, usize, Uid, bool),
    /// Patches a ServiceAccount of this version to this list.
    EditAccount(usize, usize, u64, Vec<u8>),
    /// Writes a status.
    Status(usize, Rc<ImagePullSecretStatus>),
    /// Puts the finalizer on, or takes it off, of an object of this version.
    Finalize(usize, u64, bool),
}

/// An answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few are under way at a time, and none is kept")]
pub enum Reply {
    /// The instance.
    Instance(Result<Option<Instance>, Failure>),
    /// A token.
    Issued(Result<IssuedToken, Failure>),
    /// All tokens.
    Tokens(Result<Vec<ListedToken>, Failure>),
    /// A token was deleted, or a service account changed.
    Deleted(Result<(), Failure>),
    /// A stored credential.
    Stored(Result<Option<Stored>, ApiError>),
    /// All of them.
    AllStored(Result<Vec<Document>, ApiError>),
    /// The registry's answer.
    Verdict(Verdict),
    /// A derived Secret, or that there is none.
    Secret(Result<Option<Secret>, ApiError>),
    /// A ServiceAccount.
    Account(Result<Account, ApiError>),
    /// A status or a finalizer was written.
    Done(Result<(), ApiError>),
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Well,
    /// It is refused, in one of several ways.
    Refused(u8),
    /// It is never carried out, and there is no answer.
    Lost,
    /// It is carried out, and the answer is lost.
    AnswerLost(u8),
    /// The caller gives up; it may be carried out later.
    GivenUp,
}

#[derive(Debug)]
struct InFlight {
    id: u32,
    process: u32,
    task: u32,
    call: Call,
    /// Nobody waits for it any more.
    abandoned: bool,
}

/// Everything outside the controllers.
#[derive(Debug)]
pub struct World {
    /// Milliseconds since the history began.
    pub now: u64,
    /// The API server.
    pub cluster: Cluster,
    /// Tencent's API.
    pub cloud: Cloud,
    /// The registry.
    pub registry: Mood,
    /// Chance inside the controllers.
    pub random: Random,
    /// The first rule that was broken.
    pub broken: Option<Broken>,
    /// Statuses that were written.
    pub statuses: usize,
    /// Stored credentials that were written.
    pub stores: usize,
    /// What controllers' contents are.
    pub sights: SharedSights,
    /// The registry did not always tell the truth.
    pub registry_failed: bool,
    /// A controller may not know what was done in its name: an answer was lost, or two of them worked side by side.
    pub is_blurred: bool,
    /// Two controllers worked side by side.
    pub is_superseded: bool,
    /// A watch was listed anew.
    pub has_relisted: bool,
    /// When the login of an ImagePullSecret was changed last.
    pub changed_at: [u64; OBJECTS.len()],
    /// The conflict policies that it had: 1 for adopt, 2 for overwrite.
    pub policies: [u8; OBJECTS.len()],
    /// Secrets that others deleted or replaced, or a controller that does not know it, since they were made.
    pub gone_by_others: [[bool; OBJECTS.len()]; NAMESPACES.len()],
    /// Some ImagePullSecret wanted its credential to be left behind.
    pub may_retain: bool,
    /// Tokens that others deleted or switched off.
    pub killed: Vec<String>,
    calls: Vec<InFlight>,
    answers: Vec<(u32, Reply)>,
    /// When tasks wake: the time, the process and the task.
    pub timers: Vec<(u64, u32, u32)>,
    issued: u32,
    public_domain: RegistryHost,
}

/// The world as tasks hold it.
pub type Shared = Rc<RefCell<World>>;

/// When every history begins.
pub fn epoch() -> Timestamp {
    Timestamp::constant(1_800_000_000, 0)
}

impl World {
    /// An empty one.
    pub fn new(seed: u64, sights: SharedSights) -> Self {
        Self {
            now: 0,
            cluster: Cluster::default(),
            cloud: Cloud::default(),
            registry: Mood::Well,
            random: Random::new(seed ^ 0x5EED),
            broken: None,
            statuses: 0,
            stores: 0,
            sights,
            registry_failed: false,
            is_blurred: false,
            is_superseded: false,
            has_relisted: false,
            changed_at: [0; OBJECTS.len()],
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
        self.calls.iter_mut().filter(|call| call.process == process).for_each(|call| call.abandoned = true);
        self.cloud.tokens.iter_mut().filter(|it| it.maker == process).for_each(|it| it.abandoned = true);
        self.timers.retain(|(_, it, _)| *it != process);
    }

    /// Decides the fate of one of the calls under way: the process and task that have an answer now; none when there
    /// was no call, or nobody waits for it.
    pub fn serve(&mut self, pick: usize, fate: Fate) -> Option<Served> {
        if self.calls.is_empty() {
            return None;
        }
        let index = pick % self.calls.len();
        if fate == Fate::GivenUp {
            let InFlight { id, process, task, abandoned, .. } = self.calls[index];
            if abandoned {
                return None;
            }
            self.calls[index].abandoned = true;
            let reply = timeout(&self.calls[index].call);
            self.answers.push((id, reply));
            return Some(Served { process, task, kind: kind(&self.calls[index].call), awaited: true });
        }
        let InFlight { id, process, task, call, abandoned } = self.calls.remove(index);
        let what = kind(&call);
        self.is_blurred |= abandoned || matches!(fate, Fate::AnswerLost(_));
        let reply = match fate {
            Fate::Lost => timeout(&call),
            Fate::Refused(how) => self.refuse(id, process, call, how, abandoned),
            Fate::AnswerLost(how) => {
                let failed = unheard(&call, how);
                self.execute(id, process, call, true);
                failed
            }
            Fate::Well | Fate::GivenUp => self.execute(id, process, call, abandoned),
        };
        if !abandoned {
            self.answers.push((id, reply));
        }
        Some(Served { process, task, kind: what, awaited: !abandoned })
    }

    fn refuse(&mut self, id: u32, process: u32, call: Call, how: u8, abandoned: bool) -> Reply {
        let failure = || cloud::failure(usize::from(how));
        let api = || match how % 4 {
            0 => refusal::throttled(),
            1 => refusal::internal(),
            2 => refusal::broken(),
            _ => refusal::forbidden("admission webhook \"guard\" denied the request"),
        };
        match call {
            Call::Instance(_) => Reply::Instance(Err(failure())),
            Call::ListTokens => Reply::Tokens(Err(failure())),
            Call::DeleteToken(_) | Call::SetAccount(_) => Reply::Deleted(Err(failure())),
            Call::CreateToken(..) | Call::CreateAccount(..) => match failure() {
                // It was made, and its answer makes no sense.
                Failure::Implausible { reason, request_id, .. } => {
                    let Reply::Issued(Ok(issued)) = self.execute(id, process, call, abandoned) else {
                        return Reply::Issued(Err(failure()));
                    };
                    if let Some(token) = self.cloud.tokens.last_mut() {
                        token.abandoned = true;
                    }
                    Reply::Issued(Err(Failure::Implausible { reason, request_id, token_id: issued.token_id }))
                }
                failure => Reply::Issued(Err(failure)),
            },
            Call::Check(_) => Reply::Verdict(Verdict::Unknown { reason: "connection reset".to_owned() }),
            Call::ReadStored(_) | Call::WriteStored(..) | Call::DeleteStored(..) => Reply::Stored(Err(api())),
            Call::ListStored => Reply::AllStored(Err(api())),
            Call::GetSecret(..)
            | Call::CreateSecret(..)
            | Call::UpdateSecret(..)
            | Call::PutSecret(..)
            | Call::MarkSecret(..)
            | Call::DeleteSecret(..) => Reply::Secret(Err(api())),
            Call::EditAccount(..) => Reply::Account(Err(api())),
            Call::Status(..) | Call::Finalize(..) => Reply::Done(Err(api())),
        }
    }

    fn execute(&mut self, id: u32, process: u32, call: Call, abandoned: bool) -> Reply {
        let now = self.timestamp();
        match call {
            Call::Instance(key) => Reply::Instance(Ok(Some(self.cloud.instance(&key, &self.public_domain)))),
            Call::CreateToken(key, description) => {
                let issued = self.cloud.create(&key, &description, now, id, process);
                if let Some(token) = self.cloud.tokens.last_mut() {
                    token.abandoned = abandoned;
                }
                self.check_creation(&key.secret_name(), process);
                Reply::Issued(Ok(issued))
            }
            Call::CreateAccount(key, account) => {
                let Some(issued) = self.cloud.create_account(&key, &account, id, process) else {
                    return Reply::Issued(Err(cloud::denied()));
                };
                if let Some(token) = self.cloud.tokens.last_mut() {
                    token.abandoned = abandoned;
                }
                self.check_creation(&key.secret_name(), process);
                Reply::Issued(Ok(issued))
            }
            Call::SetAccount(account) => Reply::Deleted(match self.cloud.set_account(&account) {
                true => Ok(()),
                false => Err(cloud::denied()),
            }),
            Call::ListTokens => Reply::Tokens(Ok(self.cloud.list())),
            Call::DeleteToken(token) => {
                self.check_token_deletion(&token);
                Reply::Deleted(match self.cloud.delete(&token) {
                    true => Ok(()),
                    false => Err(Failure::Refused {
                        // No code of the API says that it is gone.
                        code: "InternalError.Unknown".to_owned(),
                        message: "unknown error".to_owned(),
                        request_id: None,
                    }),
                })
            }
            Call::ReadStored(name) => Reply::Stored(Ok(self.cluster.stored.get(&name).cloned())),
            Call::WriteStored(document, before) => Reply::Stored(self.write_stored(*document, before)),
            Call::DeleteStored(name, version, uid) => Reply::Stored(self.delete_stored(&name, version, uid)),
            Call::ListStored => {
                Reply::AllStored(Ok(self.cluster.stored.values().map(|it| it.document.clone()).collect()))
            }
            Call::Check(password) => Reply::Verdict(self.cloud.verdict(self.registry, &password, now)),
            Call::GetSecret(place, slot) => Reply::Secret(Ok(self.cluster.secret(place, slot).cloned())),
            Call::CreateSecret(place, slot, digest) => Reply::Secret(self.create_secret(place, slot, digest)),
            Call::UpdateSecret(place, slot, uid, digest) => {
                Reply::Secret(self.update_secret(place, slot, &uid, digest))
            }
            Call::PutSecret(place, slot, version, digest) => {
                Reply::Secret(self.put_secret(place, slot, version, digest))
            }
            Call::MarkSecret(place, slot, uid, digest) => {
                Reply::Secret(self.mark_secret(place, slot, &uid, digest))
            }
            Call::DeleteSecret(place, slot, uid, replaces) => {
                Reply::Secret(self.delete_secret(place, slot, &uid, replaces, abandoned))
            }
            Call::EditAccount(place, index, version, list) => {
                Reply::Account(self.edit_account(place, index, version, &list))
            }
            Call::Status(slot, status) => {
                let Some(object) = &self.cluster.objects[slot] else {
                    return Reply::Done(Err(refusal::not_found()));
                };
                self.statuses += 1;
                if *object.status != *status {
                    self.cluster.change_object(slot, |object| object.status = status);
                }
                Reply::Done(Ok(()))
            }
            Call::Finalize(slot, version, on) => {
                let Some(object) = &self.cluster.objects[slot] else {
                    return Reply::Done(Err(refusal::not_found()));
                };
                if object.version != version {
                    return Reply::Done(Err(refusal::conflict()));
                }
                if on && object.deleting {
                    return Reply::Done(Err(refusal::invalid()));
                }
                if !on {
                    self.check_release(slot);
                }
                self.cluster.change_object(slot, |object| object.secured = on);
                Reply::Done(Ok(()))
            }
        }
    }

    fn write_stored(
        &mut self,
        document: Document,
        before: Option<(u64, u64)>,
    ) -> Result<Option<Stored>, ApiError> {
        let name = document.key.secret_name();
        let found = self.cluster.stored.get(&name).map(|it| (it.version, it.uid));
        match (before, found) {
            (None, Some(_)) => return Err(refusal::already_exists()),
            (Some(_), None) => return Err(refusal::not_found()),
            (before, found) if before != found => return Err(refusal::conflict()),
            _ => {}
        }
        let version = self.cluster.tick();
        let uid = found.map_or(version, |(_, uid)| uid);
        let stored = Stored { document, version, uid };
        self.stores += 1;
        self.cluster.stored.insert(name, stored.clone());
        Ok(Some(stored))
    }

    fn delete_stored(&mut self, name: &str, version: u64, uid: u64) -> Result<Option<Stored>, ApiError> {
        match self.cluster.stored.get(name) {
            None => Err(refusal::not_found()),
            Some(found) if (found.version, found.uid) != (version, uid) => Err(refusal::conflict()),
            Some(_) => {
                self.stores += 1;
                self.check_parting(name);
                self.cluster.stored.remove(name);
                Ok(None)
            }
        }
    }

    fn create_secret(
        &mut self,
        place: usize,
        slot: usize,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        self.cluster.admit_secret(place, true)?;
        if self.cluster.secret(place, slot).is_some() {
            return Err(refusal::already_exists());
        }
        self.cluster.writes += 1;
        self.gone_by_others[place][slot] = false;
        let secret = Secret {
            uid: Uid::of(""),
            version: 0,
            digest: Some(digest),
            labels: Labels::Ours,
            mark: Some(digest),
            mendable: true,
            made_by_us: true,
            given: false,
            same_registry: true,
        };
        Ok(self.cluster.create_secret(place, slot, secret).cloned())
    }

    fn update_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        let is_bare = found.labels == Labels::None && found.mark.is_none();
        if found.uid != *uid || is_bare || !found.mendable {
            return Err(refusal::invalid());
        }
        self.write_secret(place, slot, digest)
    }

    fn put_secret(
        &mut self,
        place: usize,
        slot: usize,
        version: u64,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.version != version {
            return Err(refusal::conflict());
        }
        if !found.mendable {
            return Err(refusal::invalid());
        }
        self.write_secret(place, slot, digest)
    }

    fn write_secret(
        &mut self,
        place: usize,
        slot: usize,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        self.cluster.admit_secret(place, false)?;
        self.check_secret_write(place, slot, Some(digest));
        self.cluster.writes += 1;
        Ok(self.cluster.change_secret(place, slot, |secret| {
            secret.digest = Some(digest);
            secret.labels = Labels::Ours;
            secret.mark = Some(digest);
            secret.made_by_us = true;
            secret.same_registry = true;
        }))
    }

    fn mark_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.uid != *uid {
            return Err(refusal::invalid());
        }
        self.cluster.admit_secret(place, false)?;
        self.cluster.writes += 1;
        Ok(self.cluster.change_secret(place, slot, |secret| secret.mark = Some(digest)))
    }

    fn delete_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        replaces: bool,
        abandoned: bool,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.uid != *uid {
            return Err(refusal::conflict());
        }
        let refuses =
            self.cluster.namespaces[place].as_ref().is_some_and(|it| it.denied & denied::DELETIONS != 0);
        if refuses {
            return Err(refusal::forbidden("admission webhook \"guard\" denied the request"));
        }
        self.check_secret_write(place, slot, None);
        if !replaces {
            self.check_secret_deletion(place, slot);
        }
        self.gone_by_others[place][slot] |= abandoned || self.is_blurred;
        self.cluster.writes += 1;
        self.cluster.delete_secret(place, slot);
        Ok(None)
    }

    fn edit_account(
        &mut self,
        place: usize,
        index: usize,
        version: u64,
        list: &[u8],
    ) -> Result<Account, ApiError> {
        let namespace = self.cluster.namespaces[place].as_ref();
        let Some(found) = namespace.and_then(|it| it.accounts[index].as_ref()) else {
            return Err(refusal::not_found());
        };
        if found.version != version {
            return Err(refusal::invalid());
        }
        if index == 0 && namespace.is_some_and(|it| it.denied & denied::FIRST_ACCOUNT != 0) {
            return Err(refusal::forbidden("admission webhook \"guard\" denied the request"));
        }
        let by_us = self.check_account_write(place, index, list);
        self.cluster.writes += 1;
        self.cluster.set_account(place, index, list, true, by_us);
        let account = self.cluster.namespaces[place].as_ref().and_then(|it| it.accounts[index].clone());
        account.ok_or_else(refusal::not_found)
    }
}

/// A call that was decided.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Who made it.
    pub process: u32,
    /// Of its tasks, the one that made it.
    pub task: u32,
    /// What was called.
    pub kind: Service,
    /// Somebody waits for the answer.
    pub awaited: bool,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Tencent's API, to read or delete.
    Cloud,
    /// Tencent's API, to make a token.
    Creation,
    /// The API server, about a stored credential.
    Store,
    /// The API server.
    Api,
    /// A registry.
    Registry,
}

fn kind(call: &Call) -> Service {
    match call {
        Call::CreateToken(..) | Call::CreateAccount(..) => Service::Creation,
        Call::Instance(_) | Call::ListTokens | Call::DeleteToken(_) | Call::SetAccount(_) => Service::Cloud,
        Call::ReadStored(_) | Call::WriteStored(..) | Call::DeleteStored(..) | Call::ListStored => {
            Service::Store
        }
        Call::Check(_) => Service::Registry,
        _ => Service::Api,
    }
}

fn timeout(call: &Call) -> Reply {
    unheard(call, 0)
}

/// What the caller has when there is no answer.
fn unheard(call: &Call, how: u8) -> Reply {
    let failure = || match how % 3 {
        0 => cloud::failure(15),
        1 => cloud::failure(14),
        _ => cloud::failure(16),
    };
    let api = || if how.is_multiple_of(2) { refusal::deadline() } else { refusal::broken() };
    match call {
        Call::Instance(_) => Reply::Instance(Err(failure())),
        Call::ListTokens => Reply::Tokens(Err(failure())),
        Call::DeleteToken(_) | Call::SetAccount(_) => Reply::Deleted(Err(failure())),
        Call::CreateToken(..) | Call::CreateAccount(..) => Reply::Issued(Err(failure())),
        Call::Check(_) => Reply::Verdict(Verdict::Unknown { reason: "no answer within 10 s".to_owned() }),
        Call::ReadStored(_) | Call::WriteStored(..) | Call::DeleteStored(..) => Reply::Stored(Err(api())),
        Call::ListStored => Reply::AllStored(Err(api())),
        Call::EditAccount(..) => Reply::Account(Err(api())),
        Call::Status(..) | Call::Finalize(..) => Reply::Done(Err(api())),
        _ => Reply::Secret(Err(api())),
    }
}

/// The instance's default domain.
pub fn public_domain() -> RegistryHost {
    "demo.tencentcloudcr.com".parse().unwrap_or_else(|_| unreachable!("a valid host"))
}

/// Who calls, and by which of its tasks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The world.
    pub world: Shared,
    /// The process.
    pub process: u32,
    /// The task.
    pub task: u32,
}

impl Caller {
    /// Makes a call; it is answered when the history says so.
    pub fn call(&self, call: Call) -> Answer {
        let mut world = self.world.borrow_mut();
        world.issued += 1;
        let id = world.issued;
        world.calls.push(InFlight { id, process: self.process, task: self.task, call, abandoned: false });
        Answer { world: self.world.clone(), id, is_over: false }
    }

    /// Waits.
    pub fn sleep(&self, milliseconds: u64) -> Sleep {
        let mut world = self.world.borrow_mut();
        let until = world.now.saturating_add(milliseconds);
        world.timers.push((until, self.process, self.task));
        Sleep { caller: self.clone(), until }
    }

    /// An error of the cloud's client.
    pub fn cloud_error(action: Action, key: &Key, failure: Failure) -> CloudError {
        CloudError {
            action,
            instance: key.instance_id.clone(),
            region: key.region.clone(),
            endpoint: String::new(),
            identity: None,
            failure,
        }
    }
}

/// An answer that is waited for.
#[derive(Debug)]
pub struct Answer {
    world: Shared,
    id: u32,
    is_over: bool,
}

impl Future for Answer {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        let id = self.id;
        let mut world = self.world.borrow_mut();
        let Some(index) = world.answers.iter().position(|(it, _)| *it == id) else { return Poll::Pending };
        let (_, reply) = world.answers.swap_remove(index);
        drop(world);
        self.is_over = true;
        Poll::Ready(reply)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let id = self.id;
        // Whoever lets the world itself go, lets all of it go.
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        world.answers.retain(|(it, _)| *it != id);
        world.calls.iter_mut().filter(|call| call.id == id).for_each(|call| call.abandoned = true);
        world.cloud.tokens.iter_mut().filter(|token| token.call == id).for_each(|it| it.abandoned = true);
    }
}

/// A time that is waited for.
#[derive(Debug)]
pub struct Sleep {
    caller: Caller,
    until: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.caller.world.borrow().now >= self.until {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let this = (self.until, self.caller.process, self.caller.task);
        let Ok(mut world) = self.caller.world.try_borrow_mut() else { return };
        if let Some(index) = world.timers.iter().position(|it| *it == this) {
            world.timers.swap_remove(index);
        }
    }
}

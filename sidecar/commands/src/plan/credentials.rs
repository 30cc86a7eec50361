//! The steps for credentials, as their keepers decide them: calls [`credential_plan`], with the answers of a
//! cloud that has exactly the stored credentials, and of a registry that accepts new ones.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tcr::image_pull_secret::OnDelete;

use super::known::Known;
use super::report::{CredentialAction, CredentialPlan};
use crate::reader::Seen;
use credential::store::Document;
use credential_plan::Key;
use credential_plan::plan::{self, Desired, Held, Listed, ListedToken, RemovalStep, Step, Stored};
use reconcile::object::Object;

/// Steps of one credential; more than are possible.
const MOST_STEPS: usize = 1000;

/// Where the content of a derived Secret would come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// An existing credential.
    Held(Box<Held>),
    /// A credential that is yet to be made.
    New,
    /// A credential that the user may not read.
    Unread,
}

/// The steps for all credentials.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    plans: Vec<CredentialPlan>,
    /// Steps for credentials whose last ImagePullSecret is deleted.
    left: Vec<CredentialPlan>,
    /// Steps for credentials whose last ImagePullSecret was deleted while no controller ran.
    remnants: Vec<CredentialPlan>,
    sources: BTreeMap<String, Source>,
}

impl Credentials {
    /// The source for ImagePullSecrets with this key.
    pub(super) fn source(&self, key: &Key) -> &Source {
        self.sources.get(&key.secret_name()).unwrap_or(&Source::New)
    }

    /// The steps, by instance. Unused credentials are looked for once, and only where each ImagePullSecret
    /// has what it asks for: until then one of them may still be in use. A credential whose last
    /// ImagePullSecret is deleted is kept while there are copies whose owner is not known.
    pub(super) fn into_plans(
        self,
        is_everything_filled: bool,
        has_unknown_copies: bool,
    ) -> Vec<CredentialPlan> {
        let Self { mut plans, left, remnants, .. } = self;
        plans.extend(left.into_iter().filter(|_| !has_unknown_copies));
        plans.extend(remnants.into_iter().filter(|_| is_everything_filled));
        plans.sort_by(|a, b| {
            (&a.instance_id, a.action, &a.token_id).cmp(&(&b.instance_id, b.action, &b.token_id))
        });
        plans
    }
}

/// ImagePullSecrets that use a credential.
struct Users {
    key: Key,
    rotate_after: Option<Duration>,
    names: Vec<String>,
}

/// Decides the steps for every credential.
pub(super) fn credentials(known: &Known) -> Credentials {
    let mut all = Credentials::default();
    let desired = desired(&known.after);
    // An invalid object may have used any credential with its earlier spec.
    let may_use_any = known.after.iter().any(|object| object.spec.is_err() && !object.deleting);
    match &known.stored {
        Seen::Known(documents) => {
            let stored: BTreeMap<String, &Document> =
                documents.iter().map(|document| (document.key.secret_name(), document)).collect();
            for (name, users) in &desired {
                let source = keep(known.now, users, stored.get(name).map(|it| &it.stored), &mut all.plans);
                all.sources.insert(name.clone(), source);
            }
            for (name, document) in stored.iter().filter(|_| !may_use_any) {
                if !desired.contains_key(name) {
                    let revoke = on_delete(known, &document.key).unwrap_or(document.on_delete);
                    let has_user = !users_before(known, &document.key).is_empty();
                    let plans = if has_user { &mut all.left } else { &mut all.remnants };
                    leave(known, document, revoke == OnDelete::Revoke, plans);
                }
            }
        }
        Seen::Denied(_) | Seen::Failed(_) => by_status(known, &desired, may_use_any, &mut all),
    }
    all
}

/// The keys that ImagePullSecrets ask for, by the names of their Secrets.
fn desired(objects: &[Object]) -> BTreeMap<String, Users> {
    let mut desired: BTreeMap<String, Users> = BTreeMap::new();
    for object in objects.iter().filter(|object| !object.deleting) {
        let Some(key) = object.key() else { continue };
        let users =
            desired.entry(key.secret_name()).or_insert(Users { key, rotate_after: None, names: Vec::new() });
        users.rotate_after = [users.rotate_after, object.rotate_after()].into_iter().flatten().min();
        users.names.push(object.name.clone());
    }
    desired
}

/// The `onDelete` of a credential's last ImagePullSecret: of several that are deleted, the last one by name.
fn on_delete(known: &Known, key: &Key) -> Option<OnDelete> {
    let is_of = |object: &&Object| object.key().as_ref() == Some(key);
    if let Some(last) = known.after.iter().filter(|object| object.deleting).rfind(is_of) {
        return Some(last.on_delete());
    }
    let mut wishes = known.before.iter().filter(is_of).map(Object::on_delete);
    let first = wishes.next()?;
    // One ImagePullSecret with onDelete Retain is enough to keep the credential.
    Some(if wishes.any(|wish| wish == OnDelete::Retain) { OnDelete::Retain } else { first })
}

fn plan_of(
    key: &Key,
    action: CredentialAction,
    token_id: Option<String>,
    users: Vec<String>,
    why: &str,
) -> CredentialPlan {
    CredentialPlan {
        action,
        instance_id: key.instance_id.clone(),
        region: key.region.clone(),
        kind: key.kind.as_str(),
        registry_namespaces: key.registry_namespaces.clone(),
        token_id,
        image_pull_secrets: users,
        why: why.to_owned(),
    }
}

/// The steps of a credential's keeper until it waits.
fn keep(now: Timestamp, users: &Users, stored: Option<&Stored>, plans: &mut Vec<CredentialPlan>) -> Source {
    let Users { key, rotate_after, names } = users;
    let desired = Desired {
        kind: key.kind,
        rotate_after: *rotate_after,
        checks_logins: false,
        is_rolled_out: true,
        is_needed: true,
    };
    let mut stored = stored.cloned();
    for _ in 0..MOST_STEPS {
        let listed = stored.as_ref().map(|stored| listed(stored, now));
        let observed = plan::Observed { listed: listed.as_ref(), ..plan::Observed::default() };
        let step = plan::decide(now, &desired, stored.as_ref(), observed);
        let current = stored.as_ref().and_then(|stored| stored.current.clone());
        match (step, &mut stored) {
            (Step::Record { why, .. }, _) => {
                let why = why.unwrap_or_default();
                let (action, token_id) = match current {
                    None => (CredentialAction::Create, None),
                    Some(held) => (CredentialAction::Renew, held.token_id),
                };
                plans.push(plan_of(key, action, token_id, names.clone(), &why));
                return Source::New;
            }
            (Step::Delete { token_id }, Some(stored)) => {
                stored.previous.retain(|old| old.token_id != token_id);
                let why = "it was replaced, and no copy of it is left";
                plans.push(plan_of(key, CredentialAction::Revoke, Some(token_id), names.clone(), why));
            }
            (Step::Promote, Some(stored)) => {
                let why = "its successor takes its place once the registry lets it in";
                let token_id = current.and_then(|held| held.token_id);
                plans.push(plan_of(key, CredentialAction::Renew, token_id, names.clone(), why));
                stored.current = stored.candidate.take();
            }
            _ => break,
        }
    }
    let held = stored.and_then(|stored| stored.current);
    held.map_or(Source::New, |held| Source::Held(Box::new(held)))
}

/// A list of the cloud that has exactly the stored credentials.
fn listed(stored: &Stored, now: Timestamp) -> Listed {
    let held = [&stored.current, &stored.candidate].into_iter().flatten();
    let ids = held.filter_map(|held| held.token_id.clone());
    let ids = ids.chain(stored.previous.iter().map(|old| old.token_id.clone()));
    let tokens = ids.map(|id| ListedToken { id, enabled: true, ..ListedToken::default() }).collect();
    Listed { at: now, tokens, missing: 0 }
}

/// The steps for a credential that no ImagePullSecret uses any more.
fn leave(known: &Known, document: &Document, revoke: bool, plans: &mut Vec<CredentialPlan>) {
    let Document { key, stored, .. } = document;
    let desired = Desired {
        kind: key.kind,
        rotate_after: None,
        checks_logins: false,
        is_rolled_out: true,
        is_needed: false,
    };
    let mut listed = listed(stored, known.now);
    let users = users_before(known, key);
    let current = stored.current.as_ref().and_then(|held| held.token_id.clone());
    let mut is_revoked = false;
    while let RemovalStep::Delete { token_id } = plan::removal(&desired, stored, revoke, false, Some(&listed))
    {
        listed.tokens.retain(|token| token.id != token_id);
        is_revoked |= current.as_ref() == Some(&token_id);
        let why = "nobody uses it any more";
        plans.push(plan_of(key, CredentialAction::Revoke, Some(token_id), users.clone(), why));
    }
    if let Some(token_id) = current.filter(|_| !is_revoked) {
        plans.push(retained(key, Some(token_id), users));
    }
}

fn retained(key: &Key, token_id: Option<String>, users: Vec<String>) -> CredentialPlan {
    let why =
        "nobody uses it any more, and spec.tcr.credential.onDelete is Retain: it stays valid at the registry";
    plan_of(key, CredentialAction::Retain, token_id, users, why)
}

fn users_before(known: &Known, key: &Key) -> Vec<String> {
    let users = known.before.iter().filter(|object| object.key().as_ref() == Some(key));
    users.map(|object| object.name.clone()).collect()
}

/// The steps where the stored credentials may not be read: each object's status tells whether it has one.
fn by_status(known: &Known, desired: &BTreeMap<String, Users>, may_use_any: bool, all: &mut Credentials) {
    let mut there: BTreeMap<String, (Key, Option<String>)> = BTreeMap::new();
    for object in known.before.iter().filter(|object| !object.status.hosts.is_empty()) {
        if let Some(key) = object.key() {
            there.entry(key.secret_name()).or_insert((key, object.status.token_id.clone()));
        }
    }
    for (name, users) in desired {
        let source = if there.contains_key(name) { Source::Unread } else { Source::New };
        if matches!(source, Source::New) {
            let names = users.names.clone();
            all.plans.push(plan_of(&users.key, CredentialAction::Create, None, names, ""));
        }
        all.sources.insert(name.clone(), source);
    }
    for (name, (key, token_id)) in there {
        if desired.contains_key(&name) || !key.kind.is_listed() || may_use_any {
            continue;
        }
        let users = users_before(known, &key);
        let plan = match on_delete(known, &key) {
            Some(OnDelete::Revoke) => {
                plan_of(&key, CredentialAction::Revoke, token_id, users, "nobody uses it any more")
            }
            _ => retained(&key, token_id, users),
        };
        all.left.push(plan);
    }
}

//! Carries out what [`plan`](super::plan) decides for one credential, and tells what there is.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client as Kube;
use tcr::image_pull_secret::{CredentialKind, OnDelete};
use tokio::sync::{mpsc, watch};

use super::key::Key;
use super::plan::{self, Farewell, GRACE, Held, Listed, Mine, Replaced, Step, Stored, Wanted};
use super::store::{Document, Read, Store};
use crate::cloud::client::Client;
use crate::cloud::error::{CloudError, Failure};
use crate::cloud::instance::Readiness;
use crate::cloud::instance_token::IssuedToken;
use crate::controller::api_error::ApiError;

/// The wait after the first failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What the users of a credential want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Renew a long-term credential after this.
    pub rotate_after: Option<Duration>,
    /// What becomes of it with its last user.
    pub on_delete: OnDelete,
    /// There is no user any more.
    pub is_over: bool,
}

/// What a keeper tells.
#[derive(Clone, Debug)]
pub enum News {
    /// There is a credential to distribute.
    Have(Held),
    /// Something stands in the way. A credential that was told of stays good.
    Problem {
        /// A word for the condition.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// Nothing stands in the way any longer.
    Well,
    /// For an Event on every user.
    Happened {
        /// A word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// The credential is no longer kept. The keeper has ended.
    Over,
}

/// What a keeper works with.
#[derive(Clone)]
pub struct Tools {
    /// Tencent Cloud.
    pub cloud: Arc<Client>,
    /// The API server.
    pub kube: Kube,
    /// The cluster's id, for the default description.
    pub cluster_id: Option<String>,
    /// Where news goes.
    pub news: mpsc::Sender<(Key, News)>,
}

/// Why a step did not succeed.
enum Trouble {
    Cloud(Box<CloudError>),
    Api(ApiError),
    Instance { reason: &'static str, message: String },
}

impl From<CloudError> for Trouble {
    fn from(error: CloudError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

struct Keeper {
    key: Key,
    tools: Tools,
    store: Store,
    orders: watch::Receiver<Order>,
    read: Option<Read>,
    /// Whether `read` is what there is.
    fresh: bool,
    mine: Option<Mine>,
    why: Option<String>,
    listed: Option<Listed>,
    told: Option<Held>,
}

/// Keeps the credential until an order says that it is over, or nobody listens any more.
pub async fn keep(key: Key, tools: Tools, orders: watch::Receiver<Order>) {
    let store = Store::new(tools.kube.clone());
    let mut keeper = Keeper {
        key,
        tools,
        store,
        orders,
        read: None,
        fresh: false,
        mine: None,
        why: None,
        listed: None,
        told: None,
    };
    let mut failures = 0;
    loop {
        let order = *keeper.orders.borrow_and_update();
        let wait = match keeper.step(&order).await {
            Ok(Some(Duration::ZERO)) => {
                if std::mem::take(&mut failures) > 0 && !keeper.tell(News::Well).await {
                    return;
                }
                continue;
            }
            Ok(Some(wait)) => {
                if std::mem::take(&mut failures) > 0 && !keeper.tell(News::Well).await {
                    return;
                }
                wait
            }
            Ok(None) => {
                keeper.tell(News::Over).await;
                return;
            }
            Err(trouble) => {
                let wait = WAITS.0.saturating_mul(1 << failures.min(16)).min(WAITS.1);
                failures += 1;
                if !keeper.complain(trouble).await {
                    return;
                }
                wait.mul_f64(0.75 + random() as f64 / u64::MAX as f64 / 4.0)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = keeper.orders.changed() => if changed.is_err() { return },
        }
    }
}

impl Keeper {
    /// One step: how long to wait before the next one; none when all is over.
    async fn step(&mut self, order: &Order) -> Result<Option<Duration>, Trouble> {
        if !self.fresh {
            self.read = self.store.read(&self.key).await?;
            self.fresh = true;
        }
        self.tell_what_there_is().await;
        if order.is_over {
            return self.part(order).await;
        }
        if self.read.as_ref().is_some_and(|read| read.document.on_delete != order.on_delete) {
            let stored = self.stored().cloned().unwrap_or_default();
            self.write(stored, order).await?;
        }
        let wanted = self.wanted(order);
        let now = self.tools.cloud.now();
        match plan::decide(now, &wanted, self.stored(), self.mine.as_ref(), self.listed.as_ref()) {
            Step::Wait { until } => {
                let wait = until.duration_since(now).unsigned_abs();
                // Not for ever: the clock may be set meanwhile.
                return Ok(Some(wait.clamp(Duration::from_millis(100), Duration::from_secs(3600))));
            }
            Step::List => self.list(now).await?,
            Step::Delete { token_id } => self.delete(&token_id, order).await?,
            Step::Record { why } => self.record(why, order).await?,
            Step::Mint => self.mint(order).await?,
        }
        Ok(Some(Duration::ZERO))
    }

    async fn part(&mut self, order: &Order) -> Result<Option<Duration>, Trouble> {
        let Some(read) = self.read.clone() else { return Ok(None) };
        let revoke = order.on_delete == OnDelete::Revoke;
        let now = self.tools.cloud.now();
        match plan::part(&self.wanted(order), &read.document.stored, revoke, self.listed.as_ref()) {
            Farewell::List => self.list(now).await?,
            Farewell::Delete { token_id } => {
                self.tools
                    .cloud
                    .delete_instance_token(&self.key.region, &self.key.instance_id, &token_id)
                    .await?;
                self.listed = None;
            }
            Farewell::Forget => {
                self.store.delete(&read).await.inspect_err(|_| self.fresh = false)?;
                self.say_goodbye(&read.document, revoke).await;
                return Ok(None);
            }
        }
        Ok(Some(Duration::ZERO))
    }

    async fn say_goodbye(&self, document: &Document, revoke: bool) {
        let Key { instance_id, region, .. } = &self.key;
        let Some(id) = document.stored.current.as_ref().and_then(|held| held.token_id.as_deref()) else {
            return;
        };
        let (reason, message) = match revoke {
            true => ("CredentialRevoked", format!("deleted credential {id} of {instance_id}")),
            false => (
                "CredentialRetained",
                format!(
                    "credential {id} of {instance_id} stays valid, as onDelete says; to remove it: tccli tcr \
                     DeleteInstanceToken --region {region} --RegistryId {instance_id} --TokenId {id}"
                ),
            ),
        };
        self.tell(News::Happened { reason, message }).await;
    }

    async fn list(&mut self, now: Timestamp) -> Result<(), Trouble> {
        let tokens = self.tools.cloud.instance_tokens(&self.key.region, &self.key.instance_id).await?;
        let current = self.stored().and_then(|stored| stored.current.as_ref()?.token_id.clone());
        let is_there = current.is_none_or(|id| tokens.iter().any(|token| token.id == id));
        let before = self.listed.as_ref().map_or(0, |listed| listed.missing);
        let missing = if is_there { 0 } else { before + 1 };
        self.listed = Some(Listed { at: now, tokens, missing });
        Ok(())
    }

    async fn delete(&mut self, token_id: &str, order: &Order) -> Result<(), Trouble> {
        let Key { instance_id, region, .. } = &self.key;
        let listed =
            self.listed.as_ref().is_some_and(|it| it.tokens.iter().any(|token| token.id == token_id));
        if listed {
            self.tools.cloud.delete_instance_token(region, instance_id, token_id).await?;
        }
        tracing::info!(instance = instance_id, token_id, "deleted a credential that nobody uses");
        if let Some(listed) = &mut self.listed {
            listed.tokens.retain(|token| token.id != token_id);
        }
        let stored =
            self.stored().filter(|stored| stored.previous.iter().any(|old| old.token_id == token_id));
        if let Some(mut next) = stored.cloned() {
            next.previous.retain(|old| old.token_id != token_id);
            self.write(next, order).await?;
        }
        Ok(())
    }

    async fn record(&mut self, why: Option<String>, order: &Order) -> Result<(), Trouble> {
        // Before anything is written or made: an instance that cannot be used costs nothing.
        self.public_domain().await?;
        let mut next = self.stored().cloned().unwrap_or_default();
        // With a marker that nobody ever used, or without an unfinished attempt, nothing can be left.
        let clean = next.marker.is_empty();
        if next.marker.is_empty() {
            next.marker = format!("tcr-assistant {:012x}", random() >> 16);
        }
        let intent = format!("{:016x}", random());
        next.intent = Some(intent.clone());
        self.write(next, order).await?;
        self.mine = Some(Mine { intent, clean });
        self.listed = None;
        self.why = why.or(self.why.take());
        Ok(())
    }

    async fn mint(&mut self, order: &Order) -> Result<(), Trouble> {
        let public_domain = self.public_domain().await?;
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let Key { instance_id, region, kind, .. } = &self.key;
        let text = self.description()?;
        let description = plan::description(&text, &next.marker);
        let cloud = self.tools.cloud.clone();
        let issued = match cloud.create_instance_token(region, instance_id, *kind, &description).await {
            Ok(issued) => issued,
            Err(error) => {
                // Whatever it left behind is found by its marker.
                if let Some(mine) = self.mine.as_mut().filter(|_| error.outcome_unknown()) {
                    mine.clean = false;
                    self.listed = None;
                }
                if let Failure::Implausible { token_id: Some(id), .. } = &error.failure {
                    cloud.delete_instance_token(region, instance_id, id).await?;
                }
                return Err(error.into());
            }
        };
        let now = cloud.now();
        let IssuedToken { username, token, expires_at, token_id } = issued;
        let held =
            Held { username, token, token_id: token_id.clone(), issued_at: now, expires_at, public_domain };
        if let Some(old) = next.current.replace(held).and_then(|old| old.token_id) {
            let delete_at = now.checked_add(GRACE).unwrap_or(now);
            next.previous.push(Replaced { token_id: old, delete_at });
        }
        next.intent = None;
        match self.keep_it(next, order).await {
            Ok(()) => {
                self.mine = None;
                self.listed = None;
                self.tell_made(token_id.as_deref()).await;
                Ok(())
            }
            Err(trouble) => {
                // Another one leads: its credential counts, and ours goes.
                if let Some(id) = token_id.filter(|_| matches!(trouble, Trouble::Api(ApiError::Overtaken))) {
                    self.mine = None;
                    let Key { instance_id, region, .. } = &self.key;
                    cloud.delete_instance_token(region, instance_id, &id).await?;
                } else if let Some(mine) = &mut self.mine {
                    mine.clean = false;
                    self.listed = None;
                }
                Err(trouble)
            }
        }
    }

    /// Stores what was just made. The secret is told only once, so a write without an answer is tried
    /// again, and one that was carried out unheard is recognised.
    async fn keep_it(&mut self, next: Stored, order: &Order) -> Result<(), Trouble> {
        let mut tries = 0;
        loop {
            match self.write(next.clone(), order).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Api(ApiError::Overtaken)) => {
                    self.read = self.store.read(&self.key).await?;
                    self.fresh = true;
                    return match self.stored() == Some(&next) {
                        true => Ok(()),
                        false => Err(ApiError::Overtaken.into()),
                    };
                }
                Err(trouble) if tries >= 5 => return Err(trouble),
                Err(_) => {
                    tokio::time::sleep(WAITS.0.saturating_mul(1 << tries)).await;
                    tries += 1;
                }
            }
        }
    }

    async fn write(&mut self, stored: Stored, order: &Order) -> Result<(), Trouble> {
        let document = Document { key: self.key.clone(), on_delete: order.on_delete, stored };
        match self.store.write(document, self.read.as_ref()).await {
            Ok(read) => {
                self.read = Some(read);
                Ok(())
            }
            Err(error) => {
                // Until an answer says otherwise it may have been written.
                if matches!(error, ApiError::Overtaken) {
                    self.fresh = false;
                }
                Err(error.into())
            }
        }
    }

    async fn public_domain(&self) -> Result<tcr::registry_host::RegistryHost, Trouble> {
        let Key { instance_id, region, .. } = &self.key;
        let Some(instance) = self.tools.cloud.instance(region, instance_id).await? else {
            let message = format!(
                "there is no instance {instance_id} in {region}: check spec.tcr.instanceId and spec.tcr.region, and that \
                 the API credential is of the account that owns it"
            );
            return Err(Trouble::Instance { reason: "InstanceNotFound", message });
        };
        match instance.readiness() {
            Readiness::Ready => Ok(instance.public_domain),
            Readiness::Later | Readiness::Never => Err(Trouble::Instance {
                reason: "InstanceNotRunning",
                message: format!("instance {instance_id} is {} and not Running", instance.status),
            }),
        }
    }

    fn description(&self) -> Result<String, Trouble> {
        match (&self.key.description, &self.tools.cluster_id) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(id)) => Ok(format!("TKE cluster ({id}) dedicated access credential")),
            (None, None) => Err(Trouble::Instance {
                reason: "NoDescription",
                message: "spec.tcr.credential.description: set it, or give the controller --cluster-id"
                    .to_owned(),
            }),
        }
    }

    fn stored(&self) -> Option<&Stored> {
        self.read.as_ref().map(|read| &read.document.stored)
    }

    fn wanted(&self, order: &Order) -> Wanted {
        let longterm = self.key.kind == CredentialKind::Longterm;
        Wanted { kind: self.key.kind, rotate_after: order.rotate_after.filter(|_| longterm) }
    }

    async fn tell_what_there_is(&mut self) {
        let now = self.tools.cloud.now();
        let held = self.stored().and_then(|stored| stored.current.clone());
        // An expired one would only replace whatever is there by something as useless.
        let held = held.filter(|held| held.expires_at.is_none_or(|end| end > now));
        if held.is_some() && held != self.told {
            self.told = held.clone();
            if let Some(held) = held {
                self.tell(News::Have(held)).await;
            }
        }
    }

    async fn tell_made(&mut self, token_id: Option<&str>) {
        let instance = &self.key.instance_id;
        let what = token_id.map_or("a temporary credential".to_owned(), |id| format!("credential {id}"));
        let news = match self.why.take() {
            None => News::Happened {
                reason: "CredentialCreated",
                message: format!("created {what} of {instance}"),
            },
            Some(why) => News::Happened {
                reason: "CredentialReplaced",
                message: format!("replaced the credential of {instance} by {what}: {why}"),
            },
        };
        self.tell(news).await;
    }

    /// False when nobody listens any more.
    async fn complain(&mut self, trouble: Trouble) -> bool {
        let (reason, message) = match trouble {
            Trouble::Api(ApiError::Overtaken) => {
                tracing::info!(credential = %self.key, "somebody else keeps this credential too; reading it again");
                return true;
            }
            Trouble::Api(error) => {
                self.fresh = false;
                ("StoreFailed", format!("cannot keep the credential in {}: {error}", self.key))
            }
            Trouble::Cloud(error) => ("CloudFailed", error.to_string()),
            Trouble::Instance { reason, message } => (reason, message),
        };
        tracing::warn!(credential = %self.key, reason, message, "cannot go on with a credential; trying again");
        self.tell(News::Problem { reason, message }).await
    }

    async fn tell(&self, news: News) -> bool {
        self.tools.news.send((self.key.clone(), news)).await.is_ok()
    }
}

/// Unique enough for markers and spreads, from the standard library's seed for hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

//! Carries out what [`credential_plan::plan`] decides for one credential, and tells what there is.

use std::time::Duration;

use jiff::Timestamp;
use tcr::image_pull_secret::{CredentialKind, OnDelete};
use tokio::sync::watch;
use tracing::Instrument as _;

mod carry_out;
mod services;

pub use services::{Services, Tools};

use super::store::{Document, Read};
use credential_plan::plan::{
    self, APPEARS_WITHIN, Farewell, Held, Known, Listed, Mine, Step, Stored, Wanted,
};
use credential_plan::trial::Trials;
use credential_plan::{CredentialEvent, Key, Order};
use custom_resource::condition::{ConditionReason, EventReason};
use kubernetes::api_error::ApiError;
use tencent_cloud::error::CloudError;
use tencent_cloud::instance::Readiness;

/// The wait after the first failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Why a step did not succeed.
enum Trouble {
    Cloud(Box<CloudError>),
    Api(ApiError),
    Instance { reason: ConditionReason, message: String },
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

struct Keeper<S> {
    key: Key,
    services: S,
    orders: watch::Receiver<Order>,
    read: Option<Read>,
    /// Whether `read` is what there is.
    fresh: bool,
    mine: Option<Mine>,
    listed: Option<Listed>,
    trials: Trials,
    told: Option<Held>,
    /// A creation had no answer: until then its credential may still appear.
    appears_until: Option<Timestamp>,
    /// Users were told that something stands in the way.
    complains: bool,
}

/// Keeps the credential until an order says that it is over, or nobody listens any more.
pub async fn keep<S: Services>(key: Key, services: S, orders: watch::Receiver<Order>) {
    let mut keeper = Keeper {
        key,
        services,
        orders,
        read: None,
        fresh: false,
        mine: None,
        listed: None,
        trials: Trials::default(),
        told: None,
        appears_until: None,
        complains: false,
    };
    let mut failures = 0;
    loop {
        let order = *keeper.orders.borrow_and_update();
        let wait = match keeper.step(&order).await {
            Ok(Some(wait)) => {
                failures = 0;
                if !keeper.tell_if_well().await {
                    return;
                }
                if wait.is_zero() {
                    continue;
                }
                wait
            }
            Ok(None) => {
                keeper.tell(CredentialEvent::Ended).await;
                return;
            }
            Err(trouble) => {
                let wait = WAITS.0.saturating_mul(1 << failures.min(16)).min(WAITS.1);
                failures += 1;
                if !keeper.complain(trouble).await {
                    return;
                }
                wait.mul_f64(0.75 + keeper.services.random() as f64 / u64::MAX as f64 / 4.0)
            }
        };
        let Keeper { services, orders, .. } = &mut keeper;
        tokio::select! {
            // What it waits for may be now, also because the clock was corrected.
            () = services.sleep(wait) => {}
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}

impl<S: Services> Keeper<S> {
    /// One step: how long to wait before the next one; none when all is over.
    async fn step(&mut self, order: &Order) -> Result<Option<Duration>, Trouble> {
        if !self.fresh {
            self.read = self.services.read(&self.key).await?;
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
        let now = self.services.now();
        let known =
            Known { mine: self.mine.as_ref(), listed: self.listed.as_ref(), trials: Some(&self.trials) };
        match plan::decide(now, &wanted, self.stored(), known) {
            Step::Wait { until } => {
                let wait = until.duration_since(now).unsigned_abs();
                // Not for ever: the clock may be set meanwhile.
                return Ok(Some(wait.clamp(Duration::from_millis(100), Duration::from_secs(3600))));
            }
            Step::List => self.list(now).await?,
            Step::Delete { token_id } => self.delete(&token_id, order).await?,
            Step::Record { why, ended } => self.record(why, ended, order).await?,
            Step::Mint => self.mint(order).await?,
            Step::Try { candidate } => self.ask_registry(candidate).await,
            Step::Promote => self.promote(order).await?,
            Step::Discard { reason } => self.discard(&reason, order).await?,
        }
        Ok(Some(Duration::ZERO))
    }

    async fn part(&mut self, order: &Order) -> Result<Option<Duration>, Trouble> {
        let Some(read) = self.read.clone() else { return Ok(None) };
        let revoke = order.on_delete == OnDelete::Revoke;
        let now = self.services.now();
        let stored = &read.document.stored;
        if stored.intent.is_some() && self.mine.is_none() {
            // Whoever wrote it may have sent its creation just now.
            self.appears_until.get_or_insert(plan::later(now, APPEARS_WITHIN));
        }
        if let Some(until) = self.appears_until.filter(|until| *until > now) {
            self.listed = None;
            return Ok(Some(until.duration_since(now).unsigned_abs()));
        }
        let unheard = self.appears_until.is_some();
        match plan::part(&self.wanted(order), stored, revoke, unheard, self.listed.as_ref()) {
            Farewell::List => self.list(now).await?,
            Farewell::Delete { token_id } => {
                self.delete_at_cloud(&token_id).await?;
                self.listed = None;
            }
            Farewell::Forget => {
                if let Err(error) = self.services.delete(&read).await {
                    // It may be carried out yet: whatever goes on is written first.
                    (self.fresh, self.mine) = (false, None);
                    return Err(error.into());
                }
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
            true => (EventReason::CredentialRevoked, format!("deleted credential {id} of {instance_id}")),
            false => (
                EventReason::CredentialRetained,
                format!(
                    "credential {id} of {instance_id} stays valid, as onDelete says; to remove it: tccli tcr \
                     DeleteInstanceToken --region {region} --RegistryId {instance_id} --TokenId {id}"
                ),
            ),
        };
        self.tell(CredentialEvent::Happened { reason, message }).await;
    }

    async fn public_domain(&self) -> Result<tcr::registry_host::RegistryHost, Trouble> {
        let Key { instance_id, region, .. } = &self.key;
        let Some(instance) = self.services.instance(&self.key).await? else {
            let message = format!(
                "there is no instance {instance_id} in {region}: check spec.tcr.instanceId and spec.tcr.region, and that \
                 the API credential is of the account that owns it"
            );
            return Err(Trouble::Instance { reason: ConditionReason::InstanceNotFound, message });
        };
        match instance.readiness() {
            Readiness::Ready => Ok(instance.public_domain),
            Readiness::Later | Readiness::Never => Err(Trouble::Instance {
                reason: ConditionReason::InstanceNotRunning,
                message: format!("instance {instance_id} is {} and not Running", instance.status),
            }),
        }
    }

    fn description(&self) -> Result<String, Trouble> {
        match (&self.key.description, self.services.cluster_id()) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(id)) => Ok(format!("TKE cluster ({id}) dedicated access credential")),
            (None, None) => Err(Trouble::Instance {
                reason: ConditionReason::NoDescription,
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
        Wanted {
            kind: self.key.kind,
            rotate_after: order.rotate_after.filter(|_| longterm),
            tried: self.services.asks_registries(),
            spread: order.is_rolled_out,
        }
    }

    async fn tell_what_there_is(&mut self) {
        let now = self.services.now();
        let held = self.stored().and_then(|stored| stored.current.clone());
        // An expired one would only replace whatever is there by something as useless.
        let held = held.filter(|held| held.expires_at.is_none_or(|end| end > now));
        if held.is_some() && held != self.told {
            self.told = held.clone();
            if let Some(held) = held {
                let why = self.stored().and_then(|stored| stored.why.clone());
                self.tell(CredentialEvent::Available { held, why }).await;
            }
        }
    }

    async fn tell_made(&self) {
        let Some(stored) = self.stored() else { return };
        let id = stored.current.as_ref().and_then(|held| held.token_id.as_deref());
        let instance = &self.key.instance_id;
        let what = id.map_or("a temporary credential".to_owned(), |id| format!("credential {id}"));
        let event = match &stored.why {
            None => CredentialEvent::Happened {
                reason: EventReason::CredentialCreated,
                message: format!("created {what} of {instance}"),
            },
            Some(why) => CredentialEvent::Happened {
                reason: EventReason::CredentialReplaced,
                message: format!("replaced the credential of {instance} by {what}: {why}"),
            },
        };
        self.tell(event).await;
    }

    /// Takes complaints back once nothing is under way. False when nobody listens any more.
    async fn tell_if_well(&mut self) -> bool {
        let resting = self.trials.rest_until.is_some();
        let under_way = self.stored().is_some_and(|it| it.intent.is_some() || it.candidate.is_some());
        if !self.complains || under_way || resting {
            return true;
        }
        self.complains = false;
        self.tell(CredentialEvent::Recovered).await
    }

    /// Tells users that something stands in the way. False when nobody listens any more.
    async fn warn(&mut self, reason: ConditionReason, message: String) -> bool {
        self.complains = true;
        tracing::warn!(credential = %self.key, reason = reason.as_str(), message, "a credential needs attention");
        self.tell(CredentialEvent::Failing { reason, message }).await
    }

    /// False when nobody listens any more.
    async fn complain(&mut self, trouble: Trouble) -> bool {
        // The call that failed, in fields too: the cloud's support asks for the id.
        let call = match &trouble {
            Trouble::Cloud(error) => {
                let request_id = error.failure.request_id();
                tracing::error_span!("cloud_call", action = error.action.name(), request_id)
            }
            _ => tracing::Span::none(),
        };
        let (reason, message) = match trouble {
            Trouble::Api(ApiError::Overtaken) => {
                tracing::info!(credential = %self.key, "somebody else keeps this credential too; reading it again");
                return true;
            }
            Trouble::Api(error) => {
                self.fresh = false;
                (ConditionReason::StoreFailed, format!("cannot keep the credential in {}: {error}", self.key))
            }
            Trouble::Cloud(error) => (ConditionReason::CloudFailed, error.to_string()),
            Trouble::Instance { reason, message } => (reason, message),
        };
        self.warn(reason, message).instrument(call).await
    }

    async fn tell(&self, event: CredentialEvent) -> bool {
        self.services.tell(&self.key, event).await
    }
}

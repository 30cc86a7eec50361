//! Leader election among several controllers, by the Lease `tcr-assistant-leader`.
//!
//! Written here rather than taken from a library because a take-over has to be one compare-and-swap: every
//! write states the resource version that it was decided on. As in client-go, the age of another holder's
//! renewal is measured by our own clock from when we saw it, so that wrong clocks do no harm.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tcr::names::{LEADER_LEASE, SYSTEM_NAMESPACE};

use crate::api_error::{ApiError, within};

/// How long a lease is held after it was last renewed.
const DURATION: Duration = Duration::from_secs(15);
/// The holder stops by itself when it could not renew for this long: before another controller may take over.
const GIVE_UP: Duration = Duration::from_secs(10);
/// The time between two reads or renewals.
const PERIOD: Duration = Duration::from_secs(2);

/// The observed lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its holder; empty when it was released.
    pub holder: String,
    /// When it was renewed, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// How long it is valid after a renewal.
    pub duration: Duration,
    /// When we first saw this renewal.
    pub since: Instant,
}

/// The next action on the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// We hold it: renew it.
    Renew,
    /// It has expired or was released: take it.
    Take,
    /// Another process holds it.
    Wait,
}

/// The result of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// We hold it until it expires.
    Held,
    /// Another process holds it.
    Theirs,
    /// Another client wrote it meanwhile.
    Overtaken,
}

/// The next action on the lease.
pub fn decide(seen: &Seen, identity: &str, now: Instant) -> Decision {
    if seen.holder == identity {
        Decision::Renew
    } else if seen.holder.is_empty() || now.duration_since(seen.since) > seen.duration {
        Decision::Take
    } else {
        Decision::Wait
    }
}

/// The lease and our identity.
#[derive(Debug)]
pub struct Leadership {
    leases: Api<Lease>,
    identity: String,
    seen: Option<Seen>,
}

/// Another process holds the lease now, or it could not be renewed in time.
#[derive(Debug, thiserror::Error)]
#[error("lost the lease {SYSTEM_NAMESPACE}/{LEADER_LEASE}: {0}; ending, to be started anew")]
pub struct Lost(String);

impl Leadership {
    /// `identity` must differ between processes.
    pub fn new(client: Client, identity: String) -> Self {
        Self { leases: Api::namespaced(client, SYSTEM_NAMESPACE), identity, seen: None }
    }

    /// Waits until we hold the lease.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(Attempt::Held) => return,
                Ok(Attempt::Theirs | Attempt::Overtaken) => {}
                Err(error) => tracing::warn!(%error, "cannot look at the lease {LEADER_LEASE}; trying again"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Renews the lease until it is lost.
    pub async fn hold(&mut self) -> Lost {
        let mut renewed = Instant::now();
        let mut pause = PERIOD;
        loop {
            tokio::time::sleep(std::mem::replace(&mut pause, PERIOD)).await;
            let left = GIVE_UP.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(Attempt::Held)) => renewed = Instant::now(),
                Ok(Ok(Attempt::Theirs)) => return Lost("another controller holds it".to_owned()),
                // Another client wrote it, perhaps only a label: the next read tells who holds it.
                Ok(Ok(Attempt::Overtaken)) => pause = Duration::from_millis(50),
                Ok(Err(error)) if renewed.elapsed() < GIVE_UP => {
                    tracing::warn!(%error, "cannot renew the lease {LEADER_LEASE}; trying again")
                }
                Ok(Err(error)) => return Lost(format!("cannot renew it: {error}")),
                Err(_) => return Lost(format!("it could not be renewed within {} s", GIVE_UP.as_secs())),
            }
        }
    }

    /// Releases the lease, so that another controller need not wait.
    pub async fn release(&mut self) {
        let released = async {
            let Some(mut lease) = within(PERIOD, self.leases.get_opt(LEADER_LEASE)).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.identity) {
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                within(PERIOD, self.leases.replace(LEADER_LEASE, &PostParams::default(), &lease)).await?;
            }
            Ok::<(), ApiError>(())
        };
        if let Err(error) = released.await {
            tracing::warn!(%error, "cannot give the lease back; others wait until it ends");
        }
    }

    /// One read, and one write if it is due.
    async fn attempt(&mut self) -> Result<Attempt, ApiError> {
        let now = Instant::now();
        let Some(lease) = within(PERIOD * 2, self.leases.get_opt(LEADER_LEASE)).await? else {
            let metadata = ObjectMeta { name: Some(LEADER_LEASE.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            return overtaken(
                within(PERIOD * 2, self.leases.create(&PostParams::default(), &lease)).await.map(|_| ()),
            );
        };
        let seen = self.see(lease.spec.as_ref(), now);
        let next = match decide(&seen, &self.identity, now) {
            Decision::Wait => return Ok(Attempt::Theirs),
            Decision::Renew | Decision::Take => self.spec(lease.spec.as_ref()),
        };
        let lease = Lease { spec: Some(next), ..lease };
        overtaken(
            within(PERIOD * 2, self.leases.replace(LEADER_LEASE, &PostParams::default(), &lease))
                .await
                .map(|_| ()),
        )
    }

    fn see(&mut self, spec: Option<&LeaseSpec>, now: Instant) -> Seen {
        let holder = spec.and_then(|it| it.holder_identity.clone()).unwrap_or_default();
        let renewed = spec.and_then(|it| it.renew_time.as_ref()).map(|time| time.0);
        let seconds = spec.and_then(|it| it.lease_duration_seconds).and_then(|it| u64::try_from(it).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        let since = self
            .seen
            .as_ref()
            .filter(|it| it.holder == holder && it.renewed == renewed)
            .map_or(now, |it| it.since);
        self.seen.insert(Seen { holder, renewed, duration, since }).clone()
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let is_ours = before.is_some_and(|it| it.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before.and_then(|it| it.lease_transitions).unwrap_or(0);
        let acquired = before.filter(|_| is_ours).and_then(|it| it.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(!is_ours)),
            ..LeaseSpec::default()
        }
    }
}

/// The result of a write with a resource version.
fn overtaken(written: Result<(), ApiError>) -> Result<Attempt, ApiError> {
    match written {
        Ok(()) => Ok(Attempt::Held),
        Err(error) if error.is_conflict() || error.is_already_exists() => Ok(Attempt::Overtaken),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_when_it_was_not_renewed_for_its_duration_by_our_clock() {
        let since = Instant::now();
        let seen =
            |holder: &str| Seen { holder: holder.to_owned(), renewed: None, duration: DURATION, since };
        assert_eq!(decide(&seen("us"), "us", since + 9 * DURATION), Decision::Renew);
        assert_eq!(decide(&seen("them"), "us", since + DURATION), Decision::Wait);
        assert_eq!(decide(&seen("them"), "us", since + DURATION + PERIOD), Decision::Take);
        assert_eq!(decide(&seen(""), "us", since), Decision::Take);
    }
}

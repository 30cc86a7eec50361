//! The API credential in use: looked up once for all callers, renewed in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::credential::{ApiCredential, ApiCredentialError};
use super::{AssumedRole, Chain, PodIdentity, Web};

/// How often sources are read again that may be rewritten at any time: a mounted Secret, a profile file.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The credential in use. Callers at the same moment share one look-up.
#[derive(Debug)]
pub struct ApiCredentials {
    source: Source,
    state: Mutex<State>,
}

/// The source of the next one.
#[derive(Debug)]
enum Source {
    Chain {
        chain: Chain,
        web: Web,
    },
    /// A role that another credential assumes.
    Role {
        role: AssumedRole,
        signer: Arc<ApiCredentials>,
    },
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<ApiCredential>>,
    looked: Option<Looked>,
}

/// The result of the last look-up.
#[derive(Clone, Copy, Debug)]
struct Looked {
    at: Instant,
    /// It found none, or the same credential again.
    in_vain: bool,
}

/// The usability of the present credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Good,
    /// It signs, but another one should be looked for.
    LookAgain,
    /// It has expired, or there is none.
    Gone,
}

impl ApiCredentials {
    /// Nothing is read before the first use.
    pub(crate) fn new(chain: Chain, web: Web) -> Self {
        Self { source: Source::Chain { chain, web }, state: Mutex::default() }
    }

    /// The credential of a role that the one of `signer` assumes. Nothing is called before the first use.
    pub(crate) fn of_role(role: AssumedRole, signer: Arc<ApiCredentials>) -> Self {
        Self { source: Source::Role { role, signer }, state: Mutex::default() }
    }

    async fn load(&self, now: Timestamp) -> Result<ApiCredential, ApiCredentialError> {
        match &self.source {
            Source::Chain { chain, web } => chain.load(web, now).await,
            Source::Role { role, signer } => role.take_on(signer, now).await,
        }
    }

    /// The credential, looked up when there is none yet, and when another one is due. When a look-up fails,
    /// the present one is kept as long as it signs.
    ///
    /// # Errors
    /// There is none that signs, and none was found.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<ApiCredential>, ApiCredentialError> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let kept = match (judge(state.current.as_deref(), state.looked, now, Instant::now()), &state.current)
        {
            (Use::Good, Some(current)) => return Ok(current.clone()),
            (Use::LookAgain, Some(current)) => Some(current.clone()),
            _ => None,
        };
        let loaded = self.load(now).await;
        state.looked = Some(Looked { at: Instant::now(), in_vain: true });
        match (loaded, kept) {
            (Ok(loaded), Some(kept)) if loaded.same_keys(&kept) => Ok(kept),
            (Ok(loaded), _) => {
                state.looked = Some(Looked { at: Instant::now(), in_vain: false });
                Ok(state.current.insert(Arc::new(loaded)).clone())
            }
            (Err(error), Some(kept)) => {
                tracing::warn!(%error, "cannot look the API credential up again; using the one there is");
                Ok(kept)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// A credential other than `refused`, which the service no longer accepts; none when the sources still
    /// have the same one.
    ///
    /// # Errors
    /// None was found.
    pub async fn renewed(
        &self,
        refused: &ApiCredential,
        now: Timestamp,
    ) -> Result<Option<Arc<ApiCredential>>, ApiCredentialError> {
        let mut state = self.state.lock().await;
        // Another caller may have renewed it while this one waited for the lock.
        if let Some(current) = state.current.as_ref().filter(|current| !current.same_keys(refused)) {
            return Ok(Some(current.clone()));
        }
        let loaded = self.load(now).await?;
        state.looked = Some(Looked { at: Instant::now(), in_vain: false });
        if loaded.same_keys(refused) {
            return Ok(None);
        }
        Ok(Some(state.current.insert(Arc::new(loaded)).clone()))
    }

    /// The Pod's identity, where it has one.
    pub(super) fn pod_identity(&self) -> Result<Option<PodIdentity>, ApiCredentialError> {
        match &self.source {
            Source::Chain { chain, .. } => chain.pod_identity(),
            Source::Role { signer, .. } => signer.pod_identity(),
        }
    }

    /// The services that are called for credentials.
    pub(crate) fn web(&self) -> &Web {
        match &self.source {
            Source::Chain { web, .. } => web,
            Source::Role { signer, .. } => signer.web(),
        }
    }
}

fn judge(current: Option<&ApiCredential>, looked: Option<Looked>, now: Timestamp, instant: Instant) -> Use {
    let Some(current) = current else { return Use::Gone };
    if current.expires_at.is_some_and(|end| end <= now) {
        return Use::Gone;
    }
    let rested = looked.is_none_or(|looked| instant.duration_since(looked.at) >= LOOK_AGAIN);
    let look_again = match current.renew_at {
        // A failed renewal is not repeated with every call.
        Some(renew_at) => renew_at <= now && (rested || looked.is_some_and(|looked| !looked.in_vain)),
        None => current.origin.is_a_file() && rested,
    };
    if look_again { Use::LookAgain } else { Use::Good }
}

#[cfg(test)]
mod tests {
    use tcr::sensitive::Sensitive;

    use super::super::Origin;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_temporary_key_is_renewed_in_time_and_not_used_after_its_end() {
        let credential = ApiCredential {
            secret_id: "AKID".to_owned(),
            secret_key: Sensitive::new("k"),
            token: None,
            origin: Origin::PodIdentity,
            expires_at: Some(at(7200)),
            renew_at: Some(at(6480)),
        };
        let now = Instant::now();
        let judge =
            |seconds, in_vain| judge(Some(&credential), Some(Looked { at: now, in_vain }), at(seconds), now);
        assert_eq!(judge(6479, false), Use::Good);
        assert_eq!(judge(6480, false), Use::LookAgain);
        assert_eq!(judge(6480, true), Use::Good, "it was just looked for in vain");
        assert_eq!(judge(7200, true), Use::Gone);
    }

    #[test]
    fn files_are_looked_at_again_and_variables_are_not() {
        let now = Instant::now();
        let long_ago = now.checked_sub(LOOK_AGAIN).unwrap();
        let judge = |origin| {
            let credential = ApiCredential {
                secret_id: "AKID".to_owned(),
                secret_key: Sensitive::new("k"),
                token: None,
                origin,
                expires_at: None,
                renew_at: None,
            };
            let looked = Looked { at: long_ago, in_vain: false };
            judge(Some(&credential), Some(looked), at(0), now)
        };
        assert_eq!(judge(Origin::Environment), Use::Good);
        assert_eq!(judge(Origin::Profile("p".into())), Use::LookAgain);
        assert_eq!(judge(Origin::Directory("d".into())), Use::LookAgain);
    }
}

//! Sends signed calls. The only part that opens connections to Tencent Cloud.
//!
//! Expected flow of one call: sign with the credential in use and the corrected clock, send, read
//! at most [`LARGEST_ANSWER`], open the envelope, and on a failure do what [`retry`] decides.
//!
//! Guarantees: HTTPS unless the endpoint is on this machine; no redirect is followed; every call
//! ends by its deadline, waits included; an action that is not idempotent is sent again only when
//! the first one certainly did nothing; neither keys nor answers reach a log or an error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument as _;

use super::action::{API_VERSION, Action, Repeat, SERVICE};
use super::api_credential::keeper::ApiCredentials;
use super::api_credential::{ApiCredential, ApiCredentialError, AssumedRole, Chain, Web};
use super::calls::Calls;
use super::endpoint::{Endpoint, EndpointError};
use super::envelope::{self, Reply};
use super::error::{CloudError, Failure};
use super::metadata::{Metadata, MetadataEndpoint};
use super::rate_limit::RateLimit;
use super::retry::{History, Next, Policy, random};
use super::signature;
pub use super::transport::LARGEST_ANSWER;
use super::transport::{self, Failed, hidden, innermost, plain};

/// The content type as sent and signed; the Go SDK uses the same.
const JSON: &str = "application/json";
/// Names this program in the cloud's logs.
const REQUEST_CLIENT: &str = concat!("tcr-assistant-", env!("CARGO_PKG_VERSION"));
/// The longest that one exchange of a repeatable action may take of the call's time.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Correcting the clock by less changes nothing for a service that tolerates 5 minutes.
const SMALLEST_CORRECTION: i64 = 30;

/// Settings for calls of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where calls go; by default the public endpoint of each call's region.
    pub endpoint: Option<Endpoint>,
    /// Where roles are taken on; by default the public endpoint of the role's region.
    pub sts_endpoint: Option<Endpoint>,
    /// The instance metadata service that is asked for the machine's role; by default none.
    pub metadata: Option<MetadataEndpoint>,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The longest that a call may take, repeats included.
    pub deadline: Duration,
    /// How calls are repeated.
    pub retry: Policy,
    /// This machine's clock, in UTC.
    pub clock: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            sts_endpoint: None,
            metadata: None,
            ca: None,
            deadline: Duration::from_secs(30),
            retry: Policy::default(),
            clock: Timestamp::now,
        }
    }
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file for `ca` holds no certificate.
    #[error("cannot use the CA certificates: {0}")]
    Ca(String),
    /// TLS cannot be set up.
    #[error("cannot set up HTTPS: {0}")]
    Http(String),
}

/// A connection pool, a credential and a clock.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    credentials: Arc<ApiCredentials>,
    rates: Arc<Mutex<RateLimit>>,
    calls: Arc<Calls>,
    /// Seconds to add to this machine's clock, learnt from the cloud.
    clock_offset: Arc<watch::Sender<i64>>,
}

/// A call of an action.
pub(crate) struct Call<'a> {
    pub(crate) action: Action,
    pub(crate) region: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) body: Value,
}

impl Client {
    /// A client that signs with the first credential of `chain`. Connects to nothing yet.
    pub fn new(settings: Settings, chain: Chain) -> Result<Self, SettingsError> {
        let endpoints = [&settings.endpoint, &settings.sts_endpoint];
        let https_only = endpoints.into_iter().flatten().all(Endpoint::is_https);
        let mut builder = reqwest::Client::builder()
            .https_only(https_only)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(REQUEST_CLIENT);
        if let Some(pem) = &settings.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| SettingsError::Ca(innermost(&error)))?;
            if certificates.is_empty() {
                return Err(SettingsError::Ca("there is no PEM certificate in the file".to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let http = builder.build().map_err(|error| SettingsError::Http(innermost(&error)))?;
        let metadata = settings.metadata.clone().map(Metadata::new).transpose();
        let metadata = metadata.map_err(|error| SettingsError::Http(innermost(&error)))?;
        let web = Web { http: http.clone(), sts: settings.sts_endpoint.clone(), metadata };
        let credentials = ApiCredentials::new(chain, web);
        Ok(Self {
            http,
            settings,
            credentials: Arc::new(credentials),
            rates: Arc::default(),
            calls: Arc::default(),
            clock_offset: Arc::new(watch::Sender::new(0)),
        })
    }

    /// A client that signs with the keys of a role, which this client's identity assumes. It shares this
    /// one's connections, clock and counters. The cloud limits an account's calls per second, so the clients
    /// of a role share one limit: `other` is one of them, if there is one.
    pub(crate) fn in_role(&self, role: AssumedRole, other: Option<&Self>) -> Self {
        Self {
            http: self.http.clone(),
            settings: self.settings.clone(),
            credentials: Arc::new(ApiCredentials::of_role(role, self.credentials.clone())),
            rates: other.map(|other| other.rates.clone()).unwrap_or_default(),
            calls: self.calls.clone(),
            clock_offset: self.clock_offset.clone(),
        }
    }

    /// The cloud's time as far as it is known: this machine's until a call was refused because of it.
    pub fn now(&self) -> Timestamp {
        let now = (self.settings.clock)();
        now.checked_add(self.clock_offset()).unwrap_or(now)
    }

    /// How far this machine's clock is behind the cloud's (negative: ahead). Zero until a call was refused
    /// because of it.
    pub fn clock_offset(&self) -> SignedDuration {
        SignedDuration::from_secs(*self.clock_offset.borrow())
    }

    /// Changes when the clock was corrected: a task that waits for a time has to read the clock again.
    pub fn clock_corrections(&self) -> watch::Receiver<i64> {
        self.clock_offset.subscribe()
    }

    /// The counters of calls.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Instance metadata, where it may be asked.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.credentials.web().metadata.as_ref()
    }

    /// Carries out a call; returns its fields. Log lines meanwhile name the call.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Reply, CloudError> {
        let Call { action, region, instance, .. } = call;
        let span = tracing::error_span!("cloud_call", action = action.name(), instance, region);
        self.carry_out(call).instrument(span).await
    }

    async fn carry_out(&self, call: &Call<'_>) -> Result<Reply, CloudError> {
        let endpoint = match self.endpoint(call.region) {
            Ok(endpoint) => endpoint,
            Err(error) => return Err(self.error(call, None, error.into())),
        };
        let ends = Instant::now() + self.settings.deadline;
        let mut history = History::default();
        let found = match timeout_at(ends, self.credential()).await {
            Ok(found) => found.map_err(Failure::from),
            Err(_) => Err(Failure::Deadline { after: self.settings.deadline }),
        };
        let mut credential = found.map_err(|failure| self.error(call, None, failure))?;
        loop {
            let turn = self
                .rates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(call.action, std::time::Instant::now());
            if !turn.is_zero() {
                sleep(turn).await;
            }
            let failed = match self.timed_exchange(call, &endpoint, &credential, ends).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let next = history.next(&failed.failure, call.action, &self.settings.retry, random());
            let again = match next {
                Next::Stop => false,
                Next::Wait(wait) if Instant::now() + wait >= ends => false,
                Next::Wait(wait) => {
                    sleep(wait).await;
                    true
                }
                Next::CorrectClock => self.correct_clock(failed.date),
                Next::RenewCredential => match self.credentials.renewed(&credential, self.now()).await {
                    Ok(Some(renewed)) => {
                        credential = renewed;
                        true
                    }
                    // The refusal is a better reason than that the source has no other credential.
                    Ok(None) => false,
                    Err(error) => return Err(self.error(call, Some(&credential), error.into())),
                },
            };
            if !again {
                return Err(self.error(call, Some(&credential), failed.failure));
            }
        }
    }

    /// The credential in use. If getting one fails because this machine's clock is wrong, the clock is
    /// corrected first.
    async fn credential(&self) -> Result<Arc<ApiCredential>, ApiCredentialError> {
        match self.credentials.current(self.now()).await {
            Err(ApiCredentialError::ClockSkew { date, .. }) if self.correct_clock(Some(date)) => {
                self.credentials.current(self.now()).await
            }
            found => found,
        }
    }

    /// An error about this call, with every secret of the credential removed from the cloud's message.
    fn error(
        &self,
        call: &Call<'_>,
        credential: Option<&Arc<ApiCredential>>,
        mut failure: Failure,
    ) -> CloudError {
        if let (Failure::Refused { message, .. }, Some(credential)) = (&mut failure, credential) {
            for secret in [Some(&credential.secret_key), credential.token.as_ref()].into_iter().flatten() {
                *message = message.replace(secret.expose(), "[redacted]");
            }
        }
        CloudError {
            action: call.action,
            instance: call.instance.to_owned(),
            region: call.region.to_owned(),
            endpoint: self.endpoint(call.region).map(|endpoint| endpoint.to_string()).unwrap_or_default(),
            identity: credential.map(|used| format!("secret id {} from {}", used.secret_id, used.origin)),
            failure,
        }
    }

    /// An error about the content of a complete answer.
    pub(crate) fn content_error(&self, call: &Call<'_>, failure: Failure) -> CloudError {
        self.error(call, None, failure)
    }

    fn endpoint(&self, region: &str) -> Result<Endpoint, EndpointError> {
        self.settings.endpoint.clone().map_or_else(|| Endpoint::of_region(region), Ok)
    }

    /// Whether the answer's date moves the clock enough for another try.
    fn correct_clock(&self, date: Option<Timestamp>) -> bool {
        let Some(date) = date else { return false };
        let offset = date.as_second() - (self.settings.clock)().as_second();
        let before = self.clock_offset.send_replace(offset);
        tracing::warn!(offset_seconds = offset, "this machine's clock is wrong; using the cloud's");
        (offset - before).abs() >= SMALLEST_CORRECTION
    }

    async fn timed_exchange(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
        credential: &ApiCredential,
        ends: Instant,
    ) -> Result<Reply, Failed> {
        let left = ends.saturating_duration_since(Instant::now());
        let limit = match call.action.repeat() {
            Repeat::Safe => left.min(EXCHANGE),
            // A shorter time-out could only leave a credential behind that nobody knows.
            Repeat::OnlyIfNotDone => left,
        };
        let started = Instant::now();
        let result = timeout(limit, self.exchange(call, endpoint, credential))
            .await
            .unwrap_or_else(|_| Err(Failure::Deadline { after: limit }.into()));
        let code = result.as_ref().err().map_or("ok", |failed| failed.failure.code());
        self.calls.count(call.action.name(), code);
        tracing::debug!(
            code,
            request_id = match &result {
                Ok(reply) => reply.request_id(),
                Err(failed) => failed.failure.request_id(),
            },
            milliseconds = started.elapsed().as_millis() as u64,
            "called the cloud"
        );
        result
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
        credential: &ApiCredential,
    ) -> Result<Reply, Failed> {
        let body = call.body.to_string();
        let headers = self.headers(call, endpoint, credential, &body)?;
        let sent = self.http.post(endpoint.url().clone()).headers(headers).body(body).send().await;
        let response = sent.map_err(|error| transport::failure(&error))?;
        let date = transport::date(&response);
        let status = response.status().as_u16();
        let answer = transport::body(response).await;
        answer
            .and_then(|answer| envelope::parse(status, answer.expose()))
            .map_err(|failure| Failed { failure, date })
    }

    /// Signs content-type, host and the action. The first two are mandatory; the action as well,
    /// as the current documentation does, because otherwise the same signed body could be sent as
    /// another action (`DeleteInstanceToken` and `ModifyInstanceToken` share theirs).
    fn headers(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
        credential: &ApiCredential,
        body: &str,
    ) -> Result<HeaderMap, Failure> {
        let timestamp = self.now();
        let signed = signature::sign(
            &signature::Request {
                service: SERVICE,
                headers: &[
                    ("content-type", JSON),
                    ("host", endpoint.host()),
                    ("x-tc-action", call.action.name()),
                ],
                body: body.as_bytes(),
                timestamp,
            },
            &credential.secret_key,
        );
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HOST, plain(endpoint.host())?);
        headers.insert(AUTHORIZATION, hidden(&signed.authorization(&credential.secret_id))?);
        headers.insert("x-tc-action", HeaderValue::from_static(call.action.name()));
        headers.insert("x-tc-version", HeaderValue::from_static(API_VERSION));
        headers.insert("x-tc-region", plain(call.region)?);
        headers.insert("x-tc-timestamp", plain(&timestamp.as_second().to_string())?);
        headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
        headers.insert("x-tc-requestclient", HeaderValue::from_static(REQUEST_CLIENT));
        if let Some(token) = &credential.token {
            headers.insert("x-tc-token", hidden(token.expose())?);
        }
        Ok(headers)
    }
}

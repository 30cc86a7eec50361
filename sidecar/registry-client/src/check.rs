//! Checks logins at registries.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tcr::address::{self, AddressProblem};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::{Sensitive, SensitiveBytes};
use tcr::shortened::shortened;
use tcr::verdict::Verdict;

use super::challenge::{self, Challenge};
use tencent_cloud::endpoint::Endpoint;
use tencent_cloud::transport::innermost;

/// The time limit of a whole check.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
/// Far above any token.
const LARGEST: usize = 128 * 1024;
/// Bytes of a reason that are repeated: a registry may answer anything, and conditions and Events repeat it.
const LONGEST_REASON: usize = 500;
/// The requested rights, from which the granted ones are learnt. No repository of this name is read or
/// written.
const SCOPE: &str = "repository:tcr-assistant/probe:pull,push";

/// The operator's settings for registries.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// PEM certificates to trust beside the system's.
    pub ca: Option<Vec<u8>>,
    /// Token services that passwords may be sent to besides a registry's own host.
    pub realms: Vec<Endpoint>,
    /// Addresses of hosts that replace DNS. They are allowed whatever they are.
    pub addresses: BTreeMap<RegistryHost, SocketAddr>,
}

/// Addresses at which nodes reach hosts by a private link, which the controller's own DNS may not know.
pub type Links = BTreeMap<RegistryHost, IpAddr>;

/// Checks logins at registries.
#[derive(Debug)]
pub struct Checker {
    pub(super) http: reqwest::Client,
    settings: Arc<Settings>,
    links: Arc<Mutex<Links>>,
}

/// Why there was no verdict.
pub(super) struct Unknown(pub(super) String);

impl Checker {
    /// A checker, which has not connected to anything yet.
    ///
    /// # Errors
    /// The certificates are invalid, or HTTPS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let (settings, links) = (Arc::new(settings), Arc::default());
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A proxy would resolve the name itself, and could connect anywhere.
            .no_proxy()
            .dns_resolver(Guard { settings: settings.clone(), links: Arc::clone(&links) })
            .connect_timeout(CONNECT)
            .user_agent(concat!("tcr-assistant/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|it| innermost(&it))?;
            if certificates.is_empty() {
                return Err("there is no PEM certificate in the file".to_owned());
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|error| innermost(&error))?;
        Ok(Self { http, settings, links })
    }

    /// Sets addresses that are tried first, as nodes do with the entries in their hosts files.
    pub fn set_links(&self, links: Links) {
        *self.links.lock().unwrap_or_else(PoisonError::into_inner) = links;
    }

    /// The verdict of the first host that gives one.
    pub async fn check(&self, hosts: &[RegistryHost], username: &str, password: &Sensitive) -> Verdict {
        let mut reasons = Vec::new();
        for host in hosts {
            let asked = tokio::time::timeout(DEADLINE, self.ask(host, username, password)).await;
            match asked.unwrap_or_else(|_| Err(Unknown(format!("no answer within {} s", DEADLINE.as_secs()))))
            {
                Ok(verdict) => return verdict,
                Err(Unknown(reason)) => reasons.push(format!("{host}: {reason}")),
            }
        }
        Verdict::Unknown { reason: shortened(reasons.join("; "), LONGEST_REASON) }
    }

    async fn ask(
        &self,
        host: &RegistryHost,
        username: &str,
        password: &Sensitive,
    ) -> Result<Verdict, Unknown> {
        let url = base(host)?;
        let refusal = self.challenge(&url).await?;
        match refusal {
            None => Err(Unknown("it asks for no credential".to_owned())),
            Some(Challenge::Basic) => {
                let request = self.http.get(url).basic_auth(username, Some(password.expose()));
                judge(host, self.send(request).await?.status())?.map_or(Ok(ACCEPTED), Ok)
            }
            Some(Challenge::Bearer { realm, service }) => {
                let realm = self.realm(&url, &realm, true)?;
                self.ask_service(host, &realm, service.as_deref(), username, password).await
            }
        }
    }

    /// The authentication scheme that the registry asks for; none when it asks for none.
    pub(super) async fn challenge(&self, url: &Url) -> Result<Option<Challenge>, Unknown> {
        self.may_send_to(url)?;
        let refusal = self.send(self.http.get(url.clone())).await?;
        match refusal.status().as_u16() {
            200 => return Ok(None),
            401 => {}
            status => {
                let reason = format!("it answers HTTP {status} instead of asking for a credential");
                return Err(Unknown(reason));
            }
        }
        let mut headers =
            refusal.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|it| it.to_str().ok());
        match headers.find_map(challenge::parse) {
            Some(challenge) => Ok(Some(challenge)),
            None => Err(Unknown("it does not say how to show a credential".to_owned())),
        }
    }

    /// The token service's URL, if it may be called: a password may be sent to fewer services than a request
    /// without one.
    pub(super) fn realm(&self, registry: &Url, realm: &str, with_password: bool) -> Result<Url, Unknown> {
        let not_allowed = || {
            Unknown(format!(
                "it names the token service {realm:?}, which is not on the same host: allow it with --registry-realm"
            ))
        };
        let url = Url::parse(realm).map_err(|_| not_allowed())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not_allowed());
        }
        if self.is_allowed(&url) {
            return Ok(url);
        }
        let same = url.host_str() == registry.host_str()
            && url.port_or_known_default() == registry.port_or_known_default();
        let hub =
            registry.host_str() == Some(HUB_REGISTRY) && url.origin().ascii_serialization() == HUB_SERVICE;
        match url.scheme() == "https" && (same || hub || !with_password) {
            true => Ok(url),
            false => Err(not_allowed()),
        }
    }

    fn is_allowed(&self, url: &Url) -> bool {
        self.settings.realms.iter().any(|allowed| allowed.url().origin() == url.origin())
    }

    async fn ask_service(
        &self,
        host: &RegistryHost,
        realm: &Url,
        service: Option<&str>,
        username: &str,
        password: &Sensitive,
    ) -> Result<Verdict, Unknown> {
        // A service that refuses a scope as a whole says nothing about the credential, so it is asked once
        // more without.
        for scope in [Some(SCOPE), None] {
            let answer = self.ask_for_token(realm, service, scope, Some((username, password))).await?;
            match judge(host, answer.status())? {
                None => {
                    let token = token(answer).await?;
                    return Ok(Verdict::Accepted { can_push: can_push(&token) });
                }
                Some(refused) if scope.is_none() => return Ok(refused),
                Some(_) => {}
            }
        }
        Err(Unknown("its token service said nothing".to_owned()))
    }

    /// The token service's answer to a request with or without a scope and with or without a credential.
    pub(super) async fn ask_for_token(
        &self,
        realm: &Url,
        service: Option<&str>,
        scope: Option<&str>,
        login: Option<(&str, &Sensitive)>,
    ) -> Result<Response, Unknown> {
        if !self.is_allowed(realm) {
            self.may_send_to(realm)?;
        }
        let mut url = realm.clone();
        url.query_pairs_mut().extend_pairs(service.map(|it| ("service", it)));
        url.query_pairs_mut().extend_pairs(scope.map(|it| ("scope", it)));
        let request = self.http.get(url);
        let request = match login {
            Some((username, password)) => request.basic_auth(username, Some(password.expose())),
            None => request,
        };
        self.send(request).await
    }

    /// Checks an address; names are checked by [`Guard`] when they are resolved.
    fn may_send_to(&self, url: &Url) -> Result<(), Unknown> {
        let host = url.host_str().ok_or_else(|| Unknown("it has no host".to_owned()))?;
        let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else {
            return Ok(());
        };
        let named = self.settings.addresses.values().any(|it| it.ip() == address);
        match address::problem(address).filter(|_| !named) {
            Some(why) => Err(Unknown(Forbidden(address, why).to_string())),
            None => Ok(()),
        }
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Unknown> {
        request.send().await.map_err(|error| Unknown(format!("cannot ask it: {}", innermost(&error))))
    }
}

/// The URL at which the registry tells its authentication scheme.
pub(super) fn base(host: &RegistryHost) -> Result<Url, Unknown> {
    let host = host.to_string();
    // The name occurs in image references only; every container runtime knows where the registry is.
    let host = if host == HUB_NAME { HUB_REGISTRY } else { &host };
    Url::parse(&format!("https://{host}/v2/")).map_err(|error| Unknown(error.to_string()))
}

/// Docker Hub's name in image references, and its registry's:
/// <https://docs.docker.com/reference/api/registry/auth/>.
const HUB_NAME: &str = "docker.io";
const HUB_REGISTRY: &str = "registry-1.docker.io";
const HUB_SERVICE: &str = "https://auth.docker.io";

const ACCEPTED: Verdict = Verdict::Accepted { can_push: false };

/// The verdict in a status; none when the credential was accepted.
fn judge(host: &RegistryHost, status: StatusCode) -> Result<Option<Verdict>, Unknown> {
    match status.as_u16() {
        200 => Ok(None),
        status @ (401 | 403) => {
            Ok(Some(Verdict::Refused { reason: format!("{host} refuses it with HTTP {status}") }))
        }
        status @ 300..=399 => Err(Unknown(format!("it answers HTTP {status}; no redirect is followed"))),
        status => Err(Unknown(format!("it answers HTTP {status}"))),
    }
}

/// Either field has the token: <https://distribution.github.io/distribution/spec/auth/token/>.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    token: Option<Sensitive>,
    access_token: Option<Sensitive>,
}

/// The token in a service's answer.
pub(super) async fn token(mut answer: Response) -> Result<Sensitive, Unknown> {
    let mut body = SensitiveBytes::default();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Unknown(innermost(&error)))? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(Unknown(format!("its token service's answer is longer than {LARGEST} bytes")));
        }
    }
    let TokenAnswer { token, access_token } = serde_json::from_slice(body.expose()).unwrap_or_default();
    match [token, access_token].into_iter().flatten().find(|token| !token.is_empty()) {
        Some(token) => Ok(token),
        None => Err(Unknown("its token service answers without a token".to_owned())),
    }
}

/// Whether a registry's token grants pushing. A token that cannot be read grants nothing that is known.
fn can_push(token: &Sensitive) -> bool {
    let claims = token.expose().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let access = claims.get("access").and_then(Value::as_array).into_iter().flatten();
    let mut actions = access.filter_map(|one| one.get("actions").and_then(Value::as_array)).flatten();
    actions.any(|action| matches!(action.as_str(), Some("push" | "*")))
}

/// An address to which nothing is sent.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no password is sent to {0}, which {1}: name it with --registry-address if it is right")]
struct Forbidden(IpAddr, AddressProblem);

/// Resolves names, and leaves out every address to which nothing is sent. It is done here so that the checked
/// address is the one that is connected to.
#[derive(Debug)]
struct Guard {
    settings: Arc<Settings>,
    links: Arc<Mutex<Links>>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_it = |host: &RegistryHost| host.name() == name.as_str();
        if let Some((_, address)) = self.settings.addresses.iter().find(|(host, _)| is_it(host)) {
            let address = *address;
            return Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) });
        }
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.iter().find(|(host, _)| is_it(host)).map(|(_, address)| *address);
        Box::pin(async move {
            // Port 0 stands for the URL's own.
            let looked_up = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<SocketAddr> = match (looked_up, link) {
                (Ok(found), link) => link.map(|ip| SocketAddr::new(ip, 0)).into_iter().chain(found).collect(),
                (Err(_), Some(ip)) => vec![SocketAddr::new(ip, 0)],
                (Err(error), None) => return Err(error.into()),
            };
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|it| address::problem(it.ip()).is_none()).collect();
            let refused = found.iter().find_map(|it| Some(Forbidden(it.ip(), address::problem(it.ip())?)));
            match refused {
                Some(forbidden) if allowed.is_empty() => Err(forbidden.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests;

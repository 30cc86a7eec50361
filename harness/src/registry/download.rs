//! Modules from web servers: `https://HOST/PATH`, with the authorities that a `sources.yaml` gives the host.

use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Proxy, Url};

use super::{CONNECT_TIMEOUT, LARGEST_MODULE, READ_TIMEOUT, Sources, chain, is_loopback};

/// How long all of a module may take.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(600);
/// About as many as browsers and curl follow; a release's file is one or two away.
const MOST_REDIRECTS: usize = 10;

/// Why a module cannot be had from a web server.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address is none.
    #[error("\"{url}\" is not https://HOST/PATH: {reason}")]
    Url {
        /// The address as given.
        url: String,
        /// The fault.
        reason: String,
    },
    /// The certificates of a `sources.yaml` for the host.
    #[error("source_authorities: \"{host}\": {reason}")]
    Authorities {
        host: String,
        /// The fault.
        reason: String,
    },
    /// The server cannot be reached, or answers with something else.
    #[error("cannot download {url}: {reason}")]
    Failed {
        url: String,
        /// The attempt and how it failed.
        reason: String,
    },
}

/// One way to a server.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    scheme: &'static str,
    /// Whether certificates are checked; without it, nothing leads to another host.
    is_checked: bool,
}

/// Gets a module. Plain HTTP and unchecked certificates are for hosts that `sources` lists as insecure; plain HTTP is for
/// this machine, too, where the address says `http`.
///
/// # Errors
/// See [`DownloadError`].
pub async fn download(url: &str, sources: &Sources) -> Result<Vec<u8>, DownloadError> {
    let bad = |reason: String| DownloadError::Url { url: url.to_owned(), reason };
    let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    let name = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad("no host".to_owned()))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        // It would be in logs and shell histories.
        return Err(DownloadError::Url {
            url: "https://…".to_owned(),
            reason: "a user name or password must not be in it".to_owned(),
        });
    }
    let host = parsed.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let is_listed = sources.is_insecure(&host);
    let https = Way { name: "https", scheme: "https", is_checked: true };
    let unchecked = Way { name: "https without checking certificates", is_checked: false, ..https };
    let http = Way { name: "http", scheme: "http", is_checked: false };
    let ways = match (parsed.scheme(), is_listed) {
        ("https", false) => vec![https],
        ("https", true) => vec![https, unchecked, http],
        ("http", listed) if listed || is_loopback(&host) => vec![http],
        ("http", _) => {
            return Err(bad(
                "plain http is only used for hosts in insecure_sources of --sources-path".to_owned()
            ));
        }
        (scheme, _) => return Err(bad(format!("scheme \"{scheme}\" is not https"))),
    };
    let certificates = certificates(sources, &host)?;
    let failed = |reason| DownloadError::Failed { url: url.to_owned(), reason };
    let proxies = sources.proxies.of_client().map_err(|error| failed(error.to_string()))?;
    let mut failures = Vec::new();
    for way in ways {
        match fetch(&parsed, way, certificates.clone(), proxies.clone()).await {
            Ok(module) => return Ok(module),
            Err(Failure::Answer(reason)) => return Err(failed(reason)),
            Err(Failure::Unreachable(reason)) => failures.push(format!("{}: {reason}", way.name)),
        }
    }
    Err(failed(failures.join("; ")))
}

/// A host's certificate authorities from the sources, checked.
pub(super) fn certificates(sources: &Sources, host: &str) -> Result<Vec<Certificate>, DownloadError> {
    let mut certificates = Vec::new();
    for pem in sources.authorities(host) {
        let failed = |reason: String| DownloadError::Authorities { host: host.to_owned(), reason };
        let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| failed(chain(&error)))?;
        if bundle.is_empty() {
            return Err(failed("no PEM certificate".to_owned()));
        }
        certificates.extend(bundle);
    }
    Ok(certificates)
}

enum Failure {
    /// Another way may be open.
    Unreachable(String),
    /// The server is there and has no module for us.
    Answer(String),
}

async fn fetch(
    url: &Url,
    way: Way,
    certificates: Vec<Certificate>,
    proxies: Vec<Proxy>,
) -> Result<Vec<u8>, Failure> {
    let unreachable = |error: reqwest::Error| Failure::Unreachable(chain(&error.without_url()));
    let mut url = url.clone();
    if url.set_scheme(way.scheme).is_err() {
        return Err(Failure::Unreachable(format!("no {} address", way.scheme)));
    }
    let own = url.host_str().unwrap_or_default().to_owned();
    let client = proxies
        .into_iter()
        .fold(Client::builder(), reqwest::ClientBuilder::proxy)
        .tls_certs_merge(certificates)
        .tls_danger_accept_invalid_certs(!way.is_checked)
        .redirect(Policy::custom(move |attempt| redirected(attempt, way, &own)))
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(WHOLE_TIMEOUT)
        .user_agent(concat!("tcr-assistant-harness/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(unreachable)?;
    let mut answer = client.get(url).send().await.map_err(|error| match error.is_redirect() {
        true => Failure::Answer(chain(&error.without_url())),
        false => unreachable(error),
    })?;
    if !answer.status().is_success() {
        return Err(Failure::Answer(format!("the server answered {}", answer.status())));
    }
    let most = usize::try_from(LARGEST_MODULE).unwrap_or(usize::MAX);
    let mut module = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|error| Failure::Answer(chain(&error.without_url())))?
    {
        if module.len() + chunk.len() > most {
            return Err(Failure::Answer(format!("it has more than {most} bytes")));
        }
        module.extend_from_slice(&chunk);
    }
    Ok(module)
}

fn redirected(attempt: Attempt<'_>, way: Way, own: &str) -> reqwest::redirect::Action {
    let leads_to = attempt.url();
    let is_safe = match way.is_checked {
        true => leads_to.scheme() == "https",
        false => leads_to.host_str() == Some(own),
    };
    match () {
        () if attempt.previous().len() > MOST_REDIRECTS => attempt.error("too many redirects"),
        () if !is_safe => {
            let reason =
                format!("it leads to {}, which is not safe", leads_to.origin().ascii_serialization());
            attempt.error(reason)
        }
        () => attempt.follow(),
    }
}

//! Kubewarden's `sources.yaml`: which registries may be reached without TLS, by which authorities, and through which proxies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use reqwest::{NoProxy, Proxy};
use serde::Deserialize;
use tcr::sensitive::Sensitive;

use crate::document;

/// How registries are reached.
#[derive(Debug, Default)]
pub struct Sources {
    insecure: BTreeSet<String>,
    authorities: BTreeMap<String, Vec<Vec<u8>>>,
    pub(super) proxies: Proxies,
}

/// Through whom servers are reached; without it those of the environment count (`HTTPS_PROXY` and the like).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proxies {
    /// For plain HTTP; may have a password in it.
    pub(super) http_proxy: Option<Sensitive>,
    /// For HTTPS.
    pub(super) https_proxy: Option<Sensitive>,
    /// Hosts and networks that are reached without, joined by commas.
    pub(super) no_proxy: Option<String>,
}

/// Why a text is not a `sources.yaml`.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// The file has another form.
    #[error("not a sources.yaml: {0}")]
    NotSources(String),
    /// A proxy's address that is none.
    #[error("proxies.{field}: {reason}")]
    Proxy {
        /// The field.
        field: &'static str,
        /// The fault; the address itself may contain a password.
        reason: String,
    },
    /// A certificate that cannot be read.
    #[error("source_authorities: \"{host}\": cannot read {}: {source}", path.display())]
    Certificate {
        /// The host of the registry.
        host: String,
        /// The path of the certificate.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    insecure_sources: BTreeSet<String>,
    #[serde(default)]
    source_authorities: BTreeMap<String, Vec<Authority>>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    proxies: Proxies,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Authority {
    Path { path: PathBuf },
    Data { data: String },
}

impl Sources {
    /// Reads a `sources.yaml` and the certificates it names.
    ///
    /// # Errors
    /// When it has another form, or a certificate cannot be read.
    pub fn parse(text: &str) -> Result<Self, SourcesError> {
        let file: File = document::from_yaml(text).map_err(SourcesError::NotSources)?;
        let mut authorities = BTreeMap::new();
        for (host, listed) in file.source_authorities {
            let certificates: Result<Vec<Vec<u8>>, SourcesError> = listed
                .into_iter()
                .map(|authority| match authority {
                    Authority::Data { data } => Ok(data.into_bytes()),
                    Authority::Path { path } => std::fs::read(&path)
                        .map_err(|source| SourcesError::Certificate { host: host.clone(), path, source }),
                })
                .collect();
            authorities.insert(host.clone(), certificates?);
        }
        // A bad one is told before anything is asked without it.
        file.proxies.of_client()?;
        Ok(Self { insecure: file.insecure_sources, authorities, proxies: file.proxies })
    }

    pub(super) fn is_insecure(&self, host: &str) -> bool {
        self.insecure.contains(host)
    }

    pub(super) fn authorities(&self, host: &str) -> Vec<Vec<u8>> {
        self.authorities.get(host).cloned().unwrap_or_default()
    }
}

impl Proxies {
    /// The proxies in the HTTP client's form.
    pub(super) fn of_client(&self) -> Result<Vec<Proxy>, SourcesError> {
        let no_proxy = || self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let of = |field, address: &Option<Sensitive>, make: fn(&str) -> reqwest::Result<Proxy>| {
            let made = address.as_ref().map(|address| make(address.expose())).transpose();
            let bad = |error: reqwest::Error| SourcesError::Proxy {
                field,
                reason: super::chain(&error.without_url()),
            };
            made.map_err(bad)
        };
        let https = of("https_proxy", &self.https_proxy, |address| Proxy::https(address))?;
        let http = of("http_proxy", &self.http_proxy, |address| Proxy::http(address))?;
        Ok(https.into_iter().chain(http).map(|proxy| proxy.no_proxy(no_proxy())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubewardens_file_is_read() {
        let sources = Sources::parse(
            "insecure_sources: [\"dev.example:5000\"]\nsource_authorities:\n  \"ca.example\":\n  - {type: Data, data: PEM}\n",
        )
        .unwrap();
        assert!(sources.is_insecure("dev.example:5000") && !sources.is_insecure("dev.example"));
        assert_eq!(sources.authorities("ca.example"), [b"PEM"]);
        assert!(sources.authorities("dev.example:5000").is_empty());
    }

    #[test]
    fn proxies_are_read_and_their_passwords_are_not_shown() {
        let text =
            "proxies: {https_proxy: 'http://bob:geheim@proxy.example:3128', no_proxy: 'localhost,.corp'}";
        let sources = Sources::parse(text).unwrap();
        assert_eq!(sources.proxies.of_client().unwrap().len(), 1);
        assert!(!format!("{sources:?}").contains("geheim"));
        for bad in ["http://bob:geheim@proxy.example:port", ""] {
            let error = Sources::parse(&format!("proxies: {{http_proxy: '{bad}'}}")).unwrap_err().to_string();
            assert!(error.starts_with("proxies.http_proxy: ") && !error.contains("geheim"), "{error}");
        }
        assert!(Sources::parse("proxies: {socks_proxy: a}").is_err());
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let text = "source_authorities: {h: [{type: Path, path: /nowhere/ca.pem}]}";
        let error = Sources::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("source_authorities: \"h\": cannot read /nowhere/ca.pem: "), "{error}");
    }
}

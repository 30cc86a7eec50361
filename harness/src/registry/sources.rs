//! Kubewarden's `sources.yaml`: which registries may be reached without TLS, and by which authorities.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use crate::document;

/// How registries are reached.
#[derive(Debug, Default)]
pub struct Sources {
    insecure: BTreeSet<String>,
    authorities: BTreeMap<String, Vec<Vec<u8>>>,
}

/// Why a text is not a `sources.yaml`.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// The file has another form.
    #[error("not a sources.yaml: {0}")]
    NotSources(String),
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
        Ok(Self { insecure: file.insecure_sources, authorities })
    }

    pub(super) fn is_insecure(&self, host: &str) -> bool {
        self.insecure.contains(host)
    }

    pub(super) fn authorities(&self, host: &str) -> Vec<Vec<u8>> {
        self.authorities.get(host).cloned().unwrap_or_default()
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
    fn a_missing_certificate_is_named() {
        let text = "source_authorities: {h: [{type: Path, path: /nowhere/ca.pem}]}";
        let error = Sources::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("source_authorities: \"h\": cannot read /nowhere/ca.pem: "), "{error}");
    }
}

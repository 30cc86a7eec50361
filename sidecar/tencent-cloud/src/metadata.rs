//! Instance metadata of a CVM: the machine's location, and the key of the role that is bound to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use tcr::sensitive::Sensitive;

use super::error::Failure;
use super::transport;

/// The address of the service for every CVM; the name resolves inside Tencent's VPCs only.
pub const DEFAULT: &str = "http://metadata.tencentyun.com";
const PATH: &str = "/latest/meta-data/";
/// Short, because the service runs on the machine's own host.
const CONNECT: Duration = Duration::from_secs(1);
const EXCHANGE: Duration = Duration::from_secs(3);

/// The root of the metadata service. It speaks plain HTTP, and so is not an [`Endpoint`](super::endpoint::Endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataEndpoint(Url);

/// Why a text is not a metadata endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a metadata endpoint: write it as http://HOST or http://HOST:PORT")]
pub struct MetadataEndpointError(String);

impl FromStr for MetadataEndpoint {
    type Err = MetadataEndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).ok().filter(|url| {
            let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
            url.scheme() == "http" && url.host_str().is_some() && bare && url.query().is_none()
        });
        url.map(Self).ok_or_else(|| MetadataEndpointError(text.to_owned()))
    }
}

impl fmt::Display for MetadataEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Why metadata could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// There is no such service: this machine is no CVM.
    #[error("cannot connect: {0}")]
    Absent(String),
    /// A service answers, but not as metadata does.
    #[error(transparent)]
    Broken(Failure),
}

/// The metadata service of the machine.
#[derive(Debug)]
pub struct Metadata {
    http: reqwest::Client,
    endpoint: MetadataEndpoint,
}

impl Metadata {
    pub(crate) fn new(endpoint: MetadataEndpoint) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would return the role of its own machine.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(EXCHANGE)
            .build()?;
        Ok(Self { http, endpoint })
    }

    /// The address of the service.
    pub fn endpoint(&self) -> &MetadataEndpoint {
        &self.endpoint
    }

    /// The text at a path, which may be a key; none where the path does not exist.
    ///
    /// # Errors
    /// This is no CVM, or its metadata service does not answer.
    pub async fn get(&self, path: &str) -> Result<Option<Sensitive>, MetadataError> {
        let mut url = self.endpoint.0.clone();
        url.set_path(&format!("{PATH}{path}"));
        let response = self.http.get(url).send().await.map_err(|error| {
            let failure = match error.is_timeout() && !error.is_connect() {
                true => Failure::Deadline { after: EXCHANGE },
                false => transport::failure(&error),
            };
            match failure {
                Failure::Unreachable { reason } => MetadataError::Absent(reason),
                other => MetadataError::Broken(other),
            }
        })?;
        match response.status().as_u16() {
            404 => return Ok(None),
            200 => {}
            status => return Err(MetadataError::Broken(Failure::Status { status, message: None })),
        }
        let body = transport::body(response).await.map_err(MetadataError::Broken)?;
        body.into_text().map(Some).ok_or_else(|| {
            MetadataError::Broken(Failure::Unreadable {
                reason: "the body is not UTF-8".to_owned(),
                request_id: None,
            })
        })
    }

    /// The VPC of the machine's first network interface.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn vpc_id(&self) -> Result<Option<String>, MetadataError> {
        let Some(mac) = self.get("mac").await? else { return Ok(None) };
        let mac = mac.expose().trim();
        let Some(vpc) = self.get(&format!("network/interfaces/macs/{mac}/vpc-id")).await? else {
            return Ok(None);
        };
        let vpc = vpc.expose().trim();
        Ok(vpc.starts_with("vpc-").then(|| vpc.to_owned()))
    }

    /// The region of the machine.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn region(&self) -> Result<Option<String>, MetadataError> {
        let region = self.get("placement/region").await?;
        Ok(region.map(|region| region.expose().trim().to_owned()).filter(|region| !region.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_plain_http_and_nothing_more() {
        let parse = |text: &str| text.parse::<MetadataEndpoint>().map(|it| it.to_string());
        assert_eq!(parse(DEFAULT).as_deref(), Ok(DEFAULT));
        assert_eq!(parse("http://127.0.0.1:8080/").as_deref(), Ok("http://127.0.0.1:8080"));
        for wrong in
            ["", "metadata.tencentyun.com", "https://h", "http://h/path", "http://u:p@h", "http://h?q"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

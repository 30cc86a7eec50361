//! Who asks a listener as an API server or a kubelet does, and how long it takes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::hostile::Target;

/// Longer than any answer that somebody would still wait for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks one listener.
#[derive(Clone)]
pub(crate) struct Caller {
    url: String,
    target: Target,
    /// By which the listener is known, and who has signed that.
    tls: Option<(String, Vec<u8>)>,
    /// With connections that are kept; none where each question comes by a new one, from somebody new.
    client: Option<reqwest::Client>,
}

impl Caller {
    /// One that comes with a new connection each time, and without a TLS session to resume.
    pub(crate) fn stranger(target: Target, tls: Option<(String, Vec<u8>)>) -> Self {
        let port = target.address.port();
        let url = match &tls {
            Some((name, _)) => format!("https://{name}:{port}{}", target.path),
            None => format!("http://{}{}", target.address, target.path),
        };
        Self { url, target, tls, client: None }
    }

    /// The same, with connections that are kept.
    pub(crate) fn regular(self) -> Result<Self> {
        Ok(Self { client: Some(self.client(usize::MAX)?), ..self })
    }

    fn client(&self, idle: usize) -> Result<reqwest::Client> {
        let mut builder =
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(idle);
        if let Some((name, authority)) = &self.tls {
            let authority = reqwest::Certificate::from_pem(authority)?;
            builder = builder.tls_certs_only([authority]).resolve(name, self.target.address);
        }
        Ok(builder.build()?)
    }

    /// Puts a review of a Pod that needs the credential, and checks that the answer gives it. How long it took.
    ///
    /// # Errors
    /// There is no answer, or another one.
    pub(crate) async fn review(&self, review: &str) -> Result<Duration> {
        let client = self.client.clone().map_or_else(|| self.client(0), Ok)?;
        let request =
            client.post(&self.url).header("content-type", "application/json").body(review.to_owned());
        let start = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let took = start.elapsed();
        ensure!(status.is_success(), "the review was answered with {status}: {text}");
        let answer: Value = serde_json::from_str(&text).context("the answer is no JSON")?;
        let response = &answer["response"];
        ensure!(response["allowed"] == true, "the review was refused: {text}");
        ensure!(response["patch"].is_string(), "the review was answered without the reference: {text}");
        Ok(took)
    }

    /// Gets the path, as a probe does. How long it took.
    ///
    /// # Errors
    /// There is no answer, or it is no success.
    pub(crate) async fn get(&self) -> Result<Duration> {
        let client = self.client.clone().map_or_else(|| self.client(0), Ok)?;
        let start = Instant::now();
        let answer = client.get(&self.url).send().await?.error_for_status()?;
        answer.bytes().await?;
        Ok(start.elapsed())
    }
}

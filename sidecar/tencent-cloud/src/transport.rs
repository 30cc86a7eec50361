//! Functions for every HTTP exchange with the cloud.

use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::{DATE, HeaderValue};
use tcr::sensitive::SensitiveBytes;

use super::error::Failure;

/// More than the longest documented answer, 100 instances; a longer one is not accepted.
pub const LARGEST_ANSWER: usize = 1024 * 1024;

/// A failed exchange, with the cloud's time if the answer had it.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) date: Option<Timestamp>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, date: None }
    }
}

/// A whole body, unless it is too long. It may hold a credential.
pub(crate) async fn body(mut response: Response) -> Result<SensitiveBytes, Failure> {
    let mut answer = SensitiveBytes::default();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if answer.len() + chunk.len() > LARGEST_ANSWER {
            let reason = format!("the body is longer than {LARGEST_ANSWER} bytes");
            return Err(Failure::Unreadable { reason, request_id: None });
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// The time in the answer's `Date` header.
pub fn date(response: &Response) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::parse(response.headers().get(DATE)?.to_str().ok()?).ok()?;
    Some(date.timestamp())
}

/// Why there is no answer.
pub fn failure(error: &reqwest::Error) -> Failure {
    let reason = innermost(error);
    match error.is_connect() || error.is_builder() {
        true => Failure::Unreachable { reason },
        false => Failure::Interrupted { reason },
    }
}

/// The innermost error of a chain: the outer ones only say that a request failed.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A header whose value is no secret.
pub fn plain(value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value)
        .map_err(|_| Failure::Unreachable { reason: format!("{value:?} cannot be sent in a header") })
}

/// A header that no Debug output shows.
pub fn hidden(value: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(value).map_err(|_| Failure::Unreachable {
        reason: "the API credential cannot be sent in a header".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

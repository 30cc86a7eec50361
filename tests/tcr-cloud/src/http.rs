//! Requests and replies as values, apart from the network.

use std::time::Duration;

use crate::envelope::ApiError;

/// What arrived.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case, values as received.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The one value of a header. Which of several the gateway would take is nobody's guess.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(ApiError::invalid_parameter(format!("The header `{name}` is repeated."))),
        }
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// The Date header, by the double's clock: clients correct theirs by it.
    pub(crate) date: String,
    pub(crate) body: Vec<u8>,
    pub(crate) cut: Cut,
    /// To wait before it goes out.
    pub(crate) delay: Duration,
}

/// Where the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not.
    Never,
    /// Before anything was answered.
    BeforeReply,
    /// Within the body.
    WithinBody,
}

//! Services that are called for credentials.

use crate::endpoint::Endpoint;
use crate::metadata::Metadata;

/// What a source calls whose credential is not on this machine.
#[derive(Debug)]
pub(crate) struct Web {
    /// The client for the security token service.
    pub(crate) http: reqwest::Client,
    /// The endpoint of that service, unless it is the public one.
    pub(crate) sts: Option<Endpoint>,
    /// Instance metadata, if it may be asked.
    pub(crate) metadata: Option<Metadata>,
}

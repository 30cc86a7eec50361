//! Whose call it is, and what it may ask.

use std::sync::Arc;

use crate::host_capabilities::{Grants, HostCapabilities};

/// What a call needs to know besides the module.
pub(crate) struct Context {
    /// Names the policy in logs.
    pub(crate) name: Arc<str>,
    pub(crate) grants: Grants,
    pub(crate) capabilities: Arc<dyn HostCapabilities>,
}

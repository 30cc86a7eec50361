//! The caller's identity, and its grants.

use std::sync::Arc;

use crate::host_capabilities::{Grants, HostCapabilities};

/// The context of a call besides the module.
pub(crate) struct Context {
    /// Names the policy in logs.
    pub(crate) name: Arc<str>,
    pub(crate) grants: Grants,
    pub(crate) capabilities: Arc<dyn HostCapabilities>,
}

//! The policy as a waPC host calls it.

use kubewarden_policy_sdk::protocol_version_guest;
use wapc_guest::{CallResult, host_call, register_function};

use crate::cluster::Cluster;
use crate::{validate, validate_settings};

/// Registers the policy's operations. The host calls it once, before any operation.
#[expect(unsafe_code, reason = "waPC finds the guest's initialiser by its exported name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn wapc_init() {
    register_function("protocol_version", protocol_version_guest);
    register_function("validate_settings", |payload| Ok(validate_settings(payload)));
    register_function("validate", validate_for_host);
}

fn validate_for_host(payload: &[u8]) -> CallResult {
    Ok(validate(payload, &Host)?)
}

/// The cluster behind the waPC host.
struct Host;

impl Cluster for Host {
    fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        host_call("kubewarden", "kubernetes", operation, request).map_err(|error| {
            let cause = error.to_string();
            cause.strip_prefix("Host error: ").unwrap_or(&cause).to_owned()
        })
    }
}

//! The policy as a waPC host calls it.

use std::cell::Cell;

use kubewarden_policy_sdk::metadata::ProtocolVersion;
use wapc_guest::{CallResult, host_call, register_function};

use crate::cluster::Cluster;
use crate::{Prepared, sdk, validate_prepared, validate_settings};

/// Registers the policy's operations. The host calls it once, before any operation.
#[expect(unsafe_code, reason = "waPC finds the guest's initialiser by its exported name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn wapc_init() {
    register_function("protocol_version", |_| Ok(sdk::text(&ProtocolVersion::V1)));
    register_function("validate_settings", |payload| Ok(validate_settings(payload)));
    register_function("validate", validate_for_host);
    register_function("prepare_settings", prepare_for_host);
}

thread_local! {
    /// What `prepare_settings` was given.
    static PREPARED: Cell<Option<&'static Prepared>> = const { Cell::new(None) };
}

/// A host may call `prepare_settings` with the settings once, and make every instance from the
/// memory of this one. Requests without settings then mean these.
fn prepare_for_host(settings: &[u8]) -> CallResult {
    let prepared = Prepared::read(settings).map_err(|error| error.to_string())?;
    // For as long as the instance lives, or any that is made from it.
    PREPARED.set(Some(Box::leak(Box::new(prepared))));
    Ok(b"true".to_vec())
}

fn validate_for_host(payload: &[u8]) -> CallResult {
    // As text: the error's own Debug, which a boxed one has to have, is wasm that nobody calls.
    Ok(validate_prepared(payload, &Host, PREPARED.get()).map_err(|error| error.to_string())?)
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

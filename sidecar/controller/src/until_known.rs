//! Retries reads that the controller cannot begin without.

use std::time::Duration;

use kubernetes::api_error::ApiError;
use tcr::backoff::Backoff;

/// The wait between two tries.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));

/// Tries until it succeeds. `what` names the operation in the log.
pub(super) async fn until_known<T>(what: &str, once: impl AsyncFn() -> Result<T, ApiError>) -> T {
    let mut failures = 0;
    loop {
        match once().await {
            Ok(known) => return known,
            Err(error) => tracing::warn!(%error, "cannot {what}; trying again"),
        }
        tokio::time::sleep(RETRY.wait(failures)).await;
        failures = failures.saturating_add(1);
    }
}

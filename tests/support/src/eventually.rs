//! Waiting for a condition.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const PAUSE: Duration = Duration::from_millis(50);

/// Tries `condition` until it gives a value, and returns that.
/// `what` completes "timed out waiting for ...", and an error of the condition says why it does not hold yet.
///
/// ```no_run
/// # use std::time::Duration; use support::eventually; use anyhow::ensure;
/// # async fn ready() -> anyhow::Result<()> {
/// eventually("the file a", Duration::from_secs(5), async || {
///     ensure!(std::path::Path::new("a").exists(), "there is no file a");
///     Ok(())
/// }).await
/// # }
/// ```
///
/// # Errors
/// The condition did not hold within `timeout`: the message has its last reason.
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut last = anyhow!("the condition gave no answer");
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = reason,
            // Keeps the last answer: the one in flight is cut off.
            Err(_) => {}
        }
        if start.elapsed() >= timeout {
            return Err(anyhow!("timed out after {timeout:?} waiting for {what}: {last:#}"));
        }
        tokio::time::sleep(PAUSE.min(timeout.saturating_sub(start.elapsed()))).await;
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn returns_the_value_once_the_condition_holds() {
        let mut tries = 0;
        let value = eventually("three tries", Duration::from_secs(5), async || {
            tries += 1;
            ensure!(tries == 3, "{tries} tries");
            Ok(tries)
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_timeout_says_what_was_waited_for_and_why_in_vain() {
        let never = async || -> Result<()> { Err(anyhow!("no Secret in shop")) };
        let error = eventually("the Secret", Duration::from_millis(120), never).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out after 120ms waiting for the Secret: no Secret in shop");
    }

    #[tokio::test]
    async fn a_condition_that_hangs_is_cut_off() {
        let hangs = async || -> Result<()> { std::future::pending().await };
        let error = eventually("an answer", Duration::from_millis(50), hangs).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "timed out after 50ms waiting for an answer: the condition gave no answer"
        );
    }
}

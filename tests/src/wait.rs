//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

/// How often a condition is asked.
const POLL: Duration = Duration::from_millis(50);

/// Asks `condition` until it gives a value, at most for `limit`.
///
/// # Errors
/// After `limit`, with `what` and the last error the condition gave.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut condition: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + limit;
    let mut last = None;
    loop {
        match condition().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        if Instant::now() >= deadline {
            let seconds = limit.as_secs();
            return Err(match last {
                Some(error) => error.context(format!("gave up after {seconds} s waiting until {what}")),
                None => anyhow!("gave up after {seconds} s waiting until {what}"),
            });
        }
        sleep(POLL).await;
    }
}

//! Waiting for another program or task without a fixed sleep.

use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_mins(1);

/// Returns as soon as `condition` holds.
///
/// # Panics
/// When it does not within a minute: long enough for a busy machine, so that only a real fault ends here.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patient = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, patient).await;
    assert!(waited.is_ok(), "after {} s still not: {what}", LIMIT.as_secs());
}

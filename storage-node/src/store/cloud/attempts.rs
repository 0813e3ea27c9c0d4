//! Which requests are repeated, and when.

use std::time::{Duration, Instant};

use opendal::ErrorKind;
use tokio::time::sleep;

use super::error::CloudError;
use super::place::Patience;

/// The longest pause between repetitions that the provider did not ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Repetitions of one request.
pub(super) struct Attempts {
    /// Before the next one.
    pause: Duration,
    total: Duration,
    started: Instant,
}

impl Attempts {
    pub(super) fn new(Patience { pause, total }: Patience) -> Self {
        Self { pause, total, started: Instant::now() }
    }

    /// What came of it; none after a pause, if it is to be tried again.
    pub(super) async fn judge<T>(&mut self, result: opendal::Result<T>) -> Option<opendal::Result<T>> {
        let Err(error) = result else { return Some(result) };
        let found = CloudError::of(&error);
        let wait = match found {
            CloudError::Busy { retry_after: Some(wait) } => wait.max(self.pause),
            _ => self.pause,
        };
        let is_answer = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists
        );
        if is_answer || !found.is_temporary() || self.started.elapsed() + wait > self.total {
            return Some(Err(error));
        }
        tracing::debug!(error = %found, ?wait, "again");
        sleep(wait).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        None
    }
}

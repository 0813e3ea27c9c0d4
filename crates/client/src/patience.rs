//! Servers that are slow or away: from when on a second node is asked, and how long a transfer under way waits for
//! the coordinator.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use protocol::error::ErrorCode;

use crate::api::Client;
use crate::error::Error;

/// Waits between attempts to reach a coordinator that is away: the first, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How a client treats servers that do not answer as they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// No read of a node counts as late before.
    pub late_min: Duration,
    /// Of so many reads in a hundred, a second node is asked too when they are late.
    pub hedges_percent: u32,
    /// How long a transfer under way waits for a coordinator that is away.
    pub outage: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { late_min: Duration::from_millis(100), hedges_percent: 5, outage: Duration::from_hours(1) }
    }
}

impl Client {
    /// Makes the attempt again for as long as the coordinator is away, within bounds.
    pub(crate) async fn outlast<T, F: Future<Output = Result<T, Error>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error> {
        let until_ms = self.platform.now_ms().saturating_add(self.patience.outage.as_millis() as u64);
        let (mut wait, wait_max) = WAITS;
        let mut counted = None;
        loop {
            match attempt().await {
                Err(error) if error.is_outage() && self.platform.now_ms() < until_ms => {
                    tracing::warn!(%error, "waiting for the coordinator");
                    counted.get_or_insert_with(|| self.waits.count());
                    self.platform.sleep(wait).await;
                    wait = (wait * 2).min(wait_max);
                }
                done => return done,
            }
        }
    }
}

/// Counts what waits for the coordinator. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Waits(Rc<Cell<u32>>);

/// Counts as one while it lives, also if whoever waits is dropped.
struct Counted(Waits);

impl Waits {
    pub(crate) fn any(&self) -> bool {
        self.0.get() > 0
    }

    fn count(&self) -> Counted {
        self.0.set(self.0.get() + 1);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let count = &self.0.0;
        count.set(count.get() - 1);
    }
}

impl Error {
    /// Whether it says no more than that the coordinator is away, or cannot serve.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Network { .. } | Self::Api { code: ErrorCode::Unavailable, .. })
    }
}

//! How much more may be stored: what the operator allows, and what the account has.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::super::space::{Reserve, Space};
use super::{CloudLog, lock};

/// So long the provider's word counts.
const ACCOUNT_EVERY: Duration = Duration::from_mins(5);

/// What is known of the account.
#[derive(Debug, Default)]
pub(super) struct Room {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    asked: Option<Instant>,
    /// Bytes that the account may use, and those of others that it uses.
    account: Option<(u64, u64)>,
    /// A write failed for lack of room.
    full_at: Option<Instant>,
}

impl Room {
    /// For a while nothing more is taken.
    pub(super) fn set_full(&self) {
        let mut known = lock(&self.known);
        (known.full_at, known.asked) = (Some(Instant::now()), None);
    }

    pub(super) fn clear_full(&self) {
        lock(&self.known).full_at = None;
    }
}

impl CloudLog {
    /// Asks the provider from time to time; blocks.
    pub(super) fn learn_room(&self) {
        {
            let mut known = lock(&self.room.known);
            if known.asked.is_some_and(|asked| asked.elapsed() < ACCOUNT_EVERY) {
                return;
            }
            known.asked = Some(Instant::now());
        }
        match self.objects.space() {
            Ok(account) => {
                let own = self.used();
                lock(&self.room.known).account =
                    account.map(|(all, in_use)| (all, in_use.saturating_sub(own)));
            }
            Err(error) => tracing::warn!(%error, "the account's room is not known"),
        }
    }

    /// Room for packs, as far as it is known.
    pub(crate) fn space(&self, reserve: Reserve) -> Space {
        let used = self.used();
        let known = lock(&self.room.known);
        let allowed = self.objects.place().bytes_max;
        // What others put into the account is not this store's to fill.
        let capacity = known.account.map_or(allowed, |(all, others)| allowed.min(all.saturating_sub(others)));
        let is_full = known.full_at.is_some_and(|at| at.elapsed() < ACCOUNT_EVERY);
        let free = if is_full { 0 } else { capacity.saturating_sub(used) };
        Space::within(capacity, free, reserve)
    }

    fn used(&self) -> u64 {
        lock(&self.packs).values().sum::<u64>() + lock(&self.trash).values().sum::<u64>()
    }
}

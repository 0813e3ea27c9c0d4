//! How many bytes each grant has moved. A grant may be used again after a failure, but not for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use protocol::grant::Grant;
use protocol::id::GrantId;
use protocol::limits::CLOCK_SKEW_SECONDS;

/// Why a use of a grant is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BudgetError {
    /// The grant's bytes are used up.
    Spent,
    /// Too many grants are in use to remember another.
    Crowded,
}

/// The uses of all grants in force.
#[derive(Debug)]
pub(crate) struct Budgets {
    /// How many times a grant's bytes may be moved.
    times: u64,
    grants_max: usize,
    used: Mutex<HashMap<GrantId, Used>>,
}

#[derive(Debug)]
struct Used {
    bytes: u64,
    /// Unix seconds from which on the grant is refused by its time.
    forget_at: u64,
}

impl Budgets {
    pub(crate) fn new(times: u64, grants_max: usize) -> Self {
        Self { times, grants_max, used: Mutex::default() }
    }

    /// Counts bytes that are about to be moved.
    pub(crate) fn charge(&self, grant: &Grant, bytes: u64, now_s: u64) -> Result<(), BudgetError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= self.grants_max && !used.contains_key(&grant.jti) {
            used.retain(|_, used| used.forget_at > now_s);
            if used.len() >= self.grants_max {
                return Err(BudgetError::Crowded);
            }
        }
        let forget_at = grant.exp.saturating_add(CLOCK_SKEW_SECONDS);
        let entry = used.entry(grant.jti).or_insert(Used { bytes: 0, forget_at });
        let total = entry.bytes.saturating_add(bytes);
        if total > grant.bytes.saturating_mul(self.times) {
            return Err(BudgetError::Spent);
        }
        entry.bytes = total;
        Ok(())
    }
}

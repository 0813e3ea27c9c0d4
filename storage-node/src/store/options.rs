//! How a store works.

use std::time::Duration;

use super::space::Reserve;
use super::writer::GroupLimits;

/// How a store works; the defaults are for real disks.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// A pack is preallocated to this size and gets no more records from there on.
    pub pack_bytes: u64,
    /// When a group is written.
    pub group: GroupLimits,
    /// The longest time between checkpoints of the index.
    pub checkpoint_every: Duration,
    /// What writes leave free.
    pub reserve: Reserve,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pack_bytes: 256 << 20,
            group: GroupLimits { bytes: 8 << 20, wait: Duration::from_millis(2) },
            checkpoint_every: Duration::from_secs(10),
            reserve: Reserve::default(),
        }
    }
}

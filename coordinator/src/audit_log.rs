//! How long what concerns security is remembered.

use std::time::Duration;

use clap::Args;

use crate::upkeep::seconds;

/// Bounds of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct AuditLogBounds {
    /// Seconds for which the audit log remembers what happened.
    #[arg(long, env = "TRIPLICATE_AUDIT_LOG_KEEP", value_name = "SECONDS", value_parser = seconds,
          default_value = "31536000")]
    pub audit_log_keep: Duration,
    /// Entries of the audit log, beyond which the oldest go earlier.
    #[arg(long, env = "TRIPLICATE_AUDIT_LOG_ENTRIES", value_name = "COUNT", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub audit_log_entries: u64,
    /// Seconds between two looks for entries that are too old.
    #[arg(long, env = "TRIPLICATE_AUDIT_LOG_EVERY", value_name = "SECONDS", value_parser = seconds,
          default_value = "3600")]
    pub audit_log_every: Duration,
}

impl Default for AuditLogBounds {
    fn default() -> Self {
        Self {
            audit_log_keep: Duration::from_hours(365 * 24),
            audit_log_entries: 1_000_000,
            audit_log_every: Duration::from_hours(1),
        }
    }
}

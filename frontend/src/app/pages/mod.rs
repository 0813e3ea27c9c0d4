//! One module per page.

pub(super) mod audit_log;
pub(super) mod devices;
pub(super) mod files;
pub(super) mod folders;
pub(super) mod insecure;
pub(super) mod nodes;
pub(super) mod overview;
pub(super) mod setup;
pub(super) mod sign_in;
pub(super) mod snapshots;
pub(super) mod users;

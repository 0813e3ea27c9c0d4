//! The agent: watches folders and backs them up as they change.
//!
//! [`scan`] knows what lies in a folder now, [`index`] what the newest snapshot holds, [`watch`] what may have changed
//! meanwhile; [`engine`] makes snapshots of the difference.

pub mod config;
pub mod engine;
pub mod index;
pub mod keys;
pub mod platform;
pub mod scan;
pub mod state;
pub mod watch;

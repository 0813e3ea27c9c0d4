//! The agent: watches folders and backs them up as they change.
//!
//! [`scan`] knows what lies in a folder now, [`index`] what the newest snapshot holds, [`watch`] what may have changed
//! meanwhile; [`engine`] makes snapshots of the difference.

pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod engine;
pub mod exit;
pub mod index;
mod keyring;
pub mod keys;
mod native_path;
mod observe;
pub mod output;
pub mod platform;
pub mod report;
pub mod restore;
pub mod scan;
pub mod state;
pub mod text;
pub mod time;
pub mod watch;

//! The web app, two programs of one package: `app` shows pages, `worker` holds the keys and does the work.
//!
//! What can be decided without a browser stands in the modules here as plain data and pure functions, tested
//! natively: the messages between the two, the state of transfers, and how sizes, times and safety are said in plain
//! words. These must not know the DOM, the network, keys or the clock. Browser code is in `app` and in `worker`, which
//! do not know each other.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "JavaScript's numbers are f64: sizes and times here are positive and below 2^53"
)]

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod worker;

pub mod audit_log;
pub mod copies;
pub mod device;
pub mod drop_list;
pub mod estimate;
pub mod failure;
pub mod folder;
pub mod folder_form;
pub mod message;
pub mod order;
pub mod outcome;
pub mod passphrase;
pub mod policy;
pub mod purge;
pub mod qr;
pub mod quota;
pub mod retention_form;
pub mod source;
pub mod spot;
pub mod timeline;
pub mod transfer;
pub mod vanished;
pub mod visited;
pub mod words;

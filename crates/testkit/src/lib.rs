//! What the tests of several crates need: a database each, programs of this workspace as real processes,
//! and patience. A dev-dependency only; it knows no protocol and no business rule.

pub mod authority;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod dropbox;
mod http;
pub mod long;
pub mod network;
pub mod postgres;
mod private;
pub mod program;
pub mod prometheus;
pub mod proxy;
pub mod s3;
pub mod tools;
mod wait;

pub use authority::Authority;
pub use http::http;
pub use private::write_private;
pub use supervise::{
    net::{free_port, free_ports},
    process::{Process, Signal},
};
pub use tempfile::{TempDir, tempdir};
pub use wait::wait_until;

//! Keys, the two envelopes SEAL and DSEAL, and signatures: everything that needs a secret.
//!
//! Raw ciphers stay private in `hazmat`; what is public binds each envelope to the one kind of key and context it
//! belongs to. The crate does no IO and has no clock, thread or random source of its own: random bytes are parameters.
//! It builds for wasm32 and natively, and both give the same bytes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod account;
pub mod backend;
pub mod blob;
pub mod commit;
pub mod device;
pub mod enrolment;
pub mod error;
pub mod padding;
pub mod password;
pub mod recovery;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod vault;

mod base32;
mod cbor;
mod hazmat;

pub use backend::Backend;
#[cfg(not(target_arch = "wasm32"))]
pub use backend::compute;
pub use error::{OpenError, PlatformError};
pub use secret::{Salt, Secret};

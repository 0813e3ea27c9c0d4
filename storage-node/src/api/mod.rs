//! The handlers, a file for each kind of request.

pub(crate) mod batch;
pub(crate) mod blobs;
pub(crate) mod health;
pub(crate) mod maintenance;
pub(crate) mod pull;
mod request;

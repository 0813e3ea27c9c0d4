//! What the coordinator does by itself.

pub mod watch_nodes;

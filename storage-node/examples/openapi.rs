//! Prints the description of the node's interface: `cargo run --package storage-node --example openapi`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(storage_node::openapi::description().as_bytes())
}

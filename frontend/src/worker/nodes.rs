//! What the operator wants of storage nodes.

use protocol::nodes::RemovalResponse;

use super::desk::Desk;
use super::failure;
use crate::failure::Failure;
use crate::message::{DrainNode, PreviewRemoval, RemoveNode};

pub(super) async fn drain(desk: &Desk, ask: DrainNode) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.drain_node(ask.node, ask.drain).await.map_err(|error| failure::told(&error))
}

pub(super) async fn preview_removal(desk: &Desk, ask: PreviewRemoval) -> Result<RemovalResponse, Failure> {
    let account = desk.opened()?.account;
    account.preview_removal(ask.node).await.map_err(|error| failure::told(&error))
}

pub(super) async fn remove(desk: &Desk, ask: RemoveNode) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.remove_node(ask.node, ask.force).await.map_err(|error| failure::told(&error))
}

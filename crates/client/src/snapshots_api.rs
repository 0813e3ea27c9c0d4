//! Calls to the coordinator about which snapshots are kept: one function per route.

use std::fmt::Display;

use protocol::id::{SourceId, VaultId};
use protocol::routes::coordinator as routes;
use protocol::snapshots::{RetentionPolicy, RetentionPreview, RetentionResponse, SnapshotsResponse};

use crate::api::Client;
use crate::error::Error;

impl Client {
    pub(crate) async fn snapshots(&self, vault: VaultId) -> Result<SnapshotsResponse, Error> {
        self.get(routes::SNAPSHOTS, &[&vault]).await
    }

    pub(crate) async fn retention(
        &self,
        vault: VaultId,
        source: SourceId,
    ) -> Result<RetentionResponse, Error> {
        self.get(routes::RETENTION, &[&vault, &source]).await
    }

    pub(crate) async fn put_retention(
        &self,
        vault: VaultId,
        source: SourceId,
        policy: &RetentionPolicy,
    ) -> Result<(), Error> {
        let values: [&dyn Display; 2] = [&vault, &source];
        self.command(routes::PUT_RETENTION, &values, policy).await
    }

    pub(crate) async fn preview_retention(
        &self,
        vault: VaultId,
        source: SourceId,
        policy: &RetentionPolicy,
    ) -> Result<RetentionPreview, Error> {
        self.repeat(routes::PREVIEW_RETENTION, &[&vault, &source], policy).await
    }
}

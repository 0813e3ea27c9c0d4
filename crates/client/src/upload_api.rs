//! Calls to the coordinator about blobs and uploads: one function per route.

use protocol::blob_list::{SizedBlob, pack_ids, pack_sized};
use protocol::blobs::{LocateRequest, LocateResponse};
use protocol::bytes::Base64;
use protocol::id::{BlobId, IdempotencyKey, UploadId, VaultId};
use protocol::purge;
use protocol::routes::coordinator as routes;
use protocol::uploads::{
    CommitResponse, CommitUploadRequest, OpenUploadRequest, OpenUploadResponse, PlanRequest, PlanResponse,
    ReceiptsRequest, ReceiptsResponse,
};

use crate::api::{Body, Client, TIMEOUT};
use crate::error::Error;

impl Client {
    pub(crate) async fn locate(&self, vault: VaultId, ids: &[BlobId]) -> Result<LocateResponse, Error> {
        self.repeat(routes::LOCATE, &[&vault], &LocateRequest { blobs: pack_ids(ids) }).await
    }

    /// With `removes`, what is committed only deletes, so that an account that is full may.
    pub(crate) async fn open_upload(
        &self,
        vault: VaultId,
        key: IdempotencyKey,
        removes: bool,
    ) -> Result<OpenUploadResponse, Error> {
        self.repeat(routes::OPEN_UPLOAD, &[&vault], &OpenUploadRequest { key, removes }).await
    }

    /// With `again`, all of them get groups: they could not be read back.
    pub(crate) async fn plan(
        &self,
        upload: UploadId,
        blobs: &[SizedBlob],
        again: bool,
    ) -> Result<PlanResponse, Error> {
        self.repeat(routes::PLAN, &[&upload], &PlanRequest { blobs: pack_sized(blobs), again }).await
    }

    pub(crate) async fn receipts(
        &self,
        upload: UploadId,
        receipts: &[Base64],
    ) -> Result<ReceiptsResponse, Error> {
        let request = ReceiptsRequest { receipts: receipts.to_vec() };
        self.repeat(routes::RECEIPTS, &[&upload], &request).await
    }

    pub(crate) async fn stage_references(
        &self,
        upload: UploadId,
        page: u32,
        packed: &[u8],
    ) -> Result<(), Error> {
        let url = self.url(routes::REFS, &[&upload, &page]);
        self.retry(|| self.send(self.request(routes::REFS, &url, Body::Octets(packed.to_vec())), TIMEOUT))
            .await
            .map(drop)
    }

    pub(crate) async fn stage_purge(
        &self,
        upload: UploadId,
        page: u32,
        blobs: &[BlobId],
    ) -> Result<(), Error> {
        let url = self.url(routes::STAGE_PURGE, &[&upload, &page]);
        let packed = purge::pack(blobs).0;
        self.retry(|| {
            self.send(self.request(routes::STAGE_PURGE, &url, Body::Octets(packed.clone())), TIMEOUT)
        })
        .await
        .map(drop)
    }

    pub(crate) async fn commit_upload(
        &self,
        upload: UploadId,
        request: &CommitUploadRequest,
    ) -> Result<CommitResponse, Error> {
        self.repeat(routes::COMMIT_UPLOAD, &[&upload], request).await
    }
}

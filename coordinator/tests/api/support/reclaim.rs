//! What an owner does to a vault's history, and an operator to garbage collection.

use std::process::Command;

use coordinator::random;
use protocol::blob_list::pack_ids;
use protocol::blobs::{LocateRequest, LocateResponse};
use protocol::bytes::Base64;
use protocol::commits::AppendCommitRequest;
use protocol::envelope::commit::Kind;
use protocol::id::{BlobId, IdempotencyKey, SourceId, UploadId};
use protocol::routes::coordinator as routes;
use protocol::snapshots::{SnapshotId, SnapshotsResponse};
use protocol::{purge, snapshots};
use reqwest::StatusCode;

use super::{Answer, Registered, Server, blob_id};

impl Registered {
    /// Signs that snapshots are kept no longer.
    pub(crate) async fn forget(&self, server: &Server, which: &[(SourceId, u64)]) -> Answer {
        let list: Vec<_> =
            which.iter().map(|(source, seq)| SnapshotId { source: *source, seq: *seq }).collect();
        let next = self.next(server).await;
        let envelope = self.digest_commit(Kind::Forget, next, snapshots::digest(&list));
        self.append_list(server, envelope, Some(snapshots::pack(&list))).await
    }

    /// Signs that blobs are deleted for good, by their numbers.
    pub(crate) async fn purge(&self, server: &Server, blobs: &[u16]) -> Answer {
        let list: Vec<_> = blobs.iter().map(|number| blob_id(*number)).collect();
        let next = self.next(server).await;
        let envelope = self.digest_commit(Kind::Purge, next, purge::digest(&list));
        self.append_list(server, envelope, Some(purge::pack(&list))).await
    }

    /// The same with the list staged in pages in an upload session, signed as if it were `signed`.
    pub(crate) async fn purge_staged(&self, server: &Server, pages: &[&[u16]], signed: &[u16]) -> Answer {
        let ids = |numbers: &[u16]| numbers.iter().map(|number| blob_id(*number)).collect::<Vec<_>>();
        let upload = self.open(server).await;
        for (page, numbers) in pages.iter().enumerate() {
            self.stage_purge(server, upload, page, &ids(numbers)).await.expect_status(StatusCode::NO_CONTENT);
        }
        let envelope = self.digest_commit(Kind::Purge, self.next(server).await, purge::digest(&ids(signed)));
        let key = random::id(IdempotencyKey::from_bytes);
        let staged = Some(upload);
        self.append_with(server, AppendCommitRequest { envelope: Base64(envelope), key, list: None, staged })
            .await
    }

    pub(crate) async fn stage_purge(
        &self,
        server: &Server,
        upload: UploadId,
        page: usize,
        ids: &[BlobId],
    ) -> Answer {
        Answer::read(self.call(server, routes::STAGE_PURGE, &[&upload, &page]).body(purge::pack(ids).0)).await
    }

    pub(crate) async fn snapshots(&self, server: &Server) -> SnapshotsResponse {
        self.get(server, routes::SNAPSHOTS, &[&self.vault]).await.json()
    }

    pub(crate) async fn locate(&self, server: &Server, blobs: &[BlobId]) -> LocateResponse {
        let body = LocateRequest { blobs: pack_ids(blobs) };
        self.send(server, routes::LOCATE, &[&self.vault], &body).await.json()
    }
}

impl Server {
    /// What `gc` answers to an operator, as JSON.
    pub(crate) async fn gc(&self, arguments: &[&str]) -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_triplicate-coordinator"));
        command.arg("gc").args(arguments).arg("--json").env("TRIPLICATE_DATABASE_URL", self.database_url());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

//! Somebody who may call: makes the requests that a client makes.

use coordinator::random;
use protocol::blob_list::{SizedBlob, pack_sized, unpack_stored};
use protocol::bytes::{Base64, Base64Array};
use protocol::commits::{AppendCommitRequest, split_envelopes};
use protocol::digest::sha256;
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::id::{BlobId, IdempotencyKey, SourceId, UploadId, VaultId};
use protocol::refs::{self, Reference};
use protocol::routes::{Route, coordinator as routes};
use protocol::sessions::StepUpRequest;
use protocol::uploads::{
    CommitResponse, CommitUploadRequest, OpenUploadRequest, OpenUploadResponse, PlanRequest, PlanResponse,
    ReceiptsRequest, ReceiptsResponse,
};
use reqwest::{RequestBuilder, StatusCode};
use serde::Serialize;

use super::{Answer, Node, Person, Server, references};

/// A person with an account, signed in.
pub(crate) struct Registered {
    pub(crate) person: Person,
    pub(crate) cookie: String,
    /// The header that says who calls.
    pub(crate) credentials: (&'static str, String),
}

impl std::ops::Deref for Registered {
    type Target = Person;
    fn deref(&self) -> &Person {
        &self.person
    }
}

impl Registered {
    /// A request of this person's.
    pub(crate) fn call(
        &self,
        server: &Server,
        route: Route,
        values: &[&dyn std::fmt::Display],
    ) -> RequestBuilder {
        let (name, value) = &self.credentials;
        server.call(route, values).header(*name, value).header("x-triplicate", "1")
    }

    pub(crate) async fn get(
        &self,
        server: &Server,
        route: Route,
        values: &[&dyn std::fmt::Display],
    ) -> Answer {
        Answer::read(self.call(server, route, values)).await
    }

    pub(crate) async fn send(
        &self,
        server: &Server,
        route: Route,
        values: &[&dyn std::fmt::Display],
        body: &impl Serialize,
    ) -> Answer {
        Answer::read(self.call(server, route, values).json(body)).await
    }

    /// Proves the passphrase once more.
    pub(crate) async fn step_up(&self, server: &Server, auth_key: [u8; 32]) -> Answer {
        let body = StepUpRequest { auth_key: Base64Array(auth_key) };
        self.send(server, routes::STEP_UP, &[], &body).await
    }

    /// The number and hash that the next commit of the caller's vault names.
    pub(crate) async fn next(&self, server: &Server) -> (u64, [u8; 32]) {
        let log = self.read_log(server, &self.vault, 0).await.expect_status(StatusCode::OK);
        let log = split_envelopes(&log.body).unwrap();
        (log.len() as u64, log.last().map_or([0; 32], |newest| sha256(&[newest])))
    }

    /// Envelopes of a vault from a number on, packed.
    pub(crate) async fn read_log(&self, server: &Server, vault: &VaultId, from: u64) -> Answer {
        let path = format!("{}?from={from}", routes::COMMITS.fill(&[vault]));
        let (name, value) = &self.credentials;
        Answer::read(server.get(&path).header(*name, value)).await
    }

    /// Adds a commit about a source, on top of the vault's head.
    pub(crate) async fn append(&self, server: &Server, kind: Kind, source: SourceId) -> Answer {
        let envelope = self.commit(kind, Some(source), self.next(server).await, &[]);
        self.append_settings(server, envelope).await
    }

    pub(crate) async fn append_settings(&self, server: &Server, envelope: Vec<u8>) -> Answer {
        self.append_list(server, envelope, None).await
    }

    pub(crate) async fn append_list(
        &self,
        server: &Server,
        envelope: Vec<u8>,
        list: Option<Base64>,
    ) -> Answer {
        let key = random::id(IdempotencyKey::from_bytes);
        self.append_with(server, AppendCommitRequest { envelope: Base64(envelope), key, list, staged: None })
            .await
    }

    pub(crate) async fn append_with(&self, server: &Server, body: AppendCommitRequest) -> Answer {
        self.send(server, routes::APPEND_COMMIT, &[&self.vault], &body).await
    }

    pub(crate) async fn open(&self, server: &Server) -> UploadId {
        self.open_for(server, false).await
    }

    /// A session that deletes, or one that need not.
    pub(crate) async fn open_for(&self, server: &Server, removes: bool) -> UploadId {
        let body = OpenUploadRequest { key: random::id(IdempotencyKey::from_bytes), removes };
        let opened: OpenUploadResponse =
            self.send(server, routes::OPEN_UPLOAD, &[&self.vault], &body).await.json();
        opened.upload
    }

    pub(crate) async fn try_plan(&self, server: &Server, upload: UploadId, blobs: &[BlobId]) -> Answer {
        let blobs: Vec<_> = blobs.iter().map(|id| SizedBlob { id: *id, size: 4160 }).collect();
        self.send(server, routes::PLAN, &[&upload], &PlanRequest { blobs: pack_sized(&blobs), again: false })
            .await
    }

    pub(crate) async fn plan(&self, server: &Server, upload: UploadId, blobs: &[BlobId]) -> PlanResponse {
        self.try_plan(server, upload, blobs).await.json()
    }

    pub(crate) async fn hand_in(
        &self,
        server: &Server,
        upload: UploadId,
        receipts: Vec<Base64>,
    ) -> ReceiptsResponse {
        self.send(server, routes::RECEIPTS, &[&upload], &ReceiptsRequest { receipts }).await.json()
    }

    /// Plans blobs, has each target's node sign for them, and hands the receipts in.
    pub(crate) async fn store(&self, server: &Server, upload: UploadId, nodes: &[Node], blobs: &[BlobId]) {
        let plan = self.plan(server, upload, blobs).await;
        let mut receipts = Vec::new();
        for group in &plan.groups {
            let stored = unpack_stored(&group.blobs).unwrap();
            for target in &group.targets {
                let node = nodes.iter().find(|node| node.id == target.node).unwrap();
                receipts.push(node.receipt(server, &target.grant, &stored).issue(&node.key));
            }
        }
        if !receipts.is_empty() {
            let answer = self.hand_in(server, upload, receipts).await;
            assert_eq!(answer.refused, []);
        }
    }

    pub(crate) async fn stage(
        &self,
        server: &Server,
        upload: UploadId,
        page: u32,
        references: &[Reference],
    ) -> Answer {
        Answer::read(self.call(server, routes::REFS, &[&upload, &page]).body(refs::pack(references))).await
    }

    pub(crate) async fn commit_envelope(
        &self,
        server: &Server,
        upload: UploadId,
        envelope: Vec<u8>,
    ) -> Answer {
        let key = random::id(IdempotencyKey::from_bytes);
        let body = CommitUploadRequest { envelope: Base64(envelope), key };
        self.send(server, routes::COMMIT_UPLOAD, &[&upload], &body).await
    }

    /// Stages one page and commits it on top of the vault's head.
    pub(crate) async fn try_commit(
        &self,
        server: &Server,
        upload: UploadId,
        flags: SnapshotFlags,
        references: &[Reference],
    ) -> Answer {
        if !references.is_empty() {
            self.stage(server, upload, 0, references).await.expect_status(StatusCode::NO_CONTENT);
        }
        let (seq, prev) = self.next(server).await;
        self.commit_envelope(server, upload, self.snapshot(seq, prev, flags, references)).await
    }

    /// A whole backup: what is added is stored on the nodes first.
    pub(crate) async fn back_up(
        &self,
        server: &Server,
        nodes: &[Node],
        changes: &[(u16, i32)],
    ) -> CommitResponse {
        let upload = self.open(server).await;
        let references = references(changes);
        let added: Vec<_> = references.iter().filter(|r| r.delta > 0).map(|r| r.blob).collect();
        if !added.is_empty() {
            self.store(server, upload, nodes, &added).await;
        }
        self.try_commit(server, upload, SnapshotFlags::default(), &references).await.json()
    }
}

//! Somebody with keys: makes the envelopes that a client makes. Seals are opaque to the coordinator, so any bytes
//! of their shape will do.

use coordinator::random;
use protocol::accounts::{NewVault, RegisterRequest};
use protocol::blob_list::{SizedBlob, pack_sized, unpack_stored};
use protocol::bytes::{Base64, Base64Array};
use protocol::commits::AppendCommitRequest;
use protocol::digest::sha256;
use protocol::envelope::account_state::{self, AccountStateBody, KdfParameters, VaultKeyRow};
use protocol::envelope::commit::{self, CommitHead, Kind, SnapshotFlags};
use protocol::id::{AccountId, BlobId, IdempotencyKey, SourceId, UploadId, VaultId};
use protocol::refs::{self, Reference};
use protocol::routes::{Route, coordinator as routes};
use protocol::sessions::LoginRequest;
use protocol::signature::{PublicKey, SigningKey};
use protocol::uploads::{
    CommitResponse, CommitUploadRequest, OpenUploadRequest, OpenUploadResponse, PlanRequest, PlanResponse,
    ReceiptsRequest, ReceiptsResponse,
};
use reqwest::{RequestBuilder, StatusCode};
use serde::Serialize;

use super::{Answer, Node, Server};

/// The shape of a SEAL: the epoch stands at its place, the rest is noise.
pub(crate) fn seal(epoch: u32) -> Vec<u8> {
    let mut bytes = b"TPLS\x01\x01\x03\0".to_vec();
    bytes.extend(epoch.to_be_bytes());
    bytes.extend(random::bytes::<120>());
    bytes
}

/// A blob's id by a number; ascending.
pub(crate) fn blob_id(number: u16) -> BlobId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    BlobId::from_bytes(bytes).unwrap()
}

/// A person and their keys.
pub(crate) struct Person {
    pub(crate) login: String,
    pub(crate) account: AccountId,
    pub(crate) vault: VaultId,
    pub(crate) source: SourceId,
    pub(crate) identity: SigningKey,
    pub(crate) auth_key: [u8; 32],
    pub(crate) state_body: AccountStateBody,
    /// The account state that commits name.
    pub(crate) account_state_seq: u64,
    recovery_wrap: Vec<u8>,
}

impl Person {
    pub(crate) fn new(login: &str) -> Self {
        let vault = random::id(VaultId::from_bytes);
        let recovery_wrap = seal(0);
        let state_body = AccountStateBody {
            certificates: Vec::new(),
            revoked: Vec::new(),
            vault_keys: vec![VaultKeyRow { vault, epoch: 1, digest: random::bytes() }],
            kdf: KdfParameters { kdf_id: 1, iterations: 600_000, account_salt: random::bytes() },
            recovery_wrap_hash: sha256(&[&recovery_wrap]),
            extensions: Vec::new(),
        };
        Self {
            login: login.into(),
            account: random::id(AccountId::from_bytes),
            vault,
            source: random::id(SourceId::from_bytes),
            identity: SigningKey::from_bytes(&random::bytes()),
            auth_key: random::bytes(),
            state_body,
            account_state_seq: 0,
            recovery_wrap,
        }
    }

    pub(crate) fn first_state(&self) -> Vec<u8> {
        account_state::issue(&self.identity, self.account, 0, &[0; 32], &self.state_body)
    }

    /// Settings with this place in the vault's chain.
    pub(crate) fn settings(&self, seq: u64, prev: [u8; 32]) -> Vec<u8> {
        let head = CommitHead {
            kind: Kind::Settings,
            vault: self.vault,
            source: None,
            seq,
            prev,
            device: None,
            digest: refs::digest(&[]),
            account_state_seq: self.account_state_seq,
        };
        commit::issue(&self.identity, &head, &seal(1))
    }

    /// A snapshot of the person's source with this place in the vault's chain.
    pub(crate) fn snapshot(
        &self,
        seq: u64,
        prev: [u8; 32],
        flags: SnapshotFlags,
        references: &[Reference],
    ) -> Vec<u8> {
        self.snapshot_of(self.source, (seq, prev), flags, references)
    }

    /// A snapshot of any source.
    pub(crate) fn snapshot_of(
        &self,
        source: SourceId,
        (seq, prev): (u64, [u8; 32]),
        flags: SnapshotFlags,
        references: &[Reference],
    ) -> Vec<u8> {
        let head = CommitHead {
            kind: Kind::Snapshot(flags),
            vault: self.vault,
            source: Some(source),
            seq,
            prev,
            device: None,
            digest: refs::digest(references),
            account_state_seq: self.account_state_seq,
        };
        commit::issue(&self.identity, &head, &seal(1))
    }

    pub(crate) fn registration(&self, setup_token: Option<String>) -> RegisterRequest {
        let kdf = &self.state_body.kdf;
        RegisterRequest {
            setup_token,
            account: self.account,
            login: self.login.clone(),
            account_salt: Base64Array(kdf.account_salt),
            kdf_id: kdf.kdf_id,
            iterations: kdf.iterations,
            auth_key: Base64Array(self.auth_key),
            recovery_auth: Base64Array(random::bytes()),
            password_wrap: Base64(b"password wrap ".repeat(10)),
            recovery_wrap: Base64(self.recovery_wrap.clone()),
            recovery_key_wrap: Base64(seal(0)),
            identity: PublicKey::of(&self.identity),
            account_state: Base64(self.first_state()),
            vault: NewVault {
                vault: self.vault,
                key_wrap: Base64(seal(1)),
                genesis: Base64(self.settings(0, [0; 32])),
            },
        }
    }

    pub(crate) fn login_request(&self) -> LoginRequest {
        LoginRequest { login: self.login.clone(), auth_key: Base64Array(self.auth_key) }
    }

    pub(crate) async fn sign_in(self, server: &Server) -> Registered {
        let request = server.call(routes::LOGIN, &[]).header("x-triplicate", "1").json(&self.login_request());
        let answer = Answer::read(request).await.expect_status(StatusCode::OK);
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Registered { person: self, cookie }
    }
}

/// A person with an account, signed in.
pub(crate) struct Registered {
    pub(crate) person: Person,
    pub(crate) cookie: String,
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
        server.call(route, values).header("cookie", &self.cookie).header("x-triplicate", "1")
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

    /// The head of the person's vault: the number and hash that the next commit names.
    pub(crate) async fn next(&self, server: &Server) -> (u64, [u8; 32]) {
        let vaults: protocol::vaults::VaultsResponse = self.get(server, routes::VAULTS, &[]).await.json();
        let entry = vaults.vaults.iter().find(|entry| entry.vault == self.vault).unwrap();
        (entry.head_seq + 1, entry.head_hash.0)
    }

    /// Envelopes of a vault from a number on, packed.
    pub(crate) async fn read_log(&self, server: &Server, vault: &VaultId, from: u64) -> Answer {
        let path = format!("{}?from={from}", routes::COMMITS.fill(&[vault]));
        Answer::read(server.get(&path).header("cookie", &self.cookie)).await
    }

    pub(crate) async fn append_settings(&self, server: &Server, envelope: Vec<u8>) -> Answer {
        let key = random::id(IdempotencyKey::from_bytes);
        let body = AppendCommitRequest { envelope: Base64(envelope), key };
        self.send(server, routes::APPEND_COMMIT, &[&self.vault], &body).await
    }

    pub(crate) async fn open(&self, server: &Server) -> UploadId {
        let body = OpenUploadRequest { key: random::id(IdempotencyKey::from_bytes) };
        let opened: OpenUploadResponse =
            self.send(server, routes::OPEN_UPLOAD, &[&self.vault], &body).await.json();
        opened.upload
    }

    pub(crate) async fn try_plan(&self, server: &Server, upload: UploadId, blobs: &[BlobId]) -> Answer {
        let blobs: Vec<_> = blobs.iter().map(|id| SizedBlob { id: *id, size: 4160 }).collect();
        self.send(server, routes::PLAN, &[&upload], &PlanRequest { blobs: pack_sized(&blobs) }).await
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

/// References by blob numbers.
pub(crate) fn references(changes: &[(u16, i32)]) -> Vec<Reference> {
    changes.iter().map(|(number, delta)| Reference { blob: blob_id(*number), delta: *delta }).collect()
}

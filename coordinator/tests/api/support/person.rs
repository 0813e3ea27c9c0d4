//! Somebody with keys: makes the envelopes that a client makes. Seals are opaque to the coordinator, so any bytes
//! of their shape will do.

use coordinator::random;
use protocol::accounts::{NewVault, RegisterRequest};
use protocol::bytes::{Base64, Base64Array};
use protocol::digest::sha256;
use protocol::envelope::account_state::{self, AccountStateBody, KdfParameters, VaultKeyRow};
use protocol::envelope::commit::{self, CommitHead, Kind, SnapshotFlags};
use protocol::id::{AccountId, BlobId, DeviceId, SourceId, VaultId};
use protocol::refs::{self, Reference};
use protocol::routes::coordinator as routes;
use protocol::sessions::LoginRequest;
use protocol::signature::{PublicKey, SigningKey};
use reqwest::StatusCode;

use super::{Answer, Registered, Server};

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
    /// Signs commits: the account's identity, or the device's own key.
    pub(crate) identity: SigningKey,
    /// The device whose key that is.
    pub(crate) device: Option<DeviceId>,
    pub(crate) auth_key: [u8; 32],
    pub(crate) state_body: AccountStateBody,
    /// The account state that commits name.
    pub(crate) account_state_seq: u64,
    pub(crate) newest_state: Vec<u8>,
    pub(crate) recovery_wrap: Vec<u8>,
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
        let account = random::id(AccountId::from_bytes);
        let identity = SigningKey::from_bytes(&random::bytes());
        let newest_state = account_state::issue(&identity, account, 0, &[0; 32], &state_body);
        Self {
            login: login.into(),
            account,
            vault,
            source: random::id(SourceId::from_bytes),
            identity,
            device: None,
            newest_state,
            auth_key: random::bytes(),
            state_body,
            account_state_seq: 0,
            recovery_wrap,
        }
    }

    pub(crate) fn first_state(&self) -> Vec<u8> {
        account_state::issue(&self.identity, self.account, 0, &[0; 32], &self.state_body)
    }

    /// The account state that follows the newest.
    pub(crate) fn next_state(&self, body: &AccountStateBody) -> Vec<u8> {
        let prev = sha256(&[&self.newest_state]);
        account_state::issue(&self.identity, self.account, self.account_state_seq + 1, &prev, body)
    }

    /// Goes on from a state that the server took.
    pub(crate) fn adopt(&mut self, state: Vec<u8>, body: AccountStateBody) {
        self.account_state_seq += 1;
        self.newest_state = state;
        self.state_body = body;
    }

    /// Settings with this place in the vault's chain.
    pub(crate) fn settings(&self, seq: u64, prev: [u8; 32]) -> Vec<u8> {
        self.commit(Kind::Settings, None, (seq, prev), &[])
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
        place: (u64, [u8; 32]),
        flags: SnapshotFlags,
        references: &[Reference],
    ) -> Vec<u8> {
        self.commit(Kind::Snapshot(flags), Some(source), place, references)
    }

    /// Any commit.
    pub(crate) fn commit(
        &self,
        kind: Kind,
        source: Option<SourceId>,
        place: (u64, [u8; 32]),
        references: &[Reference],
    ) -> Vec<u8> {
        self.commit_of(kind, source, place, refs::digest(references))
    }

    /// A commit about the whole vault with a list of its own beside it.
    pub(crate) fn digest_commit(&self, kind: Kind, place: (u64, [u8; 32]), digest: [u8; 32]) -> Vec<u8> {
        self.commit_of(kind, None, place, digest)
    }

    fn commit_of(
        &self,
        kind: Kind,
        source: Option<SourceId>,
        (seq, prev): (u64, [u8; 32]),
        digest: [u8; 32],
    ) -> Vec<u8> {
        let epochs = self.state_body.vault_keys.iter().filter(|row| row.vault == self.vault);
        let head = CommitHead {
            kind,
            vault: self.vault,
            source,
            seq,
            prev,
            device: self.device,
            digest,
            account_state_seq: self.account_state_seq,
        };
        commit::issue(&self.identity, &head, &seal(epochs.map(|row| row.epoch).max().unwrap_or(1)))
    }

    pub(crate) fn registration(&self, setup_token: Option<String>) -> RegisterRequest {
        let kdf = &self.state_body.kdf;
        RegisterRequest {
            setup_token,
            invitation: None,
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
        Registered { person: self, credentials: ("cookie", cookie.clone()), cookie }
    }
}

/// References by blob numbers.
pub(crate) fn references(changes: &[(u16, i32)]) -> Vec<Reference> {
    changes.iter().map(|(number, delta)| Reference { blob: blob_id(*number), delta: *delta }).collect()
}

//! Commits, `TPLC`: one signed, hash-chained log per vault. The body is sealed; the head, which the coordinator
//! enforces, is in clear.

use super::account_state::AccountState;
use super::device_certificate::Role;
use super::{EnvelopeError, EnvelopeHash, split_signature};
use crate::bytes::Reader;
use crate::digest::{length_prefixed, sha256};
use crate::id::{DeviceId, SourceId, VaultId};
use crate::limits::COMMIT_BYTES_MAX;
use crate::signature::{PublicKey, SigningKey, sign};

const MAGIC: [u8; 5] = *b"TPLC\x01";
const LABEL: &str = "sig/commit";
/// Bytes of the head: what the seal is bound to.
pub const HEAD_BYTES: usize = 136;
/// Where a SEAL keeps its key epoch, and the least length of one.
const SEAL_EPOCH_AT: usize = 8;
const SEAL_BYTES_MIN: usize = 92;

/// What a commit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A snapshot of one source; references are its increments, or with the baseline flag its absolute counts.
    Snapshot(SnapshotFlags),
    /// A source takes no more snapshots.
    SourceClosed,
    /// The settings of the whole vault.
    Settings,
    /// Snapshots are kept no longer.
    Forget,
    /// Blobs are deleted for good.
    Purge,
    /// The settings of one source.
    SourceSettings,
}

/// The flags of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotFlags {
    /// The references are absolute counts.
    pub baseline: bool,
    /// A first backup that is still under way.
    pub partial: bool,
}

impl Kind {
    fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Snapshot(flags) => [1, u8::from(flags.baseline) | u8::from(flags.partial) << 1],
            Self::SourceClosed => [2, 0],
            Self::Settings => [3, 0],
            Self::Forget => [4, 0],
            Self::Purge => [5, 0],
            Self::SourceSettings => [7, 0],
        }
    }

    fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        match bytes {
            [1, flags @ 0..=3] => {
                Some(Self::Snapshot(SnapshotFlags { baseline: flags & 1 != 0, partial: flags & 2 != 0 }))
            }
            [2, 0] => Some(Self::SourceClosed),
            [3, 0] => Some(Self::Settings),
            [4, 0] => Some(Self::Forget),
            [5, 0] => Some(Self::Purge),
            [7, 0] => Some(Self::SourceSettings),
            _ => None,
        }
    }
}

/// The clear part of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitHead {
    /// What it says.
    pub kind: Kind,
    /// The vault whose log it stands in.
    pub vault: VaultId,
    /// The source that it is about, unless it is about the whole vault.
    pub source: Option<SourceId>,
    /// Counts from 0 in the vault.
    pub seq: u64,
    /// Hash of the commit before, zeros at 0.
    pub prev: EnvelopeHash,
    /// Who signed: a device, or the identity key.
    pub device: Option<DeviceId>,
    /// Digest of the list in clear beside the envelope.
    pub digest: [u8; 32],
    /// The account state by which the signer may be judged.
    pub account_state_seq: u64,
}

impl CommitHead {
    /// The first 136 bytes of the envelope.
    pub fn to_bytes(&self) -> [u8; HEAD_BYTES] {
        let mut out = MAGIC.to_vec();
        out.extend(self.kind.to_bytes());
        out.push(0);
        out.extend(self.vault.as_bytes());
        out.extend(SourceId::to_field(self.source));
        out.extend(self.seq.to_be_bytes());
        out.extend(self.prev);
        out.extend(DeviceId::to_field(self.device));
        out.extend(self.digest);
        out.extend(self.account_state_seq.to_be_bytes());
        out.try_into().expect("the fields sum to the head's length")
    }

    fn parse(bytes: [u8; HEAD_BYTES]) -> Result<Self, EnvelopeError> {
        const ENOUGH: &str = "the head's length is fixed";
        let mut reader = Reader(&bytes);
        let [magic @ .., kind, flags, zero] = reader.array::<8>().expect(ENOUGH);
        if magic != MAGIC || zero != 0 {
            return Err(EnvelopeError::Malformed("not a commit of version 1"));
        }
        let head = Self {
            kind: Kind::from_bytes([kind, flags]).ok_or(EnvelopeError::Malformed("unknown kind or flags"))?,
            vault: VaultId::from_bytes(reader.array().expect(ENOUGH))?,
            source: SourceId::from_field(reader.array().expect(ENOUGH)),
            seq: reader.u64().expect(ENOUGH),
            prev: reader.array().expect(ENOUGH),
            device: DeviceId::from_field(reader.array().expect(ENOUGH)),
            digest: reader.array().expect(ENOUGH),
            account_state_seq: reader.u64().expect(ENOUGH),
        };
        head.check_rules()?;
        Ok(head)
    }

    /// The rules that need nothing but the head.
    fn check_rules(&self) -> Result<(), EnvelopeError> {
        let broken = match self.kind {
            Kind::Settings if self.source.is_some() => "settings name a source",
            Kind::Settings if self.seq == 0 && self.device.is_some() => "the first commit is the identity's",
            Kind::Forget | Kind::Purge if self.source.is_some() => "what forgets or purges names a source",
            Kind::Forget | Kind::Purge if self.device.is_some() => "only the identity forgets and purges",
            Kind::Snapshot(_) | Kind::SourceClosed | Kind::SourceSettings if self.source.is_none() => {
                "it names no source"
            }
            _ if self.seq == 0 && self.kind != Kind::Settings => {
                "the first commit of a vault is its settings"
            }
            _ if (self.seq == 0) != (self.prev == [0; 32]) => "only the first commit follows nothing",
            _ => return Ok(()),
        };
        Err(EnvelopeError::Rule(broken))
    }
}

/// Puts the envelope together and signs it. `sealed` is a SEAL of the body, bound to `head`.
pub fn issue(key: &SigningKey, head: &CommitHead, sealed: &[u8]) -> Vec<u8> {
    let mut out = head.to_bytes().to_vec();
    out.extend(length_prefixed(sealed));
    let signature = sign(key, LABEL, &out);
    out.extend(signature);
    out
}

/// A commit that was parsed. Who may have signed it is checked by [`CommitEnvelope::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEnvelope {
    /// The clear part.
    pub head: CommitHead,
    /// The sealed body.
    pub sealed: Vec<u8>,
    /// Hash of the envelope.
    pub hash: EnvelopeHash,
    bytes: Vec<u8>,
}

impl CommitEnvelope {
    /// # Errors
    /// [`EnvelopeError`] for anything that is not a commit of version 1.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, EnvelopeError> {
        const SHORT: EnvelopeError = EnvelopeError::Malformed("commit of another length");
        if bytes.len() > COMMIT_BYTES_MAX {
            return Err(EnvelopeError::Malformed("commit too large"));
        }
        let (unsigned, _) = split_signature(&bytes)?;
        let mut reader = Reader(unsigned);
        let head = CommitHead::parse(reader.array().ok_or(SHORT)?)?;
        let len = reader.u32().ok_or(SHORT)?;
        let sealed = reader.take(len as usize).ok_or(SHORT)?.to_vec();
        if !reader.is_empty() || sealed.len() < SEAL_BYTES_MIN {
            return Err(SHORT);
        }
        Ok(Self { head, sealed, hash: sha256(&[&bytes]), bytes })
    }

    /// The envelope's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Verifies the signer against the account state that the commit names: the device's certificate, role and
    /// vault, the key's epoch, and the signature.
    ///
    /// # Errors
    /// [`EnvelopeError`] naming what does not hold.
    pub fn verify(&self, state: &AccountState, identity: &PublicKey) -> Result<(), EnvelopeError> {
        if state.seq != self.head.account_state_seq {
            return Err(EnvelopeError::Rule("judged by another account state than it names"));
        }
        let key = match self.head.device {
            None => *identity,
            Some(device) => {
                let certificate = state
                    .device(&device)
                    .ok_or(EnvelopeError::Rule("the device is not in the account state"))?;
                if !certificate.vaults.contains(&self.head.vault) {
                    return Err(EnvelopeError::Rule("the vault is not the device's"));
                }
                match (certificate.role, self.head.kind) {
                    (Role::Full, _) | (Role::Append, Kind::Snapshot(_) | Kind::SourceSettings) => {
                        certificate.public_key
                    }
                    (Role::Append | Role::ReadOnly, _) => {
                        return Err(EnvelopeError::Rule("the device's role does not allow this"));
                    }
                }
            }
        };
        let epoch = state.newest_epoch(&self.head.vault);
        if epoch.is_none() || epoch != Some(self.key_epoch()) {
            return Err(EnvelopeError::Rule("not sealed under the vault's newest key"));
        }
        let (unsigned, signature) = split_signature(&self.bytes)?;
        Ok(key.verify(LABEL, unsigned, &signature)?)
    }

    /// The key epoch in the seal's header.
    pub fn key_epoch(&self) -> u32 {
        let field = self.sealed[SEAL_EPOCH_AT..].first_chunk().expect("a parsed commit holds a whole seal");
        u32::from_be_bytes(*field)
    }
}

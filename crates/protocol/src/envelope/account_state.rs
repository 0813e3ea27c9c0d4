//! Account states, `TPLA`: which devices, vaults and vault keys exist. Signed by the identity and hash-chained.
//!
//! What a server says that is not in the newest verified state does not exist.

use std::collections::BTreeSet;

use super::device_certificate::DeviceCertificate;
use super::{EnvelopeError, EnvelopeHash, split_signature};
use crate::bytes::Reader;
use crate::cbor::{CborError, Value};
use crate::digest::sha256;
use crate::id::{AccountId, DeviceId, VaultId};
use crate::limits::ACCOUNT_STATE_BYTES_MAX;
use crate::signature::{PublicKey, SigningKey, sign};

const MAGIC: [u8; 8] = *b"TPLA\x01\0\0\0";
const LABEL: &str = "sig/account-state";

/// One vault key that exists: `[vault, epoch, digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKeyRow {
    /// The vault.
    pub vault: VaultId,
    /// Counts from 1.
    pub epoch: u32,
    /// SHA-256 over the key and what it belongs to.
    pub digest: [u8; 32],
}

/// How the password becomes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdfParameters {
    /// 1 = PBKDF2-HMAC-SHA256.
    pub kdf_id: u8,
    /// Rounds.
    pub iterations: u32,
    /// Random, new with every password.
    pub account_salt: [u8; 32],
}

/// The content of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStateBody {
    /// The certificates in force, as signed bytes.
    pub certificates: Vec<Vec<u8>>,
    /// Devices that may never come back.
    pub revoked: Vec<DeviceId>,
    /// Every vault key that exists.
    pub vault_keys: Vec<VaultKeyRow>,
    /// How the password becomes a key.
    pub kdf: KdfParameters,
    /// SHA-256 of the account key wrapped under the recovery key.
    pub recovery_wrap_hash: [u8; 32],
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

/// A state that was parsed, and whose signature and inner rules hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// Whose state it is.
    pub account: AccountId,
    /// Counts from 0.
    pub seq: u64,
    /// Hash of the state before, zeros at 0.
    pub prev: EnvelopeHash,
    /// The content.
    pub body: AccountStateBody,
    /// Hash of this envelope.
    pub hash: EnvelopeHash,
    /// The certificates, parsed.
    pub devices: Vec<DeviceCertificate>,
}

/// Builds and signs the envelope of a state.
pub fn issue(
    identity: &SigningKey,
    account: AccountId,
    seq: u64,
    prev: &EnvelopeHash,
    body: &AccountStateBody,
) -> Vec<u8> {
    let body = body.encode();
    let mut out = MAGIC.to_vec();
    out.extend(account.as_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(prev);
    out.extend(crate::digest::length_prefixed(&body));
    let signature = sign(identity, LABEL, &out);
    out.extend(signature);
    out
}

impl AccountState {
    /// Parses a state, verifies the identity's signature on it and on every certificate, and checks its inner rules.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that the format does not allow.
    pub fn verify(bytes: &[u8], identity: &PublicKey) -> Result<Self, EnvelopeError> {
        const SHORT: EnvelopeError = EnvelopeError::Malformed("account state of another length");
        if bytes.len() > ACCOUNT_STATE_BYTES_MAX {
            return Err(EnvelopeError::Malformed("account state too large"));
        }
        let (unsigned, signature) = split_signature(bytes)?;
        identity.verify(LABEL, unsigned, &signature)?;
        let mut reader = Reader(unsigned);
        if reader.array::<8>() != Some(MAGIC) {
            return Err(EnvelopeError::Malformed("not an account state of version 1"));
        }
        let account = AccountId::from_bytes(reader.array().ok_or(SHORT)?)?;
        let seq = reader.u64().ok_or(SHORT)?;
        let prev = reader.array().ok_or(SHORT)?;
        let len = reader.u32().ok_or(SHORT)?;
        let body = AccountStateBody::decode(reader.take(len as usize).ok_or(SHORT)?)?;
        if !reader.is_empty() {
            return Err(SHORT);
        }
        let devices = body
            .certificates
            .iter()
            .map(|certificate| DeviceCertificate::verify(certificate, identity))
            .collect::<Result<Vec<_>, _>>()?;
        let state = Self { account, seq, prev, body, hash: sha256(&[bytes]), devices };
        state.check_rules()?;
        Ok(state)
    }

    /// Checks that this state may follow `previous`.
    ///
    /// # Errors
    /// [`EnvelopeError::Rule`] naming the rule that it breaks.
    pub fn check_follows(&self, previous: &Self) -> Result<(), EnvelopeError> {
        let kept_rows = |row| self.body.vault_keys.contains(row);
        let kept_revocations = |device| self.body.revoked.contains(device);
        let broken = if self.account != previous.account {
            "another account"
        } else if Some(self.seq) != previous.seq.checked_add(1) || self.prev != previous.hash {
            "not the next state of the chain"
        } else if !previous.body.vault_keys.iter().all(kept_rows) {
            "a vault key changed or disappeared"
        } else if !previous.body.revoked.iter().all(kept_revocations) {
            "a revoked device disappeared from the list"
        } else if self.body.kdf.iterations < previous.body.kdf.iterations {
            "the iterations fell"
        } else {
            return Ok(());
        };
        Err(EnvelopeError::Rule(broken))
    }

    /// The certificate of a device, if it is in force.
    pub fn device(&self, device: &DeviceId) -> Option<&DeviceCertificate> {
        self.devices.iter().find(|certificate| certificate.device == *device)
    }

    /// The newest epoch of a vault, if the vault exists.
    pub fn newest_epoch(&self, vault: &VaultId) -> Option<u32> {
        self.body.vault_keys.iter().filter(|row| row.vault == *vault).map(|row| row.epoch).max()
    }

    fn check_rules(&self) -> Result<(), EnvelopeError> {
        let mut devices = BTreeSet::new();
        let mut epochs = BTreeSet::new();
        if self.seq == 0 && self.prev != [0; 32] {
            return Err(EnvelopeError::Rule("the first state names a state before it"));
        }
        for device in &self.devices {
            if device.account != self.account {
                return Err(EnvelopeError::Rule("a certificate names another account"));
            }
            if !devices.insert(device.device) || self.body.revoked.contains(&device.device) {
                return Err(EnvelopeError::Rule("a device is listed twice or revoked"));
            }
        }
        for row in &self.body.vault_keys {
            if row.epoch == 0 || !epochs.insert((row.vault, row.epoch)) {
                return Err(EnvelopeError::Rule("a vault key is listed twice or has epoch 0"));
            }
        }
        // Epochs of a vault have no gap: the newest is also how many there are.
        if epochs.iter().any(|(vault, epoch)| *epoch > 1 && !epochs.contains(&(*vault, epoch - 1))) {
            return Err(EnvelopeError::Rule("a vault's epochs have a gap"));
        }
        Ok(())
    }
}

impl AccountStateBody {
    fn encode(&self) -> Vec<u8> {
        let row = |row: &VaultKeyRow| {
            Value::Array(vec![
                Value::bytes(row.vault.as_bytes()),
                Value::Uint(row.epoch.into()),
                Value::bytes(row.digest),
            ])
        };
        let kdf = &self.kdf;
        let mut entries = vec![
            (0, Value::Uint(1)),
            (1, Value::Array(self.certificates.iter().map(Value::bytes).collect())),
            (2, Value::Array(self.revoked.iter().map(|id| Value::bytes(id.as_bytes())).collect())),
            (3, Value::Array(self.vault_keys.iter().map(row).collect())),
            (
                4,
                Value::Array(vec![
                    Value::Uint(kdf.kdf_id.into()),
                    Value::Uint(kdf.iterations.into()),
                    Value::bytes(kdf.account_salt),
                ]),
            ),
            (5, Value::bytes(self.recovery_wrap_hash)),
        ];
        entries.extend(self.extensions.iter().cloned());
        Value::Map(entries).encode()
    }

    fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut fields = Value::decode(bytes)?.into_fields()?;
        if fields.need(0)?.into_u64()? != 1 {
            return Err(EnvelopeError::Malformed("account state body of another version"));
        }
        let certificates = fields.need(1)?.into_array()?;
        let revoked = fields.need(2)?.into_array()?;
        let rows = fields.need(3)?.into_array()?;
        let [kdf_id, iterations, account_salt] = fields.need(4)?.into_tuple()?;
        Ok(Self {
            certificates: certificates.into_iter().map(Value::into_bytes).collect::<Result<_, _>>()?,
            revoked: revoked
                .into_iter()
                .map(|id| Ok(DeviceId::from_bytes(id.into_byte_array()?)?))
                .collect::<Result<_, EnvelopeError>>()?,
            vault_keys: rows.into_iter().map(VaultKeyRow::decode).collect::<Result<_, _>>()?,
            kdf: KdfParameters {
                kdf_id: u8::try_from(kdf_id.into_u64()?).map_err(|_| CborError("kdf id too large"))?,
                iterations: into_u32(iterations)?,
                account_salt: account_salt.into_byte_array()?,
            },
            recovery_wrap_hash: fields.need(5)?.into_byte_array()?,
            extensions: fields.finish()?,
        })
    }
}

impl VaultKeyRow {
    fn decode(value: Value) -> Result<Self, EnvelopeError> {
        let [vault, epoch, digest] = value.into_tuple()?;
        Ok(Self {
            vault: VaultId::from_bytes(vault.into_byte_array()?)?,
            epoch: into_u32(epoch)?,
            digest: digest.into_byte_array()?,
        })
    }
}

fn into_u32(value: Value) -> Result<u32, CborError> {
    u32::try_from(value.into_u64()?).map_err(|_| CborError("integer too large"))
}

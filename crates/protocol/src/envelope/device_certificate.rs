//! Device certificates, `TPLD`: a device's public key, role and vaults, signed by the account's identity.

use super::{EnvelopeError, split_signature};
use crate::bytes::Reader;
use crate::id::{AccountId, DeviceId, VaultId};
use crate::limits::CERTIFICATE_VAULTS_MAX;
use crate::signature::{PublicKey, SigningKey, sign};

const MAGIC: [u8; 5] = *b"TPLD\x01";
const LABEL: &str = "sig/device-cert";

/// What a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything but what only the identity may sign.
    Full,
    /// Add snapshots of its own sources. What an agent gets.
    Append,
    /// Read.
    ReadOnly,
}

impl Role {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Full,
            2 => Self::Append,
            3 => Self::ReadOnly,
            _ => return None,
        })
    }

    fn to_byte(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::Append => 2,
            Self::ReadOnly => 3,
        }
    }
}

/// A certificate's content. The dates, in Unix seconds, bound when the coordinator admits requests, never which
/// history is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// What the device may do.
    pub role: Role,
    /// Whose device it is.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// The key it signs with.
    pub public_key: PublicKey,
    /// Admitted from here on, in Unix seconds.
    pub not_before: u64,
    /// Admitted until then, in Unix seconds.
    pub not_after: u64,
    /// The vaults it may touch.
    pub vaults: Vec<VaultId>,
}

impl DeviceCertificate {
    /// Signs a certificate with the account's identity key.
    ///
    /// # Errors
    /// [`EnvelopeError::Rule`] for more than 255 vaults.
    pub fn issue(&self, identity: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
        let unsigned = self.unsigned()?;
        let signature = sign(identity, LABEL, &unsigned);
        Ok([unsigned, signature.to_vec()].concat())
    }

    /// Parses a certificate and verifies that this identity signed it.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is not well formed or signed by another key.
    pub fn verify(bytes: &[u8], identity: &PublicKey) -> Result<Self, EnvelopeError> {
        let (unsigned, signature) = split_signature(bytes)?;
        identity.verify(LABEL, unsigned, &signature)?;
        Self::parse(unsigned)
    }

    fn unsigned(&self) -> Result<Vec<u8>, EnvelopeError> {
        if self.vaults.len() > CERTIFICATE_VAULTS_MAX {
            return Err(EnvelopeError::Rule("too many vaults in a certificate"));
        }
        let mut out = MAGIC.to_vec();
        out.extend([self.role.to_byte(), 0, self.vaults.len() as u8]);
        out.extend(self.account.as_bytes());
        out.extend(self.device.as_bytes());
        out.extend(self.public_key.as_bytes());
        out.extend(self.not_before.to_be_bytes());
        out.extend(self.not_after.to_be_bytes());
        self.vaults.iter().for_each(|vault| out.extend(vault.as_bytes()));
        Ok(out)
    }

    fn parse(unsigned: &[u8]) -> Result<Self, EnvelopeError> {
        const SHORT: EnvelopeError = EnvelopeError::Malformed("certificate of another length");
        let mut reader = Reader(unsigned);
        let [magic @ .., role, zero, vaults] = reader.array::<8>().ok_or(SHORT)?;
        if magic != MAGIC || zero != 0 {
            return Err(EnvelopeError::Malformed("not a certificate of version 1"));
        }
        let certificate = Self {
            role: Role::from_byte(role).ok_or(EnvelopeError::Malformed("unknown role"))?,
            account: AccountId::from_bytes(reader.array().ok_or(SHORT)?)?,
            device: DeviceId::from_bytes(reader.array().ok_or(SHORT)?)?,
            public_key: PublicKey::from_bytes(reader.array().ok_or(SHORT)?),
            not_before: reader.u64().ok_or(SHORT)?,
            not_after: reader.u64().ok_or(SHORT)?,
            vaults: (0..vaults)
                .map(|_| Ok(VaultId::from_bytes(reader.array().ok_or(SHORT)?)?))
                .collect::<Result<_, EnvelopeError>>()?,
        };
        if reader.is_empty() { Ok(certificate) } else { Err(SHORT) }
    }
}

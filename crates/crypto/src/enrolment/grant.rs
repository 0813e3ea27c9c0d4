//! What SEAL 0x05 tells a device of one vault: whose it is, all keys of the vault, and where both chains stood, so
//! that no server can show the device another account, another key or an older log.

use protocol::cbor::CborError;
use protocol::envelope::EnvelopeHash;
use protocol::id::{AccountId, IdError};
use protocol::signature::PublicKey;
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::cbor::{Reader, Writer, accept};
use crate::error::{OpenError, PlatformError};
use crate::seal::{self, DeviceVaultKey, DeviceWrapKey};
use crate::secret::Salt;
use crate::vault::VaultKey;

const VERSION: u64 = 1;
const FIELDS: u64 = 7;

/// One envelope of a chain: its number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainPosition {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: EnvelopeHash,
}

/// What a device is told of one vault.
pub struct VaultGrant {
    /// Whose device it is.
    pub account: AccountId,
    /// The account's true identity.
    pub identity: PublicKey,
    /// The device's certificate, as signed bytes.
    pub certificate: Vec<u8>,
    /// The vault's keys of the epochs 1, 2, … without a gap.
    pub vault_keys: Vec<VaultKey>,
    /// The account state that admitted the device, or gave the vault this key.
    pub account_state: ChainPosition,
    /// A commit of the vault's log.
    pub vault_head: ChainPosition,
}

/// Why a grant cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens, but is not what the format says.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A field that must be an id is not.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The newest key inside is not that of the epoch outside.
    #[error("the grant holds the keys of {epochs} epochs, and should hold {expected}")]
    Epochs {
        /// How many it holds.
        epochs: usize,
        /// How many its envelope says.
        expected: u32,
    },
}

impl VaultGrant {
    /// Seals the grant for a device. The context's epoch is that of the newest key.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub async fn seal(
        &self,
        backend: &Backend,
        key: &DeviceWrapKey,
        context: &DeviceVaultKey,
        salt: Salt,
    ) -> Result<Vec<u8>, PlatformError> {
        debug_assert_eq!(self.vault_keys.len(), context.epoch as usize, "the context names the newest key");
        seal::seal(backend, key, context, &self.encode(), salt).await
    }

    /// Opens a grant that must have been sealed for exactly this device, vault and epoch.
    ///
    /// # Errors
    /// [`GrantError`].
    pub async fn open(
        backend: &Backend,
        key: &DeviceWrapKey,
        context: &DeviceVaultKey,
        envelope: &[u8],
    ) -> Result<Self, GrantError> {
        let grant = Self::decode(&seal::open(backend, key, context, envelope).await?)?;
        let epochs = grant.vault_keys.len();
        if u32::try_from(epochs) == Ok(context.epoch) {
            Ok(grant)
        } else {
            Err(GrantError::Epochs { epochs, expected: context.epoch })
        }
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::map(FIELDS, VERSION);
        writer.uint(1).bytes(self.account.as_bytes());
        writer.uint(2).bytes(self.identity.as_bytes());
        writer.uint(3).bytes(&self.certificate);
        writer.uint(4).vault_keys(&self.vault_keys);
        writer.uint(5).position(&self.account_state);
        writer.uint(6).position(&self.vault_head);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, GrantError> {
        let mut reader = Reader::map(bytes, FIELDS, VERSION)?;
        reader.key(1)?;
        let account = AccountId::from_bytes(reader.fixed()?)?;
        reader.key(2)?;
        let identity = PublicKey::from_bytes(reader.fixed()?);
        reader.key(3)?;
        let certificate = reader.bytes()?.to_vec();
        reader.key(4)?;
        let vault_keys = reader.vault_keys()?;
        reader.key(5)?;
        let account_state = reader.position()?;
        reader.key(6)?;
        let vault_head = reader.position()?;
        let grant = Self { account, identity, certificate, vault_keys, account_state, vault_head };
        accept(bytes, &grant.encode())?;
        Ok(grant)
    }
}

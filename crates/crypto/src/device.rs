//! What an enrolled device keeps: its keys, whom it belongs to, and where the chains stood when it was enrolled.
//! Sealed, since it lies in a file; the key of that seal is in the operating system's keyring, or in another file.
//!
//! ```text
//! file:  0 4 "TPLK"   4 1 version 1   5 3 zero   8 16 device_id   24 n SEAL 0x07
//! ```

use protocol::cbor::CborError;
use protocol::id::{AccountId, DeviceId, EnrolmentId, IdError, VaultId};
use protocol::signature::PublicKey;
use zeroize::Zeroizing;

use crate::account::WrapKey;
use crate::backend::Backend;
use crate::cbor::{Reader, Writer, accept};
use crate::enrolment::ChainPosition;
use crate::error::{OpenError, PlatformError};
use crate::seal::{self, DeviceStoreKey, DeviceWrapKey, DeviceWrapOfAccount, StoreOfDevice};
use crate::secret::{Salt, Secret as _, secret_key};
use crate::sign::DeviceKey;
use crate::vault::{VaultKey, VaultKeys};

const MAGIC: [u8; 8] = *b"TPLK\x01\0\0\0";
const HEAD_LEN: usize = 24;
const VERSION: u64 = 1;
const FIELDS: u64 = 10;

secret_key! {
    /// The 32 random bytes of a device's Ed25519 key.
    root DeviceSeed
}

/// Why a device's key store cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not a file of this kind and version.
    #[error("this is not a device's key store of version 1")]
    NotAStore,
    /// It does not open: damaged, or sealed under another key.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens, but is not what the format says.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A field that must be an id is not.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// All that a device needs to work without its owner.
pub struct DeviceStore {
    /// The device.
    pub device: DeviceId,
    /// Its Ed25519 key.
    pub seed: DeviceSeed,
    /// What it shares with the account, for new vault keys.
    pub wrap_key: DeviceWrapKey,
    /// The enrolment that made the wrap key.
    pub enrolment: EnrolmentId,
    /// The account.
    pub account: AccountId,
    /// The account's identity.
    pub identity: PublicKey,
    /// The account state that admitted it.
    pub account_state: ChainPosition,
    /// The vaults it was admitted to.
    pub vaults: Vec<StoredVault>,
    /// Where its coordinator is, like `https://backup.example`.
    pub origin: String,
}

/// A vault in a device's key store.
pub struct StoredVault {
    /// The vault.
    pub vault: VaultId,
    /// Its keys of the epochs 1, 2, … without a gap.
    pub keys: Vec<VaultKey>,
    /// A commit of its log.
    pub head: ChainPosition,
}

impl StoredVault {
    /// The keys to use.
    pub fn derive_keys(&self) -> VaultKeys {
        VaultKeys::from_epochs(self.vault, &self.keys).expect("a stored vault has at least one key")
    }
}

impl DeviceStore {
    /// The key that the device signs with.
    pub fn signing_key(&self) -> DeviceKey {
        DeviceKey::from_seed(self.device, self.seed.expose_secret())
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub async fn seal(
        &self,
        backend: &Backend,
        key: &DeviceStoreKey,
        salt: Salt,
    ) -> Result<Vec<u8>, PlatformError> {
        let context = StoreOfDevice { device: self.device };
        let sealed = seal::seal(backend, key, &context, &self.encode(), salt).await?;
        Ok([&MAGIC[..], self.device.as_bytes(), &sealed].concat())
    }

    /// Whose file it is, by what stands outside of the seal.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`].
    pub fn device_of(file: &[u8]) -> Result<DeviceId, StoreError> {
        Ok(split(file)?.0)
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(backend: &Backend, key: &DeviceStoreKey, file: &[u8]) -> Result<Self, StoreError> {
        let (device, sealed) = split(file)?;
        let bytes = seal::open(backend, key, &StoreOfDevice { device }, sealed).await?;
        let store = Self::decode(&bytes)?;
        if store.device == device { Ok(store) } else { Err(CborError("another device than outside").into()) }
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::map(FIELDS, VERSION);
        writer.uint(1).bytes(self.device.as_bytes());
        writer.uint(2).bytes(self.seed.expose_secret());
        writer.uint(3).bytes(self.wrap_key.expose_secret());
        writer.uint(4).bytes(self.enrolment.as_bytes());
        writer.uint(5).bytes(self.account.as_bytes());
        writer.uint(6).bytes(self.identity.as_bytes());
        writer.uint(7).position(&self.account_state);
        writer.uint(8).array(self.vaults.len());
        for StoredVault { vault, keys, head } in &self.vaults {
            writer.array(3).bytes(vault.as_bytes()).vault_keys(keys).position(head);
        }
        writer.uint(9).text(&self.origin);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::map(bytes, FIELDS, VERSION)?;
        reader.key(1)?;
        let device = DeviceId::from_bytes(reader.fixed()?)?;
        reader.key(2)?;
        let seed = reader.secret()?;
        reader.key(3)?;
        let wrap_key = reader.secret()?;
        reader.key(4)?;
        let enrolment = EnrolmentId::from_bytes(reader.fixed()?)?;
        reader.key(5)?;
        let account = AccountId::from_bytes(reader.fixed()?)?;
        reader.key(6)?;
        let identity = PublicKey::from_bytes(reader.fixed()?);
        reader.key(7)?;
        let account_state = reader.position()?;
        reader.key(8)?;
        let vaults = (0..reader.array()?).map(|_| read_vault(&mut reader)).collect::<Result<_, _>>()?;
        reader.key(9)?;
        let origin = reader.text()?.to_owned();
        let store =
            Self { device, seed, wrap_key, enrolment, account, identity, account_state, vaults, origin };
        accept(bytes, &store.encode())?;
        Ok(store)
    }
}

/// The device and its sealed keys.
fn split(file: &[u8]) -> Result<(DeviceId, &[u8]), StoreError> {
    let (head, sealed) = file.split_first_chunk::<HEAD_LEN>().ok_or(StoreError::NotAStore)?;
    let device = head.strip_prefix(&MAGIC).ok_or(StoreError::NotAStore)?;
    Ok((DeviceId::from_slice(device).map_err(|_| StoreError::NotAStore)?, sealed))
}

fn read_vault(reader: &mut Reader<'_>) -> Result<StoredVault, StoreError> {
    reader.tuple(3)?;
    let vault = VaultId::from_bytes(reader.fixed()?)?;
    Ok(StoredVault { vault, keys: reader.vault_keys()?, head: reader.position()? })
}

/// The content of SEAL 0x08: what the account keeps of a device, to give it new vault keys later.
pub struct DeviceWrap {
    /// The enrolment that made the key.
    pub enrolment: EnrolmentId,
    /// The key.
    pub key: DeviceWrapKey,
}

impl DeviceWrap {
    /// Seals it under the account.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub async fn seal(
        &self,
        backend: &Backend,
        key: &WrapKey,
        context: &DeviceWrapOfAccount,
        salt: Salt,
    ) -> Result<Vec<u8>, PlatformError> {
        let mut bytes = Zeroizing::new([0; 48]);
        bytes[..16].copy_from_slice(self.enrolment.as_bytes());
        bytes[16..].copy_from_slice(self.key.expose_secret());
        seal::seal(backend, key, context, &*bytes, salt).await
    }

    /// Opens it again.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        backend: &Backend,
        key: &WrapKey,
        context: &DeviceWrapOfAccount,
        envelope: &[u8],
    ) -> Result<Self, OpenError> {
        let bytes = seal::open(backend, key, context, envelope).await?;
        let (enrolment, key) = bytes.split_first_chunk::<16>().ok_or(OpenError::Refused)?;
        let enrolment = EnrolmentId::from_bytes(*enrolment).map_err(|_| OpenError::Refused)?;
        Ok(Self { enrolment, key: DeviceWrapKey::try_from(key).map_err(|_| OpenError::Refused)? })
    }
}

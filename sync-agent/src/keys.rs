//! The device's keys on this machine: a sealed file, whose key is in the session's keyring, in another file that only its
//! owner may read, or comes from whoever starts the agent.

use std::path::PathBuf;

use configuration::SecretError;
use crypto::Backend;
use crypto::Salt;
use crypto::device::{DeviceStore, StoreError};
use crypto::seal::DeviceStoreKey;
use protocol::id::DeviceId;
use zeroize::Zeroizing;

use crate::config::{Config, Keyring};
use crate::keyring::{self, KeyringError};
use crate::platform::random;
use crate::state::{StateDir, StateError, read_file, replace_file};

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Nobody admitted this device yet.
    #[error("this machine is not enrolled yet: run `triplicate-agent enroll`")]
    NotEnrolled,
    /// The key of the seal is missing.
    #[error("the key of {} is missing: neither TRIPLICATE_STORE_KEY nor the keyring nor {} has it", .0.keys().display(), .0.seal_key().display())]
    NoKey(StateDir),
    /// It may be in the keyring, which does not say.
    #[error("the key of {} cannot be had from the keyring", path.display())]
    Keyring {
        /// The sealed file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// It is not a key.
    #[error("the key of the device's keys is not 64 hex digits")]
    NotAKey,
    /// The file does not open.
    #[error("the device's keys do not open")]
    Store(#[from] StoreError),
    /// They cannot be sealed.
    #[error("the device's keys cannot be sealed")]
    Seal(#[from] crypto::PlatformError),
    /// The disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key that is kept elsewhere.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Opens the device's keys.
///
/// # Errors
/// [`KeysError::NotEnrolled`] where there are none.
pub async fn load(state: &StateDir, config: &Config) -> Result<DeviceStore, KeysError> {
    let file = read_file(&state.keys())?.ok_or(KeysError::NotEnrolled)?;
    let device = DeviceStore::device_of(&file)?;
    let key = existing_key(state, device, config).await?.ok_or_else(|| KeysError::NoKey(state.clone()))?;
    Ok(DeviceStore::open(&Backend::rust_crypto(), &key, &file).await?)
}

/// Whether there are keys.
pub fn are_there(state: &StateDir) -> bool {
    state.keys().exists()
}

/// Seals and writes the device's keys.
pub async fn save(state: &StateDir, store: &DeviceStore, config: &Config) -> Result<(), KeysError> {
    // One that is in use stays in use: should this be cut off, the old file still opens.
    let kept = match (given_key(state, config)?, config.keyring) {
        (None, Keyring::Auto) => keyring::get(store.device).await.ok().flatten().map(|hex| decode(&hex)),
        (given, _) => given.map(Ok),
    };
    let key = match kept {
        Some(key) => key?,
        None => make_key(state, store.device, config.keyring).await?,
    };
    let sealed = store.seal(&Backend::rust_crypto(), &key, Salt::from_random(random())).await?;
    Ok(replace_file(&state.keys(), &sealed)?)
}

async fn existing_key(
    state: &StateDir,
    device: DeviceId,
    config: &Config,
) -> Result<Option<DeviceStoreKey>, KeysError> {
    let key = match (given_key(state, config)?, config.keyring) {
        (None, Keyring::Auto) => keyring::get(device).await,
        (key, _) => return Ok(key),
    };
    let hex = key.map_err(|source| KeysError::Keyring { path: state.keys(), source })?;
    hex.map(|hex| decode(&hex)).transpose()
}

/// The key that whoever starts the agent brings, or else that of the file.
fn given_key(state: &StateDir, config: &Config) -> Result<Option<DeviceStoreKey>, KeysError> {
    if let Some(hex) = config.store_key.read()? {
        return decode(hex.expose()).map(Some);
    }
    match read_file(&state.seal_key())? {
        Some(bytes) => decode(&Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())).map(Some),
        None => Ok(None),
    }
}

/// A new key, kept in the keyring, or in a file where there is none that takes it and gives it back.
async fn make_key(state: &StateDir, device: DeviceId, keyring: Keyring) -> Result<DeviceStoreKey, KeysError> {
    let hex = Zeroizing::new(hex::encode(Zeroizing::new(random::<32>())));
    match keyring {
        Keyring::Auto if is_kept(device, &hex).await => {}
        Keyring::Auto | Keyring::Never => replace_file(&state.seal_key(), hex.as_bytes())?,
    }
    decode(&hex)
}

async fn is_kept(device: DeviceId, hex: &str) -> bool {
    let kept = async {
        keyring::put(device, hex).await?;
        keyring::get(device).await
    };
    match kept.await {
        Ok(kept) => kept.is_some_and(|kept| *kept == hex),
        Err(KeyringError::Absent) => false,
        Err(error) => {
            tracing::warn!(%error, "the key is kept in a file");
            false
        }
    }
}

fn decode(text: &str) -> Result<DeviceStoreKey, KeysError> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| KeysError::NotAKey)?;
    DeviceStoreKey::try_from(&bytes[..]).map_err(|_| KeysError::NotAKey)
}

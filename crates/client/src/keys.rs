//! The keys of vaults: opened with the owner's or a device's own key, and used only where the signed account state
//! lists them. A vault gets another when a device that knew it is revoked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crypto::account::WrapKey;
use crypto::enrolment::VaultGrant;
use crypto::seal::{DeviceVaultKey, VaultOfAccount, unwrap};
use crypto::vault::{VaultKey, VaultKeys};
use protocol::devices::DeviceVaultKey as WrappedForDevice;
use protocol::envelope::account_state::AccountState;
use protocol::id::VaultId;
use protocol::vaults::VaultEntry;

use crate::account::EnrolledDevice;
use crate::api::Client;
use crate::error::Error;

/// A vault whose keys were verified.
pub(crate) struct UnlockedVault {
    pub(crate) vault: VaultId,
    pub(crate) keys: KeyRing,
}

/// The verified keys of one vault, as they are now. Cheap to clone; all clones see the same keys.
#[derive(Clone)]
pub(crate) struct KeyRing(Rc<RefCell<Arc<VaultKeys>>>);

impl KeyRing {
    /// The keys of all epochs that are known.
    pub(crate) fn get(&self) -> Arc<VaultKeys> {
        self.0.borrow().clone()
    }

    /// The vault.
    pub(crate) fn vault(&self) -> VaultId {
        self.0.borrow().vault()
    }

    /// Takes keys of more epochs than it has.
    pub(crate) fn update(&self, keys: &Self) {
        let keys = keys.get();
        if keys.newest().0 > self.0.borrow().newest().0 {
            self.0.replace(keys);
        }
    }
}

impl UnlockedVault {
    /// Takes a vault's keys of all epochs, if they are those that the account state lists.
    pub(crate) fn new(vault: VaultId, epochs: &[VaultKey], state: &AccountState) -> Result<Self, Error> {
        check_digests(vault, epochs, state)?;
        let keys =
            VaultKeys::from_epochs(vault, epochs).ok_or_else(|| Error::untrusted("a vault without keys"))?;
        Ok(Self { vault, keys: KeyRing(Rc::new(RefCell::new(Arc::new(keys)))) })
    }
}

/// The vaults that a state lists, in the order in which they were made.
pub(crate) fn listed_vaults(state: &AccountState) -> impl Iterator<Item = VaultId> {
    state.body.vault_keys.iter().filter(|row| row.epoch == 1).map(|row| row.vault)
}

/// The owner's vaults: every one that the account state lists, and no other.
pub(crate) async fn unlock_for_owner(
    client: &Client,
    wrap_key: &WrapKey,
    state: &AccountState,
    entries: &[VaultEntry],
) -> Result<Vec<UnlockedVault>, Error> {
    let mut unlocked = Vec::new();
    for vault in listed_vaults(state) {
        let keys = unwrap_for_owner(client, wrap_key, state, entries, vault).await?;
        unlocked.push(UnlockedVault::new(vault, &keys, state)?);
    }
    Ok(unlocked)
}

/// A vault's keys of all epochs that the state lists.
pub(crate) async fn unwrap_for_owner(
    client: &Client,
    wrap_key: &WrapKey,
    state: &AccountState,
    entries: &[VaultEntry],
    vault: VaultId,
) -> Result<Vec<VaultKey>, Error> {
    let entry = entries.iter().find(|entry| entry.vault == vault);
    let entry = entry.ok_or_else(|| Error::untrusted("the server hides a vault of the account"))?;
    let backend = client.platform.backend();
    let mut keys = Vec::new();
    for epoch in 1..=state.newest_epoch(&vault).unwrap_or_default() {
        let wrapped = entry.keys.iter().find(|key| key.epoch == epoch);
        let wrapped = wrapped.ok_or_else(|| Error::untrusted("the server hides a vault's key"))?;
        let context = VaultOfAccount { account: state.account, vault, epoch };
        keys.push(unwrap(&backend, wrap_key, &context, &wrapped.wrap.0).await?);
    }
    check_digests(vault, &keys, state)?;
    Ok(keys)
}

/// A device's vaults: every one of its certificate.
pub(crate) async fn unlock_for_device(
    client: &Client,
    device: &EnrolledDevice,
    state: &AccountState,
) -> Result<Vec<UnlockedVault>, Error> {
    let id = device.key.device();
    let certificate =
        state.device(&id).ok_or_else(|| Error::NotAdmitted("its owner revoked it".to_owned()))?;
    let wrapped = client.device_keys().await?.vault_keys;
    let mut unlocked = Vec::new();
    for vault in &certificate.vaults {
        let wrapped = wrapped.iter().find(|key| key.vault == *vault);
        let wrapped = wrapped.ok_or_else(|| Error::untrusted("the server hides a vault's key"))?;
        let grant = open_grant(client, device, wrapped).await?;
        if grant.account != state.account {
            return Err(Error::untrusted("a vault's key is of another account"));
        }
        // It may be newer than the state, which is then read on.
        let epochs = state.newest_epoch(vault).unwrap_or_default() as usize;
        let keys = grant.vault_keys.get(..epochs);
        let keys = keys.ok_or_else(|| Error::untrusted("the server hides a vault's newest key"))?;
        unlocked.push(UnlockedVault::new(*vault, keys, state)?);
    }
    Ok(unlocked)
}

/// What a device was told of one vault.
pub(crate) async fn open_grant(
    client: &Client,
    device: &EnrolledDevice,
    wrapped: &WrappedForDevice,
) -> Result<VaultGrant, Error> {
    let context = DeviceVaultKey {
        enrolment: device.enrolment,
        device: device.key.device(),
        vault: wrapped.vault,
        epoch: wrapped.epoch,
        device_public: device.key.public(),
    };
    let backend = client.platform.backend();
    Ok(VaultGrant::open(&backend, &device.wrap_key, &context, &wrapped.wrap.0).await?)
}

fn check_digests(vault: VaultId, keys: &[VaultKey], state: &AccountState) -> Result<(), Error> {
    for (epoch, key) in (1..).zip(keys) {
        let digest = key.digest(vault, epoch);
        let mut rows = state.body.vault_keys.iter();
        if !rows.any(|row| row.vault == vault && row.epoch == epoch && row.digest == digest) {
            return Err(Error::untrusted("a vault's key is not the one that was signed"));
        }
    }
    Ok(())
}

//! The account's devices, and revoking one: a state without it, a new key for every vault that it knew, and one
//! commit in each, after which none can name an older state.

use crypto::device::DeviceWrap;
use crypto::enrolment::{ChainPosition, VaultGrant};
use crypto::seal::{DeviceVaultKey, DeviceWrapOfAccount, VaultOfAccount, wrap};
use crypto::vault::VaultKey;
use protocol::bytes::Base64;
use protocol::devices::{
    DeviceStatus, DeviceVaultKey as WrappedForDevice, NewVaultKey, OtherDeviceKey, RevokeDeviceRequest,
};
use protocol::envelope::account_state::{AccountState, VaultKeyRow};
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, VaultId};
use protocol::vaults::WrappedKey;

use crate::account::Account;
use crate::error::Error;
use crate::keys;
use crate::snapshot::RACES_MAX;
use crate::vault::Vault;

/// A device that was ever admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The device.
    pub device: DeviceId,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it may do, or might.
    pub role: Role,
    /// The vaults it may touch, or might.
    pub vaults: Vec<VaultId>,
    /// It may do nothing any more.
    pub revoked: bool,
    /// When it was admitted, in Unix milliseconds.
    pub enrolled_ms: u64,
    /// When it last called, in Unix milliseconds, to some seconds.
    pub last_seen_ms: Option<u64>,
    /// Whether it listens for events now.
    pub online: bool,
}

impl Account {
    /// All devices that were ever admitted, by the time of their enrolment. Names are those in the settings of the
    /// given vaults.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if the server shows one that no account state ever listed, or hides one.
    pub async fn devices(&self, vaults: &[Vault]) -> Result<Vec<DeviceInfo>, Error> {
        // The states first: a device that is admitted between both questions is known after the third.
        self.refresh_states().await?;
        let newest = self.newest_state();
        let statuses = self.client().devices().await?.devices;
        if statuses.iter().any(|status| self.last_certificate(&status.device).is_none()) {
            self.refresh_states().await?;
        }
        if !newest.devices.iter().all(|it| statuses.iter().any(|status| status.device == it.device)) {
            return Err(Error::untrusted("the server hides a device of the account"));
        }
        let names: Vec<_> = vaults.iter().flat_map(|vault| vault.settings().devices).collect();
        let info = |status: DeviceStatus| {
            let certificate = self.last_certificate(&status.device);
            let certificate = certificate.ok_or_else(|| {
                Error::untrusted("the server shows a device that the account does not have")
            })?;
            let name = names.iter().find(|named| named.device == status.device);
            Ok(DeviceInfo {
                device: status.device,
                name: name.map(|named| named.name.clone()),
                role: certificate.role,
                revoked: newest.device(&status.device).is_none(),
                vaults: certificate.vaults,
                enrolled_ms: status.enrolled_ms,
                last_seen_ms: status.last_seen_ms,
                online: status.online,
            })
        };
        statuses.into_iter().map(info).collect()
    }

    /// A device's certificate in the newest state that has it.
    fn last_certificate(&self, device: &DeviceId) -> Option<DeviceCertificate> {
        let mut states = (0..=self.newest_state().seq).rev().filter_map(|seq| self.state(seq));
        states.find_map(|state| state.device(device).cloned())
    }

    /// Revokes a device: from now on it can do nothing, and nothing that is written later opens for it. What it
    /// backed up stays. Trying again after an error is safe.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`]; [`Error::NotFound`] for a device that was never admitted; [`Error::Busy`].
    pub async fn revoke(&self, device: DeviceId) -> Result<(), Error> {
        self.owner()?;
        for _ in 0..RACES_MAX {
            self.refresh_states().await?;
            let newest = self.newest_state();
            let certificate = self.last_certificate(&device);
            let certificate = certificate.ok_or_else(|| Error::NotFound("this device".to_owned()))?;
            if newest.device(&device).is_some() {
                let request = self.prepare_revocation(&newest, &certificate).await?;
                match self.client().revoke_device(&request).await {
                    Err(error) if error.code() == Some(ErrorCode::ChainConflict) => continue,
                    done => done?,
                }
                self.refresh_states().await?;
            }
            for vault in &certificate.vaults {
                // Opening a vault completes a revocation in it. The device is out already: where a vault does not
                // open, this stays to be done.
                self.try_open(*vault).await;
            }
            return Ok(());
        }
        Err(Error::Busy)
    }

    async fn try_open(&self, vault: VaultId) {
        if let Err(error) = self.open(vault).await {
            tracing::warn!(%error, vault = %vault.short(), "a vault of a revoked device does not open");
        }
    }

    /// Writes the commit that ends a revocation in a vault, if it is missing: the settings as they are, by a state
    /// that lists the newest key.
    pub(crate) async fn complete_revocation(&self, vault: &Vault) -> Result<(), Error> {
        let named = vault.chain().account_state_seq().and_then(|seq| self.state(seq));
        let epoch_of = |state: &AccountState| state.newest_epoch(&vault.id());
        let is_behind = named.is_some_and(|named| epoch_of(&named) < epoch_of(&self.newest_state()));
        if is_behind && self.owner().is_ok() {
            vault.carry_settings_on().await?;
        }
        Ok(())
    }

    async fn prepare_revocation(
        &self,
        newest: &AccountState,
        revoked: &DeviceCertificate,
    ) -> Result<RevokeDeviceRequest, Error> {
        let owner = self.owner()?;
        let client = self.client();
        let backend = client.platform.backend();
        let entries = client.vaults().await?.vaults;
        let mut body = newest.body.clone();
        let certificates = newest.devices.iter().zip(&newest.body.certificates);
        let others = certificates.filter(|(certificate, _)| certificate.device != revoked.device);
        body.certificates = others.map(|(_, signed)| signed.clone()).collect();
        body.revoked.push(revoked.device);
        let mut rekeyed = Vec::new();
        let mut vault_keys = Vec::new();
        for vault in &revoked.vaults {
            // Read and verified as far as can be: there the devices that remain begin. The one to revoke may have
            // written what keeps the vault from opening.
            self.try_open(*vault).await;
            let mut all = keys::unwrap_for_owner(client, &owner.wrap_key, newest, &entries, *vault).await?;
            let (key, epoch) = (VaultKey::from_bytes(client.platform.random()), all.len() as u32 + 1);
            body.vault_keys.push(VaultKeyRow { vault: *vault, epoch, digest: key.digest(*vault, epoch) });
            let context = VaultOfAccount { account: newest.account, vault: *vault, epoch };
            let wrapped = wrap(&backend, &owner.wrap_key, &context, &key, client.platform.salt()).await?;
            vault_keys.push(NewVaultKey { vault: *vault, key: WrappedKey { epoch, wrap: Base64(wrapped) } });
            all.push(key);
            rekeyed.push((*vault, all));
        }
        let bytes = owner.identity.sign_account_state(newest.account, newest.seq + 1, &newest.hash, &body);
        let next = AccountState::verify(&bytes, &self.identity())?;
        next.check_follows(newest)?;
        let device_keys = self.seal_for_others(&next, &rekeyed).await?;
        Ok(RevokeDeviceRequest { account_state: Base64(bytes), vault_keys, device_keys })
    }

    /// The new keys for the devices that remain.
    async fn seal_for_others(
        &self,
        next: &AccountState,
        rekeyed: &[(VaultId, Vec<VaultKey>)],
    ) -> Result<Vec<OtherDeviceKey>, Error> {
        let statuses = self.client().devices().await?.devices;
        let mut sealed = Vec::new();
        for (certificate, signed) in next.devices.iter().zip(&next.body.certificates) {
            let vaults = rekeyed.iter().filter(|(vault, _)| certificate.vaults.contains(vault));
            for (vault, all) in vaults {
                let status = statuses.iter().find(|status| status.device == certificate.device);
                let status =
                    status.ok_or_else(|| Error::untrusted("the server hides a device of the account"))?;
                let key = self.seal_for_device(next, (certificate, signed), status, *vault, all).await?;
                sealed.push(OtherDeviceKey { device: certificate.device, key });
            }
        }
        Ok(sealed)
    }

    async fn seal_for_device(
        &self,
        next: &AccountState,
        (certificate, signed): (&DeviceCertificate, &[u8]),
        status: &DeviceStatus,
        vault: VaultId,
        all: &[VaultKey],
    ) -> Result<WrappedForDevice, Error> {
        let platform = &self.client().platform;
        let backend = platform.backend();
        let of_account = DeviceWrapOfAccount { account: next.account, device: certificate.device };
        let wrap_key = &self.owner()?.wrap_key;
        let device_wrap = DeviceWrap::open(&backend, wrap_key, &of_account, &status.device_wrap.0).await?;
        let epoch = all.len() as u32;
        let context = DeviceVaultKey {
            enrolment: device_wrap.enrolment,
            device: certificate.device,
            vault,
            epoch,
            device_public: certificate.public_key,
        };
        let copies = all.iter().map(|key| VaultKey::from_bytes(*crypto::Secret::expose_secret(key)));
        let grant = VaultGrant {
            account: next.account,
            identity: self.identity(),
            certificate: signed.to_vec(),
            vault_keys: copies.collect(),
            account_state: ChainPosition { seq: next.seq, hash: next.hash },
            vault_head: self.verified_head(&vault)?,
        };
        let wrap = grant.seal(&backend, &device_wrap.key, &context, platform.salt()).await?;
        Ok(WrappedForDevice { vault, epoch, wrap: Base64(wrap) })
    }
}

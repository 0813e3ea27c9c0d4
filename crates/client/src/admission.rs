//! What admitting a device is made of: an account state with its certificate, a vault of its own or the keys of all,
//! and the owner's copy of the key that both share. All of it is one request.

use crypto::commit::{DeviceName, NewBody, NewCommit, Settings, seal_commit};
use crypto::device::DeviceWrap;
use crypto::enrolment::{ChainPosition, EnrolmentCode, ExchangeKey, VaultGrant};
use crypto::seal::{DeviceVaultKey, DeviceWrapKey, DeviceWrapOfAccount, VaultOfAccount, wrap};
use crypto::vault::{VaultKey, VaultKeys};
use protocol::accounts::NewVault;
use protocol::bytes::Base64;
use protocol::devices::{
    DeviceVaultKey as WrappedForDevice, EnrolmentGrant, EnrolmentRequest, GrantEnrolmentRequest,
};
use protocol::digest::sha256;
use protocol::envelope::account_state::{AccountState, VaultKeyRow};
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::id::{EnrolmentId, VaultId};
use protocol::refs;

use crate::account::Account;
use crate::error::Error;
use crate::keys;

/// A certificate is in force from this long before now on, for clocks that are behind, in seconds.
const CERTIFICATE_BEFORE_S: u64 = 24 * 3600;
/// And for ten years.
const CERTIFICATE_FOR_S: u64 = 10 * 365 * 24 * 3600;

/// One vault that a device is admitted to.
struct Admitted {
    vault: VaultId,
    keys: Vec<VaultKey>,
    head: ChainPosition,
}

/// All that one attempt to admit a device is made of.
pub(crate) struct Admission<'a> {
    account: &'a Account,
    request: &'a EnrolmentRequest,
    enrolment: EnrolmentId,
    wrap_key: DeviceWrapKey,
    certificate: Vec<u8>,
    state: AccountState,
    state_bytes: Vec<u8>,
}

impl Admission<'_> {
    /// Makes the account state with the device, and all that it is given, sealed.
    pub(crate) async fn prepare(
        account: &Account,
        code: &EnrolmentCode,
        role: Role,
        request: &EnrolmentRequest,
        name: &str,
    ) -> Result<GrantEnrolmentRequest, Error> {
        let platform = &account.client().platform;
        let ephemeral = ExchangeKey::from_bytes(platform.random());
        let wrap_key = code.derive_wrap_key_for(&ephemeral, &request.exchange_key)?;
        let own_vault = (role == Role::Append).then(|| {
            let vault = VaultId::from_bytes(platform.random()).expect("16 random bytes are not all zero");
            (vault, VaultKey::from_bytes(platform.random()))
        });
        let (certificate, state_bytes) =
            next_state(account, request, role, own_vault.as_ref().map(|(vault, key)| (*vault, key)))?;
        let state = AccountState::verify(&state_bytes, &account.identity())?;
        state.check_follows(&account.newest_state())?;
        let enrolment = code.enrolment;
        let admission = Admission { account, request, enrolment, wrap_key, certificate, state, state_bytes };
        let (new_vault, vaults) = match own_vault {
            Some((vault, key)) => {
                let (new_vault, admitted) = admission.make_vault(vault, key, name).await?;
                (Some(new_vault), vec![admitted])
            }
            None => (None, admission.existing_vaults().await?),
        };
        let mut vault_keys = Vec::new();
        for vault in vaults {
            vault_keys.push(admission.seal_grant(vault).await?);
        }
        let grant = EnrolmentGrant { ephemeral_key: ephemeral.public(), vault_keys };
        let device_wrap = Base64(admission.seal_wrap_key().await?);
        let account_state = Base64(admission.state_bytes);
        Ok(GrantEnrolmentRequest { account_state, new_vault, grant, device_wrap })
    }

    /// The device's own vault: its owner's copy of the key, and its first commit.
    async fn make_vault(
        &self,
        vault: VaultId,
        key: VaultKey,
        name: &str,
    ) -> Result<(NewVault, Admitted), Error> {
        let owner = self.account.owner()?;
        let client = self.account.client();
        let backend = client.platform.backend();
        let context = VaultOfAccount { account: self.state.account, vault, epoch: 1 };
        let key_wrap = wrap(&backend, &owner.wrap_key, &context, &key, client.platform.salt()).await?;
        let settings = Settings {
            vault_name: name.to_owned(),
            sources: Vec::new(),
            compression_off: false,
            devices: vec![DeviceName { device: self.request.device, name: name.to_owned() }],
            extensions: Vec::new(),
        };
        let genesis = NewCommit {
            body: NewBody::Settings(&settings),
            seq: 0,
            prev: [0; 32],
            digest: refs::digest(&[]),
            account_state_seq: self.state.seq,
        };
        let author = self.account.author();
        let keys = VaultKeys::new(vault, &key);
        let genesis = seal_commit(&backend, &keys, author, &genesis, client.platform.salt()).await?;
        let head = ChainPosition { seq: 0, hash: sha256(&[&genesis]) };
        let new_vault = NewVault { vault, key_wrap: Base64(key_wrap), genesis: Base64(genesis) };
        Ok((new_vault, Admitted { vault, keys: vec![key], head }))
    }

    /// All vaults of the account, each read and verified up to its head.
    async fn existing_vaults(&self) -> Result<Vec<Admitted>, Error> {
        let owner = self.account.owner()?;
        let client = self.account.client();
        let entries = client.vaults().await?.vaults;
        let mut admitted = Vec::new();
        for vault in keys::listed_vaults(&self.state) {
            self.account.open(vault).await?;
            let keys = keys::unwrap_for_owner(client, &owner.wrap_key, &self.state, &entries, vault).await?;
            admitted.push(Admitted { vault, keys, head: self.account.verified_head(&vault)? });
        }
        Ok(admitted)
    }

    async fn seal_grant(&self, admitted: Admitted) -> Result<WrappedForDevice, Error> {
        let epoch = self.state.newest_epoch(&admitted.vault).unwrap_or_default();
        let context = DeviceVaultKey {
            enrolment: self.enrolment,
            device: self.request.device,
            vault: admitted.vault,
            epoch,
            device_public: self.request.public_key,
        };
        let grant = VaultGrant {
            account: self.state.account,
            identity: self.account.identity(),
            certificate: self.certificate.clone(),
            vault_keys: admitted.keys,
            account_state: ChainPosition { seq: self.state.seq, hash: self.state.hash },
            vault_head: admitted.head,
        };
        let platform = &self.account.client().platform;
        let sealed = grant.seal(&platform.backend(), &self.wrap_key, &context, platform.salt()).await?;
        Ok(WrappedForDevice { vault: admitted.vault, epoch, wrap: Base64(sealed) })
    }

    async fn seal_wrap_key(&self) -> Result<Vec<u8>, Error> {
        let owner = self.account.owner()?;
        let platform = &self.account.client().platform;
        let context = DeviceWrapOfAccount { account: self.state.account, device: self.request.device };
        let key = DeviceWrapKey::from_bytes(*crypto::Secret::expose_secret(&self.wrap_key));
        let device_wrap = DeviceWrap { enrolment: self.enrolment, key };
        Ok(device_wrap.seal(&platform.backend(), &owner.wrap_key, &context, platform.salt()).await?)
    }
}

/// The device's certificate, and the account state with it and with its own vault's key.
fn next_state(
    account: &Account,
    request: &EnrolmentRequest,
    role: Role,
    own_vault: Option<(VaultId, &VaultKey)>,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let identity = &account.owner()?.identity;
    let newest = account.newest_state();
    let now_s = account.client().platform.now_ms() / 1000;
    let certificate = identity.sign_device_certificate(&DeviceCertificate {
        role,
        account: newest.account,
        device: request.device,
        public_key: request.public_key,
        not_before: now_s.saturating_sub(CERTIFICATE_BEFORE_S),
        not_after: now_s + CERTIFICATE_FOR_S,
        vaults: own_vault.map_or_else(|| keys::listed_vaults(&newest).collect(), |(vault, _)| vec![vault]),
    })?;
    let mut body = newest.body.clone();
    body.certificates.push(certificate.clone());
    if let Some((vault, key)) = own_vault {
        body.vault_keys.push(VaultKeyRow { vault, epoch: 1, digest: key.digest(vault, 1) });
    }
    let state = identity.sign_account_state(newest.account, newest.seq + 1, &newest.hash, &body);
    Ok((certificate, state))
}

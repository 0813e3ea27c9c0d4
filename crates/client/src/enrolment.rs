//! Admitting a device, on the owner's side: the link, who used it, and what the device is given. Everything the
//! device gets is sealed with a secret that is in the link alone.

use std::cell::RefCell;

use crypto::commit::{DeviceName, NewBody, NewCommit, Settings, seal_commit};
use crypto::device::DeviceWrap;
use crypto::enrolment::{
    ChainPosition, EnrolmentCode, EnrolmentLink, EnrolmentSecret, ExchangeKey, VaultGrant,
};
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
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, EnrolmentId, VaultId};
use protocol::refs;

use crate::account::Account;
use crate::error::Error;
use crate::keys;
use crate::snapshot::RACES_MAX;

/// How long a link is good, in milliseconds.
const LINK_MS: u64 = 10 * 60 * 1000;
/// A certificate is in force from this long before now on, for clocks that are behind, in seconds.
const CERTIFICATE_BEFORE_S: u64 = 24 * 3600;
/// And for ten years.
const CERTIFICATE_FOR_S: u64 = 10 * 365 * 24 * 3600;
const NOT_ZERO: &str = "16 random bytes are not all zero";

/// An enrolment that is open: good for ten minutes and one device.
pub struct Enrolment {
    account: Account,
    code: EnrolmentCode,
    role: Role,
    good_until_ms: u64,
    /// Who asked first with the right proof. Nobody else is admitted.
    request: RefCell<Option<EnrolmentRequest>>,
}

impl Account {
    /// Opens an enrolment. A device of role 2 gets a vault of its own, others all vaults that there are now.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`].
    pub async fn begin_enrolment(&self, role: Role) -> Result<Enrolment, Error> {
        self.owner()?;
        let platform = &self.client().platform;
        let enrolment = EnrolmentId::from_bytes(platform.random()).expect(NOT_ZERO);
        let code = EnrolmentCode { enrolment, secret: EnrolmentSecret::from_bytes(platform.random()) };
        let good_until_ms = platform.now_ms() + LINK_MS;
        self.client().open_enrolment(enrolment).await?;
        Ok(Enrolment { account: self.clone(), code, role, good_until_ms, request: RefCell::default() })
    }
}

impl Enrolment {
    /// As events name it.
    pub fn id(&self) -> EnrolmentId {
        self.code.enrolment
    }

    /// The link to carry to the device, for the web app at `origin`. Who has it can ask to be admitted.
    ///
    /// # Errors
    /// [`Error::Link`] if that is no origin.
    pub fn link(&self, origin: &str) -> Result<String, Error> {
        Ok(EnrolmentLink::write(origin, &self.code)?.to_string())
    }

    /// Until when the link is good, in Unix milliseconds.
    pub fn good_until_ms(&self) -> u64 {
        self.good_until_ms
    }

    /// The name of the host that asks to be admitted, once one does.
    ///
    /// # Errors
    /// [`Error::ForgedRequest`] if somebody asked without the link: then nobody can use it any more.
    /// [`Error::LinkOver`].
    pub async fn request(&self) -> Result<Option<String>, Error> {
        if let Some(request) = &*self.request.borrow() {
            return Ok(Some(request.host.clone()));
        }
        self.check_time()?;
        let answer = self.account.client().enrolment_request(self.id()).await.map_err(over)?;
        let Some(request) = answer.request else { return Ok(None) };
        self.code.verify(&request)?;
        let host = request.host.clone();
        self.request.replace(Some(request));
        Ok(Some(host))
    }

    /// Admits the device that asked, under a name of the owner's choice. Trying again after an error is safe.
    ///
    /// # Errors
    /// [`Error::LinkOver`], also where nobody asked; [`Error::Busy`] if the account changed all the time.
    pub async fn admit(&self, name: &str) -> Result<DeviceId, Error> {
        self.request().await?;
        self.check_time()?;
        let request = self.request.borrow().clone().ok_or(Error::LinkOver)?;
        for _ in 0..RACES_MAX {
            self.account.refresh_states().await?;
            if self.account.newest_state().device(&request.device).is_none() {
                let grant = Admission::prepare(self, &request, name).await?;
                match self.account.client().grant_enrolment(self.id(), &grant).await {
                    Err(error) if error.code() == Some(ErrorCode::ChainConflict) => continue,
                    done => done.map_err(over)?,
                }
                self.account.refresh_states().await?;
            }
            if self.role != Role::Append {
                self.account.open_vault().await?.rename_device(request.device, name).await?;
            }
            return Ok(request.device);
        }
        Err(Error::Busy)
    }

    fn check_time(&self) -> Result<(), Error> {
        let now_ms = self.account.client().platform.now_ms();
        if now_ms < self.good_until_ms { Ok(()) } else { Err(Error::LinkOver) }
    }
}

/// An enrolment that the coordinator does not know is one that it forgot.
pub(crate) fn over(error: Error) -> Error {
    if error.code() == Some(ErrorCode::NotFound) { Error::LinkOver } else { error }
}

/// One vault that a device is admitted to.
struct Admitted {
    vault: VaultId,
    keys: Vec<VaultKey>,
    head: ChainPosition,
}

/// All that one attempt to admit a device is made of.
struct Admission<'a> {
    account: &'a Account,
    request: &'a EnrolmentRequest,
    enrolment: EnrolmentId,
    wrap_key: DeviceWrapKey,
    certificate: Vec<u8>,
    state: AccountState,
    state_bytes: Vec<u8>,
}

impl Admission<'_> {
    async fn prepare(
        enrolment: &Enrolment,
        request: &EnrolmentRequest,
        name: &str,
    ) -> Result<GrantEnrolmentRequest, Error> {
        let account = &enrolment.account;
        let platform = &account.client().platform;
        let ephemeral = ExchangeKey::from_bytes(platform.random());
        let wrap_key = enrolment.code.derive_wrap_key_for(&ephemeral, &request.exchange_key)?;
        let own_vault = (enrolment.role == Role::Append).then(|| {
            let vault = VaultId::from_bytes(platform.random()).expect(NOT_ZERO);
            (vault, VaultKey::from_bytes(platform.random()))
        });
        let (certificate, state_bytes) = next_state(
            account,
            request,
            enrolment.role,
            own_vault.as_ref().map(|(vault, key)| (*vault, key)),
        )?;
        let state = AccountState::verify(&state_bytes, &account.identity())?;
        state.check_follows(&account.newest_state())?;
        let enrolment = enrolment.code.enrolment;
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

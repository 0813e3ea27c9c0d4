//! Being a device: asking to be admitted with a link, and working with what was granted, without the owner.

use std::rc::Rc;
use std::time::Duration;

use crypto::Secret as _;
use crypto::device::{DeviceSeed, DeviceStore, StoredVault};
use crypto::enrolment::{ChainPosition, EnrolmentCode, EnrolmentLink, ExchangeKey, VaultGrant};
use crypto::seal::DeviceWrapKey;
use crypto::sign::DeviceKey;
use protocol::bytes::Base64Array;
use protocol::devices::EnrolmentGrant;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::device_certificate::DeviceCertificate;
use protocol::id::{DeviceId, VaultId};
use protocol::limits::ENROLMENT_SECONDS;

use crate::account::{Account, EnrolledDevice, Signer};
use crate::api::Client;
use crate::device_session::DeviceSession;
use crate::enrolment::over;
use crate::error::Error;
use crate::keys::{self, UnlockedVault};
use crate::pin::{ChainPin, Pin};

/// How often a device asks whether it is admitted.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl Client {
    /// Asks to be admitted by the account that made the link, and waits until its owner says so. The client must be
    /// one of the link's origin. What is returned is to be kept before anything else is done, because it is all that
    /// the device has and nobody can give it again; [`Client::open_device`] checks it against the account's states.
    ///
    /// # Errors
    /// [`Error::LinkOver`]; [`Error::Untrusted`] where what was granted is not what the owner signed.
    pub async fn enrol(&self, link: &EnrolmentLink, host: &str) -> Result<DeviceStore, Error> {
        let platform = &self.platform;
        let device = DeviceId::from_bytes(platform.random()).expect("16 random bytes are not all zero");
        let seed = DeviceSeed::from_bytes(platform.random());
        let exchange = ExchangeKey::from_bytes(platform.random());
        let key = Rc::new(DeviceKey::from_seed(device, seed.expose_secret()));
        let code = &link.code;
        let request = code.request(device, key.public(), exchange.public(), host.to_owned());
        self.request_enrolment(code.enrolment, &request).await.map_err(over)?;
        let grant = self.wait_for_grant(code).await?;
        let wrap_key = code.derive_own_wrap_key(&exchange, &grant.ephemeral_key)?;
        let enrolled = EnrolledDevice { key, wrap_key, enrolment: code.enrolment };
        self.accept(enrolled, seed, &grant).await
    }

    async fn wait_for_grant(&self, code: &EnrolmentCode) -> Result<EnrolmentGrant, Error> {
        let until_ms = self.platform.now_ms() + ENROLMENT_SECONDS * 1000;
        while self.platform.now_ms() < until_ms {
            if let Some(grant) = self.enrolment_grant(code.enrolment).await.map_err(over)?.grant {
                return Ok(grant);
            }
            self.platform.sleep(ASK_EVERY).await;
        }
        Err(Error::LinkOver)
    }

    /// Opens what was granted, and checks that it is of one piece and for this device.
    async fn accept(
        &self,
        device: EnrolledDevice,
        seed: DeviceSeed,
        grant: &EnrolmentGrant,
    ) -> Result<DeviceStore, Error> {
        let mut vaults = Vec::new();
        let mut grants = Vec::new();
        for wrapped in &grant.vault_keys {
            let mut grant = keys::open_grant(self, &device, wrapped).await?;
            let vault_keys = std::mem::take(&mut grant.vault_keys);
            vaults.push(StoredVault { vault: wrapped.vault, keys: vault_keys, head: grant.vault_head });
            grants.push(grant);
        }
        let told = grants.first().ok_or_else(|| Error::untrusted("nothing was granted"))?;
        let is_same = |other: &VaultGrant| {
            (other.account, other.identity, other.account_state)
                == (told.account, told.identity, told.account_state)
                && other.certificate == told.certificate
        };
        if !grants.iter().all(is_same) {
            return Err(Error::untrusted("what was granted is not of one piece"));
        }
        let certificate = DeviceCertificate::verify(&told.certificate, &told.identity)?;
        let granted = |vault: &VaultId| vaults.iter().any(|stored| stored.vault == *vault);
        if certificate.device != device.key.device()
            || certificate.public_key != device.key.public()
            || certificate.account != told.account
            || certificate.vaults.len() != vaults.len()
            || !certificate.vaults.iter().all(granted)
        {
            return Err(Error::untrusted("the certificate is not this device's"));
        }
        Ok(DeviceStore {
            device: device.key.device(),
            seed,
            wrap_key: device.wrap_key,
            enrolment: device.enrolment,
            account: told.account,
            identity: told.identity,
            account_state: told.account_state,
            vaults,
            origin: self.origin().to_owned(),
        })
    }

    /// Signs in as an enrolled device, and verifies the account's states and the keys that they list.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`] for a device that was revoked; [`Error::Untrusted`]: a hard stop.
    pub async fn open_device(&self, store: &DeviceStore) -> Result<Account, Error> {
        let name = store.device.to_string();
        let pin = first_pin(store).merged(self.platform.load_pin(&name).await);
        let key = Rc::new(store.signing_key());
        let session = Rc::new(DeviceSession::new(key.clone()));
        let client = self.in_session(session.clone());
        let answer = session.sign_in(&client).await?;
        if answer.account != store.account {
            return Err(Error::untrusted("the device is shown another account than its own"));
        }
        let newest = answer.account_state_seq;
        let states = client.verified_states(newest, store.account, &store.identity, Some(&pin)).await?;
        let newest = states.last().expect("there is a state for each number from 0");
        let wrap_key = DeviceWrapKey::from_bytes(*store.wrap_key.expose_secret());
        let enrolled = EnrolledDevice { key, wrap_key, enrolment: store.enrolment };
        let vaults = unlock(&client, store, &enrolled, newest).await?;
        let pin = Pin {
            iterations: newest.body.kdf.iterations,
            account_state: ChainPin { seq: newest.seq, hash: Base64Array(newest.hash) },
            ..pin
        };
        self.platform.save_pin(&name, &pin).await;
        Ok(Account::new(client, Signer::Device(enrolled), states, vaults, pin))
    }
}

/// The keys in the store, or those that the account sealed for the device since.
async fn unlock(
    client: &Client,
    store: &DeviceStore,
    device: &EnrolledDevice,
    state: &AccountState,
) -> Result<Vec<UnlockedVault>, Error> {
    let certificate = state.device(&store.device);
    let certificate = certificate.ok_or_else(|| Error::NotAdmitted("its owner revoked it".to_owned()))?;
    if certificate.public_key != device.key.public() {
        return Err(Error::untrusted("the certificate is not this device's"));
    }
    let stored = |vault: &VaultId| {
        let found = store.vaults.iter().find(|stored| stored.vault == *vault)?;
        (state.newest_epoch(vault) == u32::try_from(found.keys.len()).ok()).then_some(found)
    };
    match certificate.vaults.iter().map(stored).collect::<Option<Vec<_>>>() {
        Some(stored) => {
            stored.iter().map(|vault| UnlockedVault::new(vault.vault, &vault.keys, state)).collect()
        }
        None => keys::unlock_for_device(client, device, state).await,
    }
}

/// Where the device's chains began.
fn first_pin(store: &DeviceStore) -> Pin {
    let pin = |at: &ChainPosition| ChainPin { seq: at.seq, hash: Base64Array(at.hash) };
    Pin {
        identity: store.identity,
        iterations: 0,
        account_state: pin(&store.account_state),
        vaults: store.vaults.iter().map(|vault| (vault.vault, pin(&vault.head))).collect(),
    }
}

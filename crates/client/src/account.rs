//! A signed-in, unlocked account: its owner's, or as a device that was admitted to it.

use std::cell::RefCell;
use std::rc::Rc;

use crypto::enrolment::ChainPosition;
use crypto::password::Login;
use crypto::seal::DeviceWrapKey;
use crypto::sign::{Author, DeviceKey, IdentityKey};
use protocol::bytes::Base64Array;
use protocol::envelope::EnvelopeHash;
use protocol::envelope::account_state::AccountState;
use protocol::id::{DeviceId, EnrolmentId, NodeId, VaultId};
use protocol::nodes::{NodesResponse, RemovalResponse};
use protocol::sessions::AccountRole;
use protocol::signature::PublicKey;

use crate::api::Client;
use crate::error::Error;
use crate::keys::{self, KeyRing, UnlockedVault};
use crate::mailbox::Mailbox;
use crate::pin::{ChainPin, Pin};
use crate::vault::Vault;

/// A signed-in account. Cheap to clone; its keys are overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct Account(Rc<Inner>);

struct Inner {
    client: Client,
    /// What pins are remembered under: the owner's login, or the device's id.
    name: String,
    signer: Signer,
    identity: PublicKey,
    states: RefCell<Vec<Rc<AccountState>>>,
    vaults: RefCell<Vec<UnlockedVault>>,
    pin: RefCell<Pin>,
    mailbox: RefCell<Mailbox>,
}

/// Who works with the account, and with what keys.
pub(crate) enum Signer {
    /// Its owner.
    Owner(Box<Owner>),
    /// One of its devices.
    Device(EnrolledDevice),
}

/// The owner's keys.
pub(crate) struct Owner {
    pub(crate) login: Login,
    pub(crate) role: AccountRole,
    pub(crate) identity: IdentityKey,
    pub(crate) wrap_key: crypto::account::WrapKey,
}

/// A device's keys.
pub(crate) struct EnrolledDevice {
    pub(crate) key: Rc<DeviceKey>,
    pub(crate) wrap_key: DeviceWrapKey,
    pub(crate) enrolment: EnrolmentId,
}

impl Account {
    pub(crate) fn new(
        client: Client,
        signer: Signer,
        states: Vec<Rc<AccountState>>,
        vaults: Vec<UnlockedVault>,
        pin: Pin,
    ) -> Self {
        let name = match &signer {
            Signer::Owner(owner) => owner.login.as_str().to_owned(),
            Signer::Device(device) => device.key.device().to_string(),
        };
        let (identity, states, vaults) = (pin.identity, RefCell::new(states), RefCell::new(vaults));
        Self(Rc::new(Inner {
            client,
            name,
            signer,
            identity,
            states,
            vaults,
            pin: RefCell::new(pin),
            mailbox: RefCell::default(),
        }))
    }

    /// By what login; for a device, its id.
    pub fn login(&self) -> &str {
        &self.0.name
    }

    /// What it may do on the server.
    pub fn role(&self) -> AccountRole {
        match &self.0.signer {
            Signer::Owner(owner) => owner.role,
            Signer::Device(_) => AccountRole::Member,
        }
    }

    /// The device that this is, unless it is the owner.
    pub fn device(&self) -> Option<DeviceId> {
        self.author().device()
    }

    /// Ends the session.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.0.client.logout().await
    }

    /// All storage nodes.
    pub async fn nodes(&self) -> Result<NodesResponse, Error> {
        self.0.client.nodes().await
    }

    /// Empties a storage node, or lets it keep blobs again. For the operator.
    pub async fn drain_node(&self, node: NodeId, drain: bool) -> Result<(), Error> {
        self.0.client.drain_node(node, drain).await
    }

    /// What goes if a storage node is removed now. For the operator.
    pub async fn preview_removal(&self, node: NodeId) -> Result<RemovalResponse, Error> {
        self.0.client.preview_removal(node).await
    }

    /// Removes a storage node for good; with `force`, also if the only copies of some blobs go with it. For the
    /// operator.
    pub async fn remove_node(&self, node: NodeId, force: bool) -> Result<(), Error> {
        self.0.client.remove_node(node, force).await
    }

    /// Opens the account's first vault, the one that takes uploads: reads its log and verifies every commit.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where the log is not what was signed, or less than what this device saw before.
    pub async fn open_vault(&self) -> Result<Vault, Error> {
        let first = self.vaults().first().copied();
        let first = first.ok_or_else(|| Error::untrusted("the account has no vault"))?;
        self.open(first).await
    }

    /// Opens all vaults that it holds keys of, in the order in which they were made.
    ///
    /// # Errors
    /// As [`Account::open_vault`].
    pub async fn open_vaults(&self) -> Result<Vec<Vault>, Error> {
        let mut opened = Vec::new();
        for vault in self.vaults() {
            opened.push(self.open(vault).await?);
        }
        Ok(opened)
    }

    /// Opens each vault that it holds keys of, in the order in which they were made: one that cannot be trusted is
    /// no reason to have none.
    pub async fn open_each(&self) -> Vec<(VaultId, Result<Vault, Error>)> {
        let mut opened = Vec::new();
        for vault in self.vaults() {
            let result = self.open(vault).await;
            if let Err(error) = &result {
                tracing::warn!(%error, vault = %vault.short(), "a vault does not open");
            }
            opened.push((vault, result));
        }
        opened
    }

    /// Opens a vault; what an interrupted revocation left to do in it is done first, if it can be.
    pub(crate) async fn open(&self, vault: VaultId) -> Result<Vault, Error> {
        let keys = self.keys(&vault).ok_or_else(|| Error::untrusted("a vault without keys"))?;
        let opened = Vault::open(self.clone(), vault, keys).await?;
        if let Err(error) = self.complete_revocation(&opened).await {
            tracing::warn!(%error, vault = %vault.short(), "a revocation stays to be completed");
        }
        Ok(opened)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Who signs what is written.
    pub(crate) fn author(&self) -> Author<'_> {
        match &self.0.signer {
            Signer::Owner(owner) => Author::Identity(&owner.identity),
            Signer::Device(device) => Author::Device(&device.key),
        }
    }

    /// The owner's keys.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`] for a device.
    pub(crate) fn owner(&self) -> Result<&Owner, Error> {
        match &self.0.signer {
            Signer::Owner(owner) => Ok(owner.as_ref()),
            Signer::Device(_) => Err(Error::OwnerOnly),
        }
    }

    pub(crate) fn mailbox(&self) -> &RefCell<Mailbox> {
        &self.0.mailbox
    }

    /// The account's identity, by which everything is verified.
    pub(crate) fn identity(&self) -> PublicKey {
        self.0.identity
    }

    /// The vaults that it holds keys of, in the order of the account state.
    pub(crate) fn vaults(&self) -> Vec<VaultId> {
        self.0.vaults.borrow().iter().map(|unlocked| unlocked.vault).collect()
    }

    pub(crate) fn keys(&self, vault: &VaultId) -> Option<KeyRing> {
        let vaults = self.0.vaults.borrow();
        vaults.iter().find(|unlocked| unlocked.vault == *vault).map(|unlocked| unlocked.keys.clone())
    }

    pub(crate) fn newest_state(&self) -> Rc<AccountState> {
        self.0.states.borrow().last().expect("an account has at least its first state").clone()
    }

    /// The account state with this number, if it is verified.
    pub(crate) fn state(&self, seq: u64) -> Option<Rc<AccountState>> {
        self.0.states.borrow().get(usize::try_from(seq).ok()?).cloned()
    }

    /// Reads and verifies the account states that came since, and the vault keys that they list. A device does so
    /// when it hears of a new state, before its next commit.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: a hard stop. [`Error::NotAdmitted`] for a device that was revoked.
    pub async fn refresh_states(&self) -> Result<(), Error> {
        let came = self.0.client.states_after(&self.newest_state(), &self.0.identity).await?;
        let Some(newest) = came.last().cloned() else { return Ok(()) };
        self.refresh_keys(&newest).await?;
        let pin = {
            let mut pin = self.0.pin.borrow_mut();
            // Somebody else may have read further meanwhile.
            if newest.seq > pin.account_state.seq {
                pin.account_state = ChainPin { seq: newest.seq, hash: Base64Array(newest.hash) };
                pin.iterations = newest.body.kdf.iterations;
            }
            pin.clone()
        };
        self.0.client.platform.save_pin(self.login(), &pin).await;
        // Somebody else may have read the same states meanwhile.
        let mut states = self.0.states.borrow_mut();
        let known = states.len() as u64;
        states.extend(came.into_iter().filter(|state| state.seq >= known));
        Ok(())
    }

    /// Opens the keys that a newer state lists.
    async fn refresh_keys(&self, state: &AccountState) -> Result<(), Error> {
        let client = &self.0.client;
        let unlocked = match &self.0.signer {
            Signer::Owner(owner) => {
                let entries = client.vaults().await?.vaults;
                keys::unlock_for_owner(client, &owner.wrap_key, state, &entries).await?
            }
            Signer::Device(device) => keys::unlock_for_device(client, device, state).await?,
        };
        let mut vaults = self.0.vaults.borrow_mut();
        for new in unlocked {
            match vaults.iter().find(|known| known.vault == new.vault) {
                Some(known) => known.keys.update(&new.keys),
                None => vaults.push(new),
            }
        }
        Ok(())
    }

    pub(crate) fn pinned_head(&self, vault: &VaultId) -> Option<ChainPin> {
        self.0.pin.borrow().vaults.get(vault).copied()
    }

    /// The newest commit of a vault that was verified.
    pub(crate) fn verified_head(&self, vault: &VaultId) -> Result<ChainPosition, Error> {
        let pin = self.pinned_head(vault).ok_or_else(|| Error::untrusted("a vault without a log"))?;
        Ok(ChainPosition { seq: pin.seq, hash: pin.hash.0 })
    }

    /// Remembers a verified head durably.
    pub(crate) async fn pin_head(&self, vault: VaultId, seq: u64, hash: EnvelopeHash) {
        let pin = {
            let mut pin = self.0.pin.borrow_mut();
            let newest = ChainPin { seq, hash: Base64Array(hash) };
            // The same vault may be open twice, and read further there.
            let pinned = pin.vaults.entry(vault).or_insert(newest);
            if newest.seq > pinned.seq {
                *pinned = newest;
            }
            pin.clone()
        };
        self.0.client.platform.save_pin(self.login(), &pin).await;
    }
}

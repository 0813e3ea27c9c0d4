//! A signed-in, unlocked account.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crypto::password::Login;
use crypto::sign::IdentityKey;
use crypto::vault::VaultKeys;
use protocol::bytes::Base64Array;
use protocol::envelope::EnvelopeHash;
use protocol::envelope::account_state::AccountState;
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::nodes::NodesResponse;
use protocol::sessions::AccountRole;

use crate::api::Client;
use crate::error::Error;
use crate::pin::{ChainPin, Pin};
use crate::vault::Vault;

/// A vault whose keys were verified.
pub(crate) struct UnlockedVault {
    pub(crate) vault: VaultId,
    pub(crate) keys: Arc<VaultKeys>,
}

/// A signed-in account. Cheap to clone; its keys are overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct Account(Rc<Inner>);

struct Inner {
    client: Client,
    login: Login,
    role: AccountRole,
    identity: IdentityKey,
    states: RefCell<Vec<Rc<AccountState>>>,
    vaults: Vec<UnlockedVault>,
    pin: RefCell<Pin>,
}

impl Account {
    pub(crate) fn new(
        client: Client,
        login: Login,
        role: AccountRole,
        identity: IdentityKey,
        states: Vec<Rc<AccountState>>,
        vaults: Vec<UnlockedVault>,
        pin: Pin,
    ) -> Self {
        let (states, pin) = (RefCell::new(states), RefCell::new(pin));
        Self(Rc::new(Inner { client, login, role, identity, states, vaults, pin }))
    }

    /// By what login.
    pub fn login(&self) -> &str {
        self.0.login.as_str()
    }

    /// What it may do on the server.
    pub fn role(&self) -> AccountRole {
        self.0.role
    }

    /// Ends the session.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.0.client.logout().await
    }

    /// All storage nodes.
    pub async fn nodes(&self) -> Result<NodesResponse, Error> {
        self.0.client.nodes().await
    }

    /// Opens the account's vault: reads its log and verifies every commit.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where the log is not what was signed, or less than what this device saw before.
    pub async fn open_vault(&self) -> Result<Vault, Error> {
        let unlocked = self.0.vaults.first().ok_or_else(|| Error::untrusted("the account has no vault"))?;
        Vault::open(self.clone(), unlocked.vault, unlocked.keys.clone()).await
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn identity(&self) -> &IdentityKey {
        &self.0.identity
    }

    pub(crate) fn newest_state(&self) -> Rc<AccountState> {
        self.0.states.borrow().last().expect("an account has at least its first state").clone()
    }

    /// The account state with this number, if it is verified.
    pub(crate) fn state(&self, seq: u64) -> Option<Rc<AccountState>> {
        self.0.states.borrow().get(usize::try_from(seq).ok()?).cloned()
    }

    /// Reads and verifies the account states that came since.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: a hard stop.
    pub(crate) async fn refresh_states(&self) -> Result<(), Error> {
        loop {
            let newest = self.newest_state();
            let bytes = match self.0.client.account_state(newest.seq + 1).await {
                Ok(bytes) => bytes,
                Err(error) if error.code() == Some(ErrorCode::NotFound) => return Ok(()),
                Err(error) => return Err(error),
            };
            let state = AccountState::verify(&bytes, &self.0.identity.public())?;
            state.check_follows(&newest)?;
            let pin = {
                let mut pin = self.0.pin.borrow_mut();
                pin.account_state = ChainPin { seq: state.seq, hash: Base64Array(state.hash) };
                pin.iterations = state.body.kdf.iterations;
                pin.clone()
            };
            self.0.client.platform.save_pin(self.login(), &pin).await;
            self.0.states.borrow_mut().push(Rc::new(state));
        }
    }

    pub(crate) fn pinned_head(&self, vault: &VaultId) -> Option<ChainPin> {
        self.0.pin.borrow().vaults.get(vault).copied()
    }

    /// Remembers a verified head durably.
    pub(crate) async fn pin_head(&self, vault: VaultId, seq: u64, hash: EnvelopeHash) {
        let pin = {
            let mut pin = self.0.pin.borrow_mut();
            pin.vaults.insert(vault, ChainPin { seq, hash: Base64Array(hash) });
            pin.clone()
        };
        self.0.client.platform.save_pin(self.login(), &pin).await;
    }
}

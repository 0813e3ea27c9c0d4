//! Signing in: nothing is sent before the server's key derivation was checked, nothing is unwrapped for use before a
//! signed account state confirms it, and what was pinned on this device must still hold.

use std::rc::Rc;

use crypto::Secret as _;
use crypto::account::{AccountKey, WrapKey};
use crypto::password::{Kdf, Login, Password, PasswordKeys};
use crypto::seal::{AccountByPassword, unwrap};
use protocol::bytes::Base64Array;
use protocol::envelope::account_state::{AccountState, KdfParameters};
use protocol::error::ErrorCode;
use protocol::sessions::{LoginRequest, LoginResponse};
use protocol::signature::PublicKey;

use crate::account::{Account, Owner, Signer};
use crate::api::Client;
use crate::error::Error;
use crate::keys::{self, UnlockedVault};
use crate::pin::{ChainPin, Pin};

/// What a password stands for, and how it came to.
pub(crate) struct Credentials {
    pub(crate) login: Login,
    pub(crate) keys: PasswordKeys,
    pub(crate) kdf: Kdf,
    pub(crate) account_salt: [u8; 32],
}

impl Client {
    /// Signs in and unlocks the account. Takes about a second.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::Kdf`] before anything was sent; [`Error::Untrusted`] where the server's
    /// word is not the owner's.
    pub async fn sign_in(&self, login: &str, password: &str) -> Result<Account, Error> {
        let login = Login::parse(login)?;
        let password = Password::parse(password)?;
        let pinned = self.platform.load_pin(login.as_str()).await;
        let pinned_kdf = match &pinned {
            Some(pin) => Some(Kdf::accept(Kdf::ID, pin.iterations.into(), None)?),
            None => None,
        };
        let offered = self.prelogin(login.as_str()).await?;
        let kdf = Kdf::accept(offered.kdf_id, offered.iterations.into(), pinned_kdf)?;
        let account_salt = offered.account_salt.0;
        let credentials = self
            .platform
            .run(move |backend| async move {
                let keys = PasswordKeys::derive(&backend, &password, &login, &account_salt, kdf).await?;
                Ok::<_, Error>(Credentials { login, keys, kdf, account_salt })
            })
            .await?;
        self.open_account(&credentials).await
    }

    /// Opens a session and verifies all that the server says of the account.
    pub(crate) async fn open_account(&self, credentials: &Credentials) -> Result<Account, Error> {
        let login = credentials.login.as_str();
        let request = LoginRequest {
            login: login.to_owned(),
            auth_key: Base64Array(*credentials.keys.auth.expose_secret()),
        };
        let answer = self.login(&request).await.map_err(|error| match error.code() {
            Some(ErrorCode::WrongCredentials) => Error::WrongPassword,
            _ => error,
        })?;
        let pinned = self.platform.load_pin(login).await;
        // Where the identity is known from before, nothing is unwrapped until the states that it signed confirm how
        // the password became a key.
        let confirmed = match &pinned {
            Some(pin) => Some(self.verify_states(credentials, &answer, &pin.identity, Some(pin)).await?),
            None => None,
        };
        let account_key = self.unwrap_account(credentials, &answer).await?;
        let identity = account_key.derive_identity();
        if pinned.as_ref().is_some_and(|pin| pin.identity != identity.public()) {
            return Err(Error::untrusted("this login belongs to another account than before"));
        }
        if answer.identity != identity.public() {
            return Err(Error::untrusted("the account's identity is not what its key says"));
        }
        let mut states = match confirmed {
            Some(states) => states,
            None => self.verify_states(credentials, &answer, &identity.public(), None).await?,
        };
        let wrap_key = account_key.derive_wrap_key();
        let vaults = self.unlock_vaults(&wrap_key, &mut states, &identity.public()).await?;
        let newest = states.last().expect("there is a state for each number from 0");
        let pin = Pin {
            identity: identity.public(),
            iterations: newest.body.kdf.iterations,
            account_state: ChainPin { seq: newest.seq, hash: Base64Array(newest.hash) },
            vaults: pinned.map(|pin| pin.vaults).unwrap_or_default(),
        };
        self.platform.save_pin(login, &pin).await;
        let owner = Owner { login: credentials.login.clone(), role: answer.role, identity, wrap_key };
        Ok(Account::new(self.clone(), Signer::Owner(Box::new(owner)), states, vaults, pin))
    }

    async fn unwrap_account(
        &self,
        credentials: &Credentials,
        answer: &LoginResponse,
    ) -> Result<AccountKey, Error> {
        let context = AccountByPassword { account: answer.account, kdf: credentials.kdf };
        let backend = self.platform.backend();
        Ok(unwrap(&backend, &credentials.keys.kek, &context, &answer.password_wrap.0).await?)
    }

    /// All account states, whose end confirms the credentials' key derivation.
    async fn verify_states(
        &self,
        credentials: &Credentials,
        answer: &LoginResponse,
        identity: &PublicKey,
        pinned: Option<&Pin>,
    ) -> Result<Vec<Rc<AccountState>>, Error> {
        let states = self.verified_states(answer.account_state_seq, answer.account, identity, pinned).await?;
        let used = KdfParameters {
            kdf_id: Kdf::ID,
            iterations: credentials.kdf.iterations(),
            account_salt: credentials.account_salt,
        };
        if states.last().is_none_or(|newest| newest.body.kdf != used) {
            return Err(Error::untrusted("the settings for the passphrase are not those that were signed"));
        }
        Ok(states)
    }

    /// Unwraps every vault key that the newest account state lists, and no other. States that came meanwhile, and
    /// vaults with them, are added to `states`.
    async fn unlock_vaults(
        &self,
        wrap_key: &WrapKey,
        states: &mut Vec<Rc<AccountState>>,
        identity: &PublicKey,
    ) -> Result<Vec<UnlockedVault>, Error> {
        let entries = self.vaults().await?.vaults;
        let mut newest = states.last().expect("there is a state for each number from 0").clone();
        let is_unknown =
            |newest: &AccountState| entries.iter().any(|entry| newest.newest_epoch(&entry.vault).is_none());
        if is_unknown(&newest) {
            states.extend(self.states_after(&newest, identity).await?);
            newest = states.last().expect("there is a state for each number from 0").clone();
            if is_unknown(&newest) {
                return Err(Error::untrusted("the server shows a vault that the account does not have"));
            }
            // Asked again: the newer states may list more than what was shown before them.
            let entries = self.vaults().await?.vaults;
            return keys::unlock_for_owner(self, wrap_key, &newest, &entries).await;
        }
        keys::unlock_for_owner(self, wrap_key, &newest, &entries).await
    }
}

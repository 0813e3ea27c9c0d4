//! Making an account: all keys are made and checked here before the server hears of anything.

use crypto::account::AccountKey;
use crypto::commit::{NewBody, NewCommit, Settings, Source, seal_commit};
use crypto::password::{Kdf, Login, Password, PasswordKeys};
use crypto::recovery::RecoveryKey;
use crypto::seal::{AccountByPassword, AccountByRecovery, RecoveryOfAccount, VaultOfAccount, unwrap, wrap};
use crypto::sign::Author;
use crypto::vault::{VaultKey, VaultKeys};
use crypto::{Backend, Salt, Secret as _};
use protocol::accounts::{NewVault, RegisterRequest};
use protocol::bytes::{Base64, Base64Array};
use protocol::digest::sha256;
use protocol::envelope::account_state::{AccountStateBody, KdfParameters, VaultKeyRow};
use protocol::id::{AccountId, SourceId, VaultId};
use protocol::refs;

use crate::account::Account;
use crate::api::Client;
use crate::error::Error;
use crate::platform::Platform;
use crate::sign_in::Credentials;

/// Names that a new account begins with; its owner can change them.
const VAULT_NAME: &str = "Backups";
const UPLOADS_NAME: &str = "Browser uploads";

/// The token of a link by which somebody may make an account.
#[derive(Clone, PartialEq, Eq)]
pub enum Ticket {
    /// Makes the operator's.
    Setup(String),
    /// An operator invited them.
    Invitation(String),
}

/// An account that exists only here, until its owner has kept the recovery key.
pub struct PendingAccount {
    client: Client,
    recovery_text: String,
    credentials: Credentials,
    request: RegisterRequest,
}

impl Client {
    /// Makes all keys of a new account. Takes about a second, and sends nothing.
    ///
    /// # Errors
    /// [`Error::Login`], [`Error::Password`].
    pub async fn prepare_account(&self, login: &str, password: &str) -> Result<PendingAccount, Error> {
        let login = Login::parse(login)?;
        let password = Password::parse(password)?;
        let fresh = Fresh::draw(&*self.platform);
        let prepared = self.platform.run(move |backend| prepare(backend, login, password, fresh)).await?;
        let (request, credentials, recovery_text) = prepared;
        Ok(PendingAccount { client: self.clone(), recovery_text, credentials, request })
    }
}

impl PendingAccount {
    /// The recovery key: seven groups of eight characters, joined by hyphens. To be shown once.
    pub fn recovery_text(&self) -> &str {
        &self.recovery_text
    }

    /// Whether `typed` is the group of the recovery key at `index`, counted from 0.
    pub fn confirm_group(&self, index: usize, typed: &str) -> bool {
        let same = |a: char, b: char| a.eq_ignore_ascii_case(&b);
        let typed = typed.trim();
        self.recovery_text.split('-').nth(index).is_some_and(|group| {
            group.len() == typed.len() && group.chars().zip(typed.chars()).all(|(a, b)| same(a, b))
        })
    }

    /// Registers the account and signs in, reading everything back from the server.
    ///
    /// # Errors
    /// [`Error::Api`] with the server's reason; the account can be registered again after it.
    pub async fn register(&self, ticket: Option<Ticket>) -> Result<Account, Error> {
        let (setup_token, invitation) = match ticket {
            None => (None, None),
            Some(Ticket::Setup(token)) => (Some(token), None),
            Some(Ticket::Invitation(token)) => (None, Some(token)),
        };
        let request = RegisterRequest { setup_token, invitation, ..self.request.clone() };
        self.client.register(&request).await?;
        self.client.open_account(&self.credentials).await
    }
}

/// All that is random in a new account.
struct Fresh {
    account: AccountId,
    vault: VaultId,
    uploads: SourceId,
    account_salt: [u8; 32],
    account_key: AccountKey,
    recovery_key: RecoveryKey,
    vault_key: VaultKey,
    salts: [Salt; 5],
}

impl Fresh {
    fn draw(platform: &dyn Platform) -> Self {
        const NOT_ZERO: &str = "16 random bytes are not all zero";
        Self {
            account: AccountId::from_bytes(platform.random()).expect(NOT_ZERO),
            vault: VaultId::from_bytes(platform.random()).expect(NOT_ZERO),
            uploads: SourceId::from_bytes(platform.random()).expect(NOT_ZERO),
            account_salt: platform.random(),
            account_key: AccountKey::from_bytes(platform.random()),
            recovery_key: RecoveryKey::from_bytes(platform.random()),
            vault_key: VaultKey::from_bytes(platform.random()),
            salts: std::array::from_fn(|_| platform.salt()),
        }
    }
}

async fn prepare(
    backend: Backend,
    login: Login,
    password: Password,
    fresh: Fresh,
) -> Result<(RegisterRequest, Credentials, String), Error> {
    let Fresh { account, vault, uploads, account_salt, account_key, recovery_key, vault_key, salts } = fresh;
    let kdf = Kdf::DEFAULT;
    let keys = PasswordKeys::derive(&backend, &password, &login, &account_salt, kdf).await?;
    let wrap_key = account_key.derive_wrap_key();
    let recovery_kek = recovery_key.derive_kek();
    let [salt_password, salt_recovery, salt_vault, salt_recovery_key, salt_commit] = salts;

    let by_password = AccountByPassword { account, kdf };
    let password_wrap = wrap(&backend, &keys.kek, &by_password, &account_key, salt_password).await?;
    let by_recovery = AccountByRecovery { account };
    let recovery_wrap = wrap(&backend, &recovery_kek, &by_recovery, &account_key, salt_recovery).await?;
    // What the paper says must open the account, checked the way a recovery would do it.
    let recovery_text = recovery_key.to_text().to_string();
    let copied = RecoveryKey::parse(&recovery_text).map_err(|error| Error::Untrusted(error.to_string()))?;
    if unwrap(&backend, &copied.derive_kek(), &by_recovery, &recovery_wrap).await? != account_key {
        return Err(Error::untrusted("the recovery key does not open the account"));
    }
    let of_account = VaultOfAccount { account, vault, epoch: 1 };
    let key_wrap = wrap(&backend, &wrap_key, &of_account, &vault_key, salt_vault).await?;
    let recovery_key_wrap =
        wrap(&backend, &wrap_key, &RecoveryOfAccount { account }, &recovery_key, salt_recovery_key).await?;

    let identity = account_key.derive_identity();
    let state = AccountStateBody {
        certificates: Vec::new(),
        revoked: Vec::new(),
        vault_keys: vec![VaultKeyRow { vault, epoch: 1, digest: vault_key.digest(vault, 1) }],
        kdf: KdfParameters { kdf_id: Kdf::ID, iterations: kdf.iterations(), account_salt },
        recovery_wrap_hash: sha256(&[&recovery_wrap]),
        extensions: Vec::new(),
    };
    let account_state = identity.sign_account_state(account, 0, &[0; 32], &state);
    let genesis = NewCommit {
        body: NewBody::Settings(&first_settings(uploads)),
        seq: 0,
        prev: [0; 32],
        digest: refs::digest(&[]),
        account_state_seq: 0,
    };
    let vault_keys = VaultKeys::new(vault, &vault_key);
    let genesis =
        seal_commit(&backend, &vault_keys, Author::Identity(&identity), &genesis, salt_commit).await?;

    let request = RegisterRequest {
        setup_token: None,
        invitation: None,
        account,
        login: login.as_str().to_owned(),
        account_salt: Base64Array(account_salt),
        kdf_id: Kdf::ID,
        iterations: kdf.iterations(),
        auth_key: Base64Array(*keys.auth.expose_secret()),
        recovery_auth: Base64Array(*recovery_key.derive_auth_key().expose_secret()),
        password_wrap: Base64(password_wrap),
        recovery_wrap: Base64(recovery_wrap),
        recovery_key_wrap: Base64(recovery_key_wrap),
        identity: identity.public(),
        account_state: Base64(account_state),
        vault: NewVault { vault, key_wrap: Base64(key_wrap), genesis: Base64(genesis) },
    };
    Ok((request, Credentials { login, keys, kdf, account_salt }, recovery_text))
}

fn first_settings(uploads: SourceId) -> Settings {
    let uploads = Source::new(uploads, UPLOADS_NAME.to_owned(), None);
    Settings {
        vault_name: VAULT_NAME.to_owned(),
        sources: vec![uploads],
        compression_off: false,
        devices: Vec::new(),
        extensions: Vec::new(),
    }
}

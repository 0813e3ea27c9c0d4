//! Proving the passphrase once more, before what whoever merely found the session open is not to do.

use crypto::Secret as _;
use crypto::password::{Kdf, Password, PasswordKeys};
use protocol::bytes::Base64Array;
use protocol::error::ErrorCode;
use protocol::sessions::StepUpRequest;

use crate::account::Account;
use crate::error::Error;

impl Account {
    /// Proves the passphrase: for the next minutes the session may do what [`ErrorCode::StepUpRequired`] refused it.
    /// Signing in proves it too. Takes about a second.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], which counts as a failed sign-in; [`Error::OwnerOnly`] on a device.
    pub async fn step_up(&self, password: &str) -> Result<(), Error> {
        let login = self.owner()?.login.clone();
        let password = Password::parse(password)?;
        // How the password becomes a key, the newest state has signed.
        let signed = self.newest_state().body.kdf.clone();
        let kdf = Kdf::accept(signed.kdf_id, signed.iterations.into(), None)?;
        let platform = &self.client().platform;
        let keys = platform
            .run(move |backend| async move {
                PasswordKeys::derive(&backend, &password, &login, &signed.account_salt, kdf).await
            })
            .await?;
        let request = StepUpRequest { auth_key: Base64Array(*keys.auth.expose_secret()) };
        self.client().step_up(&request).await.map_err(|error| match error.code() {
            Some(ErrorCode::WrongCredentials) => Error::WrongPassword,
            _ => error,
        })
    }
}

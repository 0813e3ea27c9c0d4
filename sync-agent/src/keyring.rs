//! The keyring of a desktop session, where there is one: the [Secret Service] that GNOME, KDE and KeePassXC offer. It
//! keeps one secret for each device, under the device's id.
//!
//! [Secret Service]: https://specifications.freedesktop.org/secret-service-spec/latest/

use std::collections::HashMap;
use std::time::Duration;

use protocol::id::DeviceId;
use secret_service::{EncryptionType, Error, SecretService};
use zeroize::Zeroizing;

const APPLICATION: (&str, &str) = ("application", "triplicate-agent");
const CONTENT_TYPE: &str = "text/plain";
/// So long somebody may take to type the password of a locked keyring.
const PATIENCE: Duration = Duration::from_mins(1);

/// The keyring does not give or take a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is no session, or none with a keyring.
    #[error("there is no keyring here")]
    Absent,
    /// Nobody unlocked it.
    #[error("the keyring is locked")]
    Locked,
    /// It does not do as the specification says.
    #[error("the keyring failed")]
    Failed(#[source] Box<Error>),
}

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable => Self::Absent,
            Error::Locked | Error::Prompt | Error::PromptDisconnected => Self::Locked,
            error => Self::Failed(Box::new(error)),
        }
    }
}

/// The secret of a device; `None` where the keyring has none. Asks for the keyring's password if need be.
///
/// # Errors
/// [`KeyringError`]. A keyring that nobody unlocks within a minute stays locked.
pub(crate) async fn get(device: DeviceId) -> Result<Option<Zeroizing<String>>, KeyringError> {
    in_time(async {
        let service = connect().await?;
        let device = device.to_string();
        let found = service.search_items(attributes(&device)).await?;
        let Some(item) = found.unlocked.first().or(found.locked.first()) else { return Ok(None) };
        item.unlock().await?;
        let secret = Zeroizing::new(item.get_secret().await?);
        Ok(Some(Zeroizing::new(String::from_utf8_lossy(&secret).into_owned())))
    })
    .await
}

/// Keeps the secret of a device, in the place of one that it had. It is in the keyring's own file when this returns.
///
/// # Errors
/// See [`get`].
pub(crate) async fn put(device: DeviceId, secret: &str) -> Result<(), KeyringError> {
    in_time(async {
        let service = connect().await?;
        let keyring = match service.get_default_collection().await {
            Err(Error::NoResult) => return Err(KeyringError::Absent),
            keyring => keyring?,
        };
        keyring.unlock().await?;
        let id = device.to_string();
        let label = format!("Triplicate: keys of device {}", device.short());
        keyring.create_item(&label, attributes(&id), secret.as_bytes(), true, CONTENT_TYPE).await?;
        Ok(())
    })
    .await
}

/// A bus that is there but does not answer must not hold up the agent.
async fn in_time<T>(work: impl Future<Output = Result<T, KeyringError>>) -> Result<T, KeyringError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(KeyringError::Locked))
}

/// Secrets are encrypted on their way, so that who listens on the bus learns none.
async fn connect() -> Result<SecretService<'static>, KeyringError> {
    SecretService::connect(EncryptionType::Dh).await.map_err(|error| match error {
        Error::Zbus(reason) => {
            tracing::debug!(%reason, "no session bus, or no keyring on it");
            KeyringError::Absent
        }
        error => error.into(),
    })
}

fn attributes(device: &str) -> HashMap<&str, &str> {
    HashMap::from([APPLICATION, ("device", device)])
}

//! Which devices are online: those with an open event stream, at whatever coordinator.

use crate::db::{self, AccountKey, DbError, DeviceStreamKey};
use crate::device_auth::Device;
use crate::events::News;
use crate::state::{App, AppState, commit};

/// A device's open event stream. Dropped with the stream; the device is then offline, unless it has another.
pub struct Presence {
    app: AppState,
    account: AccountKey,
    stream: DeviceStreamKey,
}

impl Presence {
    /// The device is online from now on.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin(app: &AppState, device: &Device) -> Result<Self, DbError> {
        let mut tx = app.begin().await?;
        let stream = db::devices::open_stream(&mut tx, device.key).await?;
        News::Devices { account: device.account.0 }.send(&mut tx).await?;
        commit(tx).await?;
        Ok(Self { app: app.clone(), account: device.account, stream })
    }

    /// The stream is still open. False if it is to end, because the device was revoked.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn renew(&self) -> Result<bool, DbError> {
        db::devices::keep_stream(&mut *self.app.connection().await?, self.stream).await
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let (app, account, stream) = (self.app.clone(), self.account, self.stream);
        tokio::spawn(async move {
            // What is left behind here goes stale by itself.
            if let Err(error) = end(&app, account, stream).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a device's stream is left behind");
            }
        });
    }
}

async fn end(app: &App, account: AccountKey, stream: DeviceStreamKey) -> Result<(), DbError> {
    let mut tx = app.begin().await?;
    db::devices::close_stream(&mut tx, stream).await?;
    News::Devices { account: account.0 }.send(&mut tx).await?;
    commit(tx).await
}

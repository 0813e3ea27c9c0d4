//! Wakes event streams: listens to what any coordinator announced through the database, and passes it on to the
//! streams of this one. An announcement only wakes; what is sent is read from the database.

use std::time::Duration;

use protocol::events::Event;
use protocol::id::VaultId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

use crate::db::{self, AccountKey, DbError};
use crate::state::App;

/// A stream that falls this far behind is ended, and begins anew with what holds then.
const BACKLOG: usize = 256;
const RECONNECT: Duration = Duration::from_secs(1);

/// What coordinators announce to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// A node joined or changed.
    Nodes,
    /// A vault has a new head.
    Head {
        /// Surrogate key of whose it is.
        account: i64,
        /// The vault.
        vault: VaultId,
        /// The newest commit's number.
        seq: u64,
    },
}

impl News {
    /// Announces it, once the transaction commits.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn send(&self, conn: &mut PgConnection) -> Result<(), DbError> {
        let payload = serde_json::to_string(self).expect("ids and numbers serialize");
        db::events::notify(conn, &payload).await
    }
}

/// What a stream is woken with.
#[derive(Debug, Clone)]
pub enum Wake {
    /// For everybody.
    All(Event),
    /// For one account.
    Only(AccountKey, Event),
    /// Announcements may have been lost: begin anew.
    Restart,
}

/// Where this coordinator's streams wait.
#[derive(Debug, Clone)]
pub struct EventHub(broadcast::Sender<Wake>);

impl Default for EventHub {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl EventHub {
    /// Waits for what comes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Wake> {
        self.0.subscribe()
    }

    fn send(&self, wake: Wake) {
        // Nobody listening is no fault.
        let _ = self.0.send(wake);
    }
}

/// Listens until the program stops.
pub async fn listen(app: &App) {
    loop {
        let ended = tokio::select! {
            result = listen_once(app) => result,
            () = app.stop.cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::warn!(error = &error as &dyn std::error::Error, "not listening for events");
        }
        app.events.send(Wake::Restart);
        tokio::select! {
            () = tokio::time::sleep(RECONNECT) => {}
            () = app.stop.cancelled() => return,
        }
    }
}

/// Until the connection is lost.
async fn listen_once(app: &App) -> Result<(), DbError> {
    let mut listener = PgListener::connect_with(&app.pool).await?;
    listener.listen(db::events::CHANNEL).await?;
    // Streams that were opened before we listened may have missed something.
    app.events.send(Wake::Restart);
    while let Some(notification) = listener.try_recv().await? {
        match serde_json::from_str(notification.payload()) {
            Ok(News::Nodes) => {
                let nodes = db::nodes::list_statuses(&mut *app.connection().await?).await?;
                app.events.send(Wake::All(Event::Nodes { nodes }));
            }
            Ok(News::Head { account, vault, seq }) => {
                app.events.send(Wake::Only(AccountKey(account), Event::Head { vault, seq }));
            }
            Err(error) => tracing::warn!(%error, "an announcement that this version does not know"),
        }
    }
    Ok(())
}

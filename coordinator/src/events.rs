//! Wakes event streams: listens to what any coordinator announced through the database, and passes it on to the
//! streams of this one. An announcement only wakes; what is sent is read from the database.

use std::time::Duration;

use protocol::events::Event;
use protocol::id::{DeviceId, EnrolmentId, VaultId};
use protocol::messages::Direction;
use protocol::nodes::NodesResponse;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

use crate::api::nodes;
use crate::caller::Caller;
use crate::db::{self, AccountKey, DbError};
use crate::state::App;

/// A stream that falls this far behind is ended, and begins anew with what holds then.
const BACKLOG: usize = 256;
const RECONNECT: Duration = Duration::from_secs(1);

/// What coordinators announce to each other. Accounts are named by their surrogate keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// A node joined or changed.
    Nodes,
    /// A vault has a new head.
    Head {
        /// Whose it is.
        account: i64,
        /// The vault.
        vault: VaultId,
        /// The newest commit's number.
        seq: u64,
    },
    /// An account has a new newest state.
    AccountState {
        /// The account.
        account: i64,
        /// The state's number.
        seq: u64,
    },
    /// A device came online, went offline, was admitted or revoked.
    Devices {
        /// Whose it is.
        account: i64,
    },
    /// Somebody used an enrolment's link.
    EnrolmentRequest {
        /// Whose it is.
        account: i64,
        /// Which.
        enrolment: EnrolmentId,
    },
    /// A message is to be passed on.
    Message {
        /// Its number in the database, because the message itself may be larger than an announcement.
        number: i64,
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
    /// Something happened that some may hear of.
    Event(Audience, Event),
    /// Announcements may have been lost: begin anew.
    Restart,
}

/// Who may hear of an event.
#[derive(Debug, Clone, Copy)]
pub enum Audience {
    /// Every person.
    Everybody,
    /// The account's people.
    People(AccountKey),
    /// The account's people and devices.
    Account(AccountKey),
    /// The account's people, and the devices that have this vault.
    Vault(AccountKey, VaultId),
    /// This device of the account.
    Device(AccountKey, DeviceId),
}

impl Audience {
    /// Does it include this caller?
    pub fn includes(self, caller: &Caller) -> bool {
        let is_person = caller.device().is_none();
        match self {
            Self::Everybody => is_person,
            Self::People(account) => is_person && account == caller.account(),
            Self::Account(account) => account == caller.account(),
            Self::Vault(account, vault) => account == caller.account() && caller.sees(&vault),
            Self::Device(account, id) => {
                account == caller.account() && caller.device().is_some_and(|device| device.id() == id)
            }
        }
    }
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
            Ok(news) => {
                if let Some((audience, event)) = read(app, news).await? {
                    app.events.send(Wake::Event(audience, event));
                }
            }
            Err(error) => tracing::warn!(%error, "an announcement that this version does not know"),
        }
    }
    Ok(())
}

/// What is to be told to whom.
async fn read(app: &App, news: News) -> Result<Option<(Audience, Event)>, DbError> {
    Ok(Some(match news {
        News::Nodes => {
            let NodesResponse { nodes, cluster } = nodes::describe(app).await?;
            (Audience::Everybody, Event::Nodes { nodes, cluster })
        }
        News::Head { account, vault, seq } => {
            (Audience::Vault(AccountKey(account), vault), Event::Head { vault, seq })
        }
        News::AccountState { account, seq } => {
            (Audience::Account(AccountKey(account)), Event::AccountState { seq })
        }
        News::Devices { account } => (Audience::People(AccountKey(account)), Event::Devices),
        News::EnrolmentRequest { account, enrolment } => {
            (Audience::People(AccountKey(account)), Event::EnrolmentRequest { enrolment })
        }
        News::Message { number } => {
            let found = db::messages::find(&mut *app.connection().await?, number).await?;
            let Some((account, message)) = found else { return Ok(None) };
            let audience = match message.direction {
                Direction::ToDevice => Audience::Device(account, message.device),
                Direction::FromDevice => Audience::People(account),
            };
            (audience, Event::Message { message })
        }
    }))
}

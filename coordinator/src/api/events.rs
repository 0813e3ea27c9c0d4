//! Server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::Stream;
use protocol::events::Event;
use protocol::nodes::NodesResponse;

use super::{account_states, nodes};
use crate::caller::Caller;
use crate::db;
use crate::device_auth::Device;
use crate::error::ApiResult;
use crate::events::Wake;
use crate::presence::Presence;
use crate::state::{App, AppState};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long and the client opens another, so that a session that ended is noticed.
const STREAM: Duration = Duration::from_mins(15);

/// What holds now and whatever changes, as far as it is the caller's to know.
pub async fn stream_events(
    State(state): State<AppState>,
    caller: Caller,
) -> ApiResult<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    // Before what holds now is read, so that no change falls between the two.
    let mut wakes = state.events.subscribe();
    let (now, presence) = match &caller {
        Caller::Person(_) => (list_nodes(&state).await?, None),
        Caller::Device(device) => {
            let presence = Presence::begin(&state, device).await?;
            (list_heads(&state, device).await?, Some(presence))
        }
    };
    let stop = state.stop.clone();
    let stream = async_stream::stream! {
        for event in &now {
            yield to_sse(event);
        }
        let end = tokio::time::sleep(STREAM);
        tokio::pin!(end);
        let mut beats = tokio::time::interval(KEEP_ALIVE);
        loop {
            let wake = tokio::select! {
                wake = wakes.recv() => wake,
                _ = beats.tick(), if presence.is_some() => {
                    if is_over(presence.as_ref()).await { break }
                    continue;
                }
                () = &mut end => break,
                () = stop.cancelled() => break,
            };
            match wake {
                Ok(Wake::Event(audience, event)) if audience.includes(&caller) => {
                    // Perhaps it is this device that was revoked: then it hears no more.
                    if matches!(event, Event::AccountState { .. }) && is_over(presence.as_ref()).await { break }
                    yield to_sse(&event);
                }
                Ok(Wake::Event(..)) => {}
                // Something was missed: the client opens another stream and learns what holds now.
                Ok(Wake::Restart) | Err(_) => break,
            }
        }
    };
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What a person may have missed.
async fn list_nodes(app: &App) -> ApiResult<Vec<Event>> {
    let NodesResponse { nodes, cluster } = nodes::describe(app).await?;
    Ok(vec![Event::Nodes { nodes, cluster }])
}

/// What a device may have missed: the newest account state, and the heads of its vaults.
async fn list_heads(app: &App, device: &Device) -> ApiResult<Vec<Event>> {
    let mut conn = app.connection().await?;
    let newest = account_states::newest(&mut conn, device.account, &device.identity).await?;
    let vaults = db::vaults::list(&mut conn, device.account).await?;
    let own = vaults.into_iter().filter(|entry| device.vaults().contains(&entry.vault));
    let heads = own.map(|entry| Event::Head { vault: entry.vault, seq: entry.head_seq });
    Ok(std::iter::once(Event::AccountState { seq: newest.seq }).chain(heads).collect())
}

/// Is this the stream of a device that may not listen any more? A database that does not answer ends it too.
async fn is_over(presence: Option<&Presence>) -> bool {
    match presence {
        None => false,
        Some(presence) => !presence.renew().await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot renew a device's presence");
            false
        }),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the stream's items are results")]
fn to_sse(event: &Event) -> Result<sse::Event, Infallible> {
    Ok(sse::Event::default().data(serde_json::to_string(event).expect("ids and numbers serialize")))
}

//! Server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::Stream;
use protocol::events::Event;

use crate::auth::Session;
use crate::db;
use crate::error::ApiResult;
use crate::events::Wake;
use crate::state::AppState;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long and the browser opens another, so that a session that ended is noticed.
const STREAM: Duration = Duration::from_mins(15);

/// All nodes at once and whenever one changed, and new heads of the caller's vaults.
pub async fn stream_events(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    // Before the snapshot is read, so that no change falls between the two.
    let mut wakes = state.events.subscribe();
    let nodes = db::nodes::list_statuses(&mut *state.connection().await?).await?;
    let stop = state.stop.clone();
    let stream = async_stream::stream! {
        yield to_sse(&Event::Nodes { nodes });
        let end = tokio::time::sleep(STREAM);
        tokio::pin!(end);
        loop {
            let wake = tokio::select! {
                wake = wakes.recv() => wake,
                () = &mut end => break,
                () = stop.cancelled() => break,
            };
            match wake {
                Ok(Wake::All(event)) => yield to_sse(&event),
                Ok(Wake::Only(account, event)) if account == session.account => yield to_sse(&event),
                Ok(Wake::Only(..)) => {}
                // Something was missed: the browser opens another stream and learns what holds now.
                Ok(Wake::Restart) | Err(_) => break,
            }
        }
    };
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

#[expect(clippy::unnecessary_wraps, reason = "the stream's items are results")]
fn to_sse(event: &Event) -> Result<sse::Event, Infallible> {
    Ok(sse::Event::default().data(serde_json::to_string(event).expect("ids and numbers serialize")))
}

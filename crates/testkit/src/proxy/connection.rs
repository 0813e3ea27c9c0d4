//! One connection through a proxy: bytes in both directions, and what a fault makes of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{sleep, timeout};

use super::requests::Requests;
use super::{Fault, State};

const PIECE_BYTES: usize = 64 << 10;
/// An answer to a repeated request that falls silent for so long is over.
const ANSWER_SILENCE: Duration = Duration::from_secs(5);

/// Why a connection ends as broken: both peers get an error instead of an end.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

struct Connection {
    state: Arc<State>,
    /// Its requests are told apart, so that they can be repeated.
    repeats: bool,
    lost_an_answer: AtomicBool,
    /// The next answer is to be lost, and then the whole link is.
    loses: AtomicBool,
}

/// Carries one connection until either side ends it, or a fault does.
pub(super) async fn carry(mut client: TcpStream, state: Arc<State>) {
    let mut fault = state.fault.subscribe();
    // Who connects to a black hole hears nothing, not even of the server.
    let fault = *fault.wait_for(|fault| *fault != Fault::BlackHole).await.expect("the sender is here");
    let mut chosen = state.chosen.subscribe();
    let server = if fault == Fault::Reset { None } else { state.connect().await };
    let Some(mut server) = server else { return end_broken(&client) };
    client.set_nodelay(true).expect("a connected socket");
    let connection = Connection {
        state,
        repeats: matches!(fault, Fault::Duplicate(_)),
        lost_an_answer: AtomicBool::new(false),
        loses: AtomicBool::new(false),
    };
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ended = connection.pass_requests(from_client, to_server) => ended,
            ended = connection.pass_answers(from_server, to_client) => ended,
            broken = connection.breaks() => Err(broken),
            changed = chosen.changed() => Err(changed.map_or(Broken, |()| Broken)),
        }
    };
    if ended.is_err() {
        end_broken(&client);
        end_broken(&server);
    }
}

/// What is dropped now is reset.
fn end_broken(stream: &TcpStream) {
    // It fails only on a socket that has ended already.
    drop(stream.set_zero_linger());
}

impl Connection {
    async fn pass_requests(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut requests = Requests::default();
        let mut sent = 0;
        loop {
            let len = from.read(&mut buffer).await?;
            if len == 0 {
                return Ok(());
            }
            if self.state.is_to_be_lost(&buffer[..len]) {
                self.loses.store(true, Ordering::Relaxed);
            }
            let fault = self.held_up(len).await;
            if let Fault::CutAfter(bytes) = fault
                && sent + len as u64 > bytes
            {
                to.write_all(&buffer[..bytes.saturating_sub(sent) as usize]).await?;
                return Err(Broken);
            }
            to.write_all(&buffer[..len]).await?;
            sent += len as u64;
            if self.repeats {
                for request in requests.push(&buffer[..len]) {
                    if let Fault::Duplicate(after) = fault {
                        tokio::spawn(repeat(self.state.clone(), request, after));
                    }
                }
            }
        }
    }

    async fn pass_answers(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let len = from.read(&mut buffer).await?;
            if len == 0 {
                return Ok(());
            }
            if self.loses.load(Ordering::Relaxed) {
                self.state.fault.send_replace(Fault::Reset);
                return Err(Broken);
            }
            self.state.note_answer(&buffer[..len]);
            if self.held_up(len).await == Fault::HalfOpen {
                self.lost_an_answer.store(true, Ordering::Relaxed);
                if self.state.fault() != Fault::HalfOpen {
                    return Err(Broken);
                }
            } else {
                to.write_all(&buffer[..len]).await?;
            }
        }
    }

    /// Waits for as long as the fault holds so many bytes up. Returns the fault that there is then.
    async fn held_up(&self, len: usize) -> Fault {
        let mut fault = self.state.fault.subscribe();
        let wait = match *fault.borrow_and_update() {
            Fault::Delay(wait) => wait,
            Fault::Bandwidth(bytes) => Duration::from_millis(len as u64 * 1000 / bytes.max(1)),
            Fault::BlackHole => Duration::MAX,
            now => return now,
        };
        tokio::select! {
            () = sleep(wait) => {}
            changed = fault.changed() => changed.expect("the sender is here"),
        }
        *fault.borrow()
    }

    /// Returns when the fault there is breaks this connection.
    async fn breaks(&self) -> Broken {
        let mut fault = self.state.fault.subscribe();
        let is_broken = |fault: &Fault| match fault {
            Fault::Reset => true,
            Fault::Duplicate(_) => !self.repeats,
            Fault::HalfOpen => false,
            _ => self.lost_an_answer.load(Ordering::Relaxed),
        };
        fault.wait_for(is_broken).await.expect("the sender is here");
        Broken
    }
}

/// Sends a request again, as a network does that delivered it twice. Nobody waits for the answer.
async fn repeat(state: Arc<State>, request: Vec<u8>, after: Duration) {
    sleep(after).await;
    let Some(mut server) = state.connect().await else { return };
    let mut buffer = vec![0; PIECE_BYTES];
    if server.write_all(&request).await.is_ok() {
        while let Ok(Ok(len @ 1..)) = timeout(ANSWER_SILENCE, server.read(&mut buffer)).await {
            state.note_answer(&buffer[..len]);
        }
    }
}

//! A network that fails on purpose, one link of it at a time.
//!
//! It passes TCP connections on to one of several servers, as a load balancer does, and spoils what passes as it is
//! told. It decides nothing by itself: what goes wrong, and when, is the caller's, so that a seed can say it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use supervise::net::lasting_port;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod connection;
mod requests;

/// What a link does to the connections that pass it, from now on and until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Whatever is sent arrives so much later.
    Delay(Duration),
    /// So many bytes a second pass, in each direction of each connection.
    Bandwidth(u64),
    /// Connections are reset, the open ones and the new ones.
    Reset,
    /// Nothing arrives, and nobody is told. What was sent arrives once the fault is over.
    BlackHole,
    /// Requests arrive, and answers do not. A connection that lost one is reset once the fault is over.
    HalfOpen,
    /// A connection is reset once so many bytes went to the server.
    CutAfter(u64),
    /// Every request comes again, so much later and over a connection of its own. Connections from before are reset,
    /// so that none escapes it.
    Duplicate(Duration),
}

/// Passes connections on to servers of this machine. Closed when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub origin: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    /// Ports of servers that do the same; whichever accepts gets the connection.
    servers: Vec<u16>,
    /// Which is asked first.
    turn: AtomicUsize,
    /// The only one that gets connections, if one was chosen.
    chosen: watch::Sender<Option<usize>>,
    fault: watch::Sender<Fault>,
    /// What a request's head holds whose answer is to be lost.
    loses: Mutex<Option<String>>,
    answers: AtomicU64,
    /// The heads of answers that tell of a fault of the server's.
    failures: Mutex<Vec<String>>,
}

impl Proxy {
    /// Begins to listen for one server, which is to listen at [`Self::port`].
    ///
    /// # Panics
    /// Without a free port nothing can be tested.
    pub async fn start() -> Self {
        Self::to(vec![lasting_port().expect("loopback has free ports")]).await
    }

    /// Begins to listen for servers at these ports.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn to(servers: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let origin = format!("http://localhost:{}", listener.local_addr().expect("it is bound").port());
        let state = Arc::new(State {
            servers,
            turn: AtomicUsize::new(0),
            chosen: watch::Sender::new(None),
            fault: watch::Sender::new(Fault::None),
            loses: Mutex::default(),
            answers: AtomicU64::new(0),
            failures: Mutex::default(),
        });
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection::carry(client, shared.clone()));
            }
        });
        Self { origin, state, accepting }
    }

    /// Where the first server has to listen.
    pub fn port(&self) -> u16 {
        self.state.servers[0]
    }

    /// Passes connections to this server alone from now on; those that there are break.
    pub fn pass_to(&self, server: usize) {
        self.state.chosen.send_replace(Some(server));
    }

    /// Spoils the link, or mends it with [`Fault::None`].
    pub fn set(&self, fault: Fault) {
        self.state.fault.send_replace(fault);
    }

    /// The next request with `text` in its head is the last that arrives: its answer does not, and nothing more does
    /// in any direction until [`Self::mend`].
    pub fn lose_answer_of(&self, text: &str) {
        *self.state.loses.lock().expect("no test panics with it") = Some(text.to_owned());
    }

    /// Returns once an answer was lost.
    pub async fn answer_is_lost(&self) {
        let mut fault = self.state.fault.subscribe();
        fault.wait_for(|fault| *fault == Fault::Reset).await.expect("the sender is here");
    }

    /// Everything is passed on again.
    pub fn mend(&self) {
        self.set(Fault::None);
    }

    /// How many answers of servers passed.
    pub fn answers(&self) -> u64 {
        self.state.answers.load(Ordering::Relaxed)
    }

    /// The heads of all answers so far with a status of 5xx, but for those that say "not now": 503 and 507.
    ///
    /// # Panics
    /// Never: nobody panics while it is written to.
    pub fn failures(&self) -> Vec<String> {
        self.state.failures.lock().expect("no test panics with it").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.borrow()
    }

    /// A connection to the chosen server, or to the next that accepts one.
    async fn connect(&self) -> Option<TcpStream> {
        let chosen = *self.chosen.borrow();
        let first = chosen.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed));
        let tried = if chosen.is_some() { 1 } else { self.servers.len() };
        for place in first..first + tried {
            let port = self.servers[place % self.servers.len()];
            if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                // Nagle's algorithm would hold small pieces back.
                server.set_nodelay(true).expect("a connected socket");
                return Some(server);
            }
        }
        None
    }

    /// Whether this is the request whose answer is to be lost. A head is written at once, and on loopback arrives so.
    fn is_to_be_lost(&self, bytes: &[u8]) -> bool {
        let mut loses = self.loses.lock().expect("no test panics with it");
        loses.take_if(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes())).is_some()
    }

    /// Looks at what a server sent. A head is written at once, like a request's.
    fn note_answer(&self, bytes: &[u8]) {
        let Some(rest) = bytes.strip_prefix(b"HTTP/1.1 ") else { return };
        self.answers.fetch_add(1, Ordering::Relaxed);
        if rest.starts_with(b"5") && !rest.starts_with(b"503") && !rest.starts_with(b"507") {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]).into_owned();
            self.failures.lock().expect("no test panics with it").push(head);
        }
    }
}

#[cfg(test)]
mod tests;

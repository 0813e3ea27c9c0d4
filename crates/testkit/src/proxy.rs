//! A network that fails on purpose: it passes a request on and loses the answer.

use std::sync::{Arc, Mutex};

use supervise::net::free_port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to a port of this machine. Closed when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub origin: String,
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    /// What a request's head holds whose answer is to be lost.
    loses: Mutex<Option<String>>,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    /// Begins to listen; what it passes on goes to [`Self::port`].
    ///
    /// # Panics
    /// Without a free port nothing can be tested.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let origin = format!("http://localhost:{}", listener.local_addr().expect("it is bound").port());
        let port = free_port().expect("loopback has free ports");
        let state = Arc::new(State { loses: Mutex::default(), is_cut: watch::Sender::new(false) });
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, port, shared.clone()));
            }
        });
        Self { origin, port, state, accepting }
    }

    /// Where the server has to listen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next request with `text` in its head is the last that arrives: its answer does not, and nothing more does
    /// in any direction until [`Self::mend`].
    pub fn lose_answer_of(&self, text: &str) {
        *self.state.loses.lock().expect("no test panics with it") = Some(text.to_owned());
    }

    /// Returns once an answer was lost.
    pub async fn answer_is_lost(&self) {
        let mut cut = self.state.is_cut.subscribe();
        cut.wait_for(|is_cut| *is_cut).await.expect("the sender is here");
    }

    /// Everything is passed on again.
    pub fn mend(&self) {
        self.state.is_cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    /// Whether this is the request whose answer is to be lost. A head is written at once, and on loopback arrives so.
    fn is_to_be_lost(&self, bytes: &[u8]) -> bool {
        let mut loses = self.loses.lock().expect("no test panics with it");
        loses.take_if(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes())).is_some()
    }
}

/// Until either side closes, or nothing is to be passed on any more.
async fn carry(mut client: TcpStream, port: u16, state: Arc<State>) {
    let mut cut = state.is_cut.subscribe();
    if *cut.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut is_lost = false;
    loop {
        let passed = tokio::select! {
            () = async { drop(cut.wait_for(|is_cut| *is_cut).await) } => return,
            read = client.read(&mut up) => match read {
                Ok(len @ 1..) => {
                    is_lost |= state.is_to_be_lost(&up[..len]);
                    server.write_all(&up[..len]).await
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(1..) if is_lost => {
                    state.is_cut.send_replace(true);
                    return;
                }
                Ok(len @ 1..) => client.write_all(&down[..len]).await,
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

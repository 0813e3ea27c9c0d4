//! A Dropbox of this machine: what the published HTTP API says of tokens, files, ranges, listings, conflicts, limits and
//! room, over a folder whose files a test may look at and spoil. It fails as it is told.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod answers;
mod calls;
mod files;
mod troubles;

pub use troubles::Trouble;

/// What an app needs to be let in.
pub const APP_KEY: &str = "fake-app-key";
pub const APP_SECRET: &str = "fake-app-secret";
pub const REFRESH_TOKEN: &str = "fake-refresh-token";

/// The server, until it is dropped.
pub struct FakeDropbox {
    /// Where it listens, for both of Dropbox's hosts.
    pub url: String,
    account: Arc<Account>,
    serving: JoinHandle<()>,
}

pub(crate) struct Account {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Good ones.
    tokens: HashSet<String>,
    issued: u64,
    revoked: bool,
    /// Bytes that fit.
    quota: u64,
    /// Entries of a page of a listing, at most.
    page: usize,
    troubles: Vec<(&'static str, Trouble, usize)>,
    calls: BTreeMap<&'static str, usize>,
}

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeDropbox {
    /// Serves a folder on some port.
    pub async fn start(root: &Path) -> Self {
        Self::start_at(root, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Serves a folder there.
    pub async fn start_at(root: &Path, listen: SocketAddr) -> Self {
        let state = State { quota: 2 << 40, page: 2000, ..State::default() };
        let account = Arc::new(Account { root: root.to_owned(), state: Mutex::new(state) });
        let routes = Router::new()
            .route("/oauth2/token", post(calls::token))
            .route("/2/files/upload", post(calls::upload))
            .route("/2/files/download", post(calls::download))
            .route("/2/files/delete_v2", post(calls::delete))
            .route("/2/files/move_v2", post(calls::rename))
            .route("/2/files/get_metadata", post(calls::metadata))
            .route("/2/files/list_folder", post(calls::list))
            .route("/2/files/list_folder/continue", post(calls::list_on))
            .route("/2/users/get_space_usage", post(calls::space))
            .layer(axum::extract::DefaultBodyLimit::max(150 << 20))
            .with_state(Arc::clone(&account));
        let listener = TcpListener::bind(listen).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serves") });
        Self { url, account, serving }
    }

    /// The next calls of this name fail so; names are the last part of a call's path.
    pub fn trouble(&self, call: &'static str, trouble: Trouble, times: usize) {
        self.account.state().troubles.push((call, trouble, times));
    }

    /// How often a call arrived, whatever became of it.
    pub fn calls(&self, call: &str) -> usize {
        self.account.state().calls.get(call).copied().unwrap_or_default()
    }

    /// How many calls of any name arrived.
    pub fn all_calls(&self) -> usize {
        self.account.state().calls.values().sum()
    }

    /// Access tokens end at once; the refresh token gives new ones.
    pub fn expire_tokens(&self) {
        self.account.state().tokens.clear();
    }

    /// The person unlinks the app.
    pub fn revoke(&self) {
        let mut state = self.account.state();
        state.tokens.clear();
        state.revoked = true;
    }

    /// The person links it again, with the same token.
    pub fn link_again(&self) {
        self.account.state().revoked = false;
    }

    /// So many bytes fit into the account.
    pub fn set_quota(&self, bytes: u64) {
        self.account.state().quota = bytes;
    }

    /// Listings come in pages of so many entries.
    pub fn set_page(&self, entries: usize) {
        self.account.state().page = entries;
    }
}

impl Drop for FakeDropbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

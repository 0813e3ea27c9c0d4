//! The worker: holds the keys, and does what the page asks for.
//!
//! Owns the signed-in account and everything under way. It must not know the DOM. When the page locks, it ends the
//! worker, and the keys with it.

mod account;
mod answer;
mod backup;
mod download;
mod failure;
mod files;
mod passphrase;
mod pins;
mod platform;
mod port;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use client::{Account, Client, PendingAccount, Removed, Vault};
use futures_util::future::{AbortHandle, abortable};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::failure::Failure;
use crate::message::{CallId, FromWorker, RemovalId, Request, ToWorker};

use platform::Browser;
use port::Port;

/// What the worker knows.
struct Desk {
    port: Port,
    client: Client,
    /// An account whose recovery key the person has not confirmed yet.
    pending: RefCell<Option<PendingAccount>>,
    open: RefCell<Option<Open>>,
    removals: RefCell<HashMap<RemovalId, Removed>>,
    downloads: RefCell<HashMap<u32, download::Download>>,
    next: Cell<u32>,
}

/// A signed-in account and its vault.
struct Open {
    account: Account,
    vault: Vault,
}

/// Starts listening.
pub fn run() {
    let port = Port::of_this_worker();
    let platform = Browser::new().expect("the page looked for WebCrypto before it started this worker");
    let desk = Rc::new(Desk {
        client: Client::new(&port.origin(), Rc::new(platform)),
        port: port.clone(),
        pending: RefCell::default(),
        open: RefCell::default(),
        removals: RefCell::default(),
        downloads: RefCell::default(),
        next: Cell::new(0),
    });
    let calls = Rc::new(RefCell::new(HashMap::<CallId, AbortHandle>::new()));
    port.listen(move |message, attachments| match message {
        ToWorker::Call(call, request) => start(&desk, &calls, call, request, attachments),
        ToWorker::Cancel(call) => {
            if let Some(handle) = calls.borrow_mut().remove(&call) {
                handle.abort();
            }
        }
    });
    port.post(&FromWorker::Ready);
}

fn start(
    desk: &Rc<Desk>,
    calls: &Rc<RefCell<HashMap<CallId, AbortHandle>>>,
    call: CallId,
    request: Request,
    attachments: Vec<JsValue>,
) {
    let (desk, calls_of_this) = (desk.clone(), calls.clone());
    let (work, handle) = abortable(async move {
        let result = answer::answer(&desk, call, request, attachments).await;
        calls_of_this.borrow_mut().remove(&call);
        desk.port.post(&FromWorker::Answer(call, result));
    });
    calls.borrow_mut().insert(call, handle);
    spawn_local(async move {
        // Aborted or not, what there was to tell has been told.
        let _ = work.await;
    });
}

impl Desk {
    /// The open vault.
    fn vault(&self) -> Result<Vault, Failure> {
        self.open.borrow().as_ref().map(|open| open.vault.clone()).ok_or_else(failure::locked)
    }

    /// A number that was not used before.
    fn number(&self) -> u32 {
        self.next.replace(self.next.get() + 1)
    }
}

//! The worker: holds the keys, and does what the page asks for.
//!
//! It must not know the DOM. When the page locks, it ends the
//! worker, and the keys with it.

mod account;
mod answer;
mod backup;
mod desk;
mod devices;
mod download;
mod failure;
mod files;
mod folders;
mod history;
mod nodes;
mod passphrase;
mod picked;
mod pins;
mod platform;
mod port;
mod purge;
mod retention;
mod users;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use client::Client;
use futures_util::future::{AbortHandle, abortable};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::message::{CallId, FromWorker, Request, ToWorker};

use desk::Desk;
use platform::Browser;
use port::Port;

/// Starts listening.
pub fn run() {
    let port = Port::of_this_worker();
    let platform = Browser::new().expect("the page looked for WebCrypto before it started this worker");
    let client = Client::new(&port.origin(), Rc::new(platform));
    let desk = Rc::new(Desk::new(port.clone(), client));
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

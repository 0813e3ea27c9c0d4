//! Restores: verified bytes into the port of the service worker, as many as it pulls.

use std::cell::Cell;
use std::rc::Rc;

use client::{Error, Vault};
use futures_util::TryStreamExt as _;
use futures_util::stream::LocalBoxStream;
use gloo_events::EventListener;
use gloo_timers::callback::Interval;
use js_sys::{Array, Object, Reflect, Uint8Array};
use protocol::id::SourceId;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, MessagePort};

use super::desk::Desk;
use super::{failure, history};
use crate::failure::Failure;
use crate::message::{CallId, FromWorker, Open, Opened, Stream};

/// Signs of life while a chunk takes its time; the service worker gives up after three minutes of silence.
const ALIVE_MS: u32 = 5_000;
const REPORT_MS: u32 = 250;

/// What was opened and not yet streamed.
pub(super) type Download = LocalBoxStream<'static, Result<Vec<u8>, Error>>;

pub(super) async fn open(desk: &Desk, ask: Open) -> Result<Opened, Failure> {
    let (vault, source) = desk.source(ask.moment.source)?;
    let snapshot = history::snapshot(source, ask.moment);
    let (name, bytes, stream) = if ask.folder {
        let name = ask.path.is_empty().then(|| whole_name(&vault, source));
        let zip = vault.open_zip(snapshot, &[ask.path]).await.map_err(|error| failure::told(&error))?;
        (name.unwrap_or(zip.name), None, zip.stream)
    } else {
        let file = vault.open_file(snapshot, &ask.path).await.map_err(|error| failure::told(&error))?;
        (file.name, Some(file.size), file.stream)
    };
    let download = desk.number();
    desk.downloads.borrow_mut().insert(download, stream);
    Ok(Opened { download, name, bytes })
}

/// The archive of a whole source is called like the source.
fn whole_name(vault: &Vault, source: SourceId) -> String {
    let named = vault.sources().into_iter().find(|info| info.source == source);
    format!(
        "{}.zip",
        named.map_or_else(|| "triplicate".to_owned(), |info| info.name.replace(['/', '\\'], "_"))
    )
}

pub(super) async fn stream(
    desk: &Rc<Desk>,
    call: CallId,
    ask: &Stream,
    attachments: Vec<JsValue>,
) -> Result<(), Failure> {
    let port: MessagePort = attachments.into_iter().next().ok_or_else(failure::locked)?.unchecked_into();
    let mut outlet = Outlet::new(port);
    let download = desk.downloads.borrow_mut().remove(&ask.download);
    let mut chunks = download.ok_or_else(failure::locked)?;
    let sent = Rc::new(Cell::new(0_u64));
    let _reports = report(desk, call, &sent);
    while let Some(chunk) = chunks.try_next().await.map_err(|error| failure::told(&error))? {
        if chunk.is_empty() {
            continue;
        }
        outlet.send(&chunk).await?;
        sent.set(sent.get() + chunk.len() as u64);
    }
    outlet.finish().await
}

fn report(desk: &Rc<Desk>, call: CallId, sent: &Rc<Cell<u64>>) -> Interval {
    let (desk, sent) = (desk.clone(), sent.clone());
    Interval::new(REPORT_MS, move || desk.port.post(&FromWorker::Restored(call, sent.get())))
}

/// The port of the service worker. Dropped before the end, it fails the download: a file that ends early must never
/// look whole.
struct Outlet {
    port: MessagePort,
    wishes: UnboundedReceiver<Wish>,
    finished: bool,
    _listener: EventListener,
    _alive: Interval,
}

/// What the service worker asks for.
enum Wish {
    Chunk,
    Cancel,
}

impl Outlet {
    fn new(port: MessagePort) -> Self {
        let (wish, wishes) = mpsc::unbounded_channel();
        let listener = EventListener::new(&port, "message", move |event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            let is_cancel = Reflect::has(&data, &"cancel".into()).unwrap_or(false);
            // The receiver is gone only when the stream has ended.
            let _ = wish.send(if is_cancel { Wish::Cancel } else { Wish::Chunk });
        });
        port.start();
        let pulse = port.clone();
        let alive = Interval::new(ALIVE_MS, move || post(&pulse, "alive", &JsValue::TRUE, &Array::new()));
        Self { port, wishes, finished: false, _listener: listener, _alive: alive }
    }

    /// Waits until a chunk is wanted, and gives it away.
    async fn send(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.wanted().await?;
        let buffer = Uint8Array::from(chunk).buffer();
        post(&self.port, "chunk", &buffer, &Array::of1(&buffer));
        Ok(())
    }

    /// Announces the end, once everything before it was taken.
    async fn finish(mut self) -> Result<(), Failure> {
        self.wanted().await?;
        self.finished = true;
        post(&self.port, "end", &JsValue::TRUE, &Array::new());
        Ok(())
    }

    async fn wanted(&mut self) -> Result<(), Failure> {
        match self.wishes.recv().await {
            Some(Wish::Chunk) => Ok(()),
            Some(Wish::Cancel) | None => Err(stopped()),
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if !self.finished {
            post(&self.port, "failed", &JsValue::TRUE, &Array::new());
        }
    }
}

fn post(port: &MessagePort, name: &str, value: &JsValue, given: &Array) {
    let message = Object::new();
    Reflect::set(&message, &name.into(), value).expect("a plain object takes any key");
    port.post_message_with_transferable(&message, given).expect("buffers and flags can be cloned");
}

fn stopped() -> Failure {
    Failure {
        what: "The browser stopped the download.".to_owned(),
        safe: "The file is unchanged in your backup.".to_owned(),
        advice: "Start the restore again.".to_owned(),
        retryable: true,
        signed_out: false,
        needs_passphrase: false,
    }
}

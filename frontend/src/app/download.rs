//! Restores as downloads: the worker decrypts, the service worker hands the bytes to the browser, which writes them to
//! disk as they come. No file is ever whole in memory.

use std::cell::Cell;

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Reflect};
use tokio::sync::oneshot;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    HtmlIFrameElement, MessageChannel, MessageEvent, MessagePort, RegistrationOptions, ServiceWorker,
    ServiceWorkerContainer, ServiceWorkerRegistration,
};

use super::browser::{distinct, now_ms, window};
use super::port::{Attachments, Port, Report};
use crate::failure::Failure;
use crate::message::{Open, Opened, Stream};

/// Allowed by `static/boot.js`.
const SERVICE_WORKER_URL: &str = "/download-worker.js";
/// What the service worker answers, and nothing else.
const SCOPE: &str = "/download/";
/// Browsers end a service worker that hears nothing for half a minute.
const ALIVE_MS: f64 = 10_000.0;
/// How long a new service worker may take to start.
const START_TRIES: u32 = 100;
const START_WAIT_MS: u32 = 100;
/// Long after the browser has taken the download over from the frame.
const FRAME_MS: u32 = 60_000;

/// Restores a file, or a folder as a zip. `opened` hears what it is, `report` how many bytes have come. Ends when
/// the last verified byte was handed over.
pub(super) async fn restore(
    port: &Port,
    open: Open,
    opened: impl FnOnce(&Opened),
    report: impl Fn(u64) + 'static,
) -> Result<(), Failure> {
    let file = port.call(open).await?;
    opened(&file);
    let service_worker = service_worker().await.map_err(|_| no_service_worker())?;
    let channel = MessageChannel::new().map_err(|_| no_service_worker())?;
    let id = format!("{:08x}{:08x}", distinct(), file.download);
    let stop = StopOnDrop { service_worker: service_worker.clone(), id: id.clone(), armed: Cell::new(true) };
    announce(&service_worker, &id, &file, &channel.port1()).await?;
    navigate(&format!("{SCOPE}{id}")).map_err(|_| no_service_worker())?;
    let told_ms = Cell::new(now_ms());
    let beside = Attachments { port: Some(channel.port2()), ..Attachments::default() };
    port.call_with(Stream { download: file.download }, beside, move |progress| {
        // By the worker's clock: browsers let timers of hidden pages run once a minute only.
        if now_ms() - told_ms.get() >= ALIVE_MS {
            told_ms.set(now_ms());
            // A service worker that is gone fails the download itself; it needs no second telling.
            let _ = service_worker.post_message(&object(&[("alive", JsValue::TRUE)]));
        }
        if let Report::Restored(bytes) = progress {
            report(bytes);
        }
    })
    .await?;
    // The last bytes may still be on their way there, by another channel than `stop`.
    stop.armed.set(false);
    Ok(())
}

/// Unless the restore was complete, nothing more comes: the download fails at once.
struct StopOnDrop {
    service_worker: ServiceWorker,
    id: String,
    armed: Cell<bool>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if !self.armed.get() {
            return;
        }
        let message = object(&[("stop", self.id.as_str().into())]);
        // A service worker that is gone has taken its downloads along.
        let _ = self.service_worker.post_message(&message);
    }
}

fn container() -> ServiceWorkerContainer {
    window().navigator().service_worker()
}

/// The running service worker of downloads, started if need be.
async fn service_worker() -> Result<ServiceWorker, JsValue> {
    if container().is_undefined() {
        return Err(JsValue::UNDEFINED);
    }
    let options = RegistrationOptions::new();
    options.set_scope(SCOPE);
    let registration =
        JsFuture::from(container().register_with_options(SERVICE_WORKER_URL, &options)).await?;
    let registration: ServiceWorkerRegistration = registration.unchecked_into();
    for _ in 0..START_TRIES {
        if let Some(active) = registration.active() {
            return Ok(active);
        }
        TimeoutFuture::new(START_WAIT_MS).await;
    }
    Err(JsValue::UNDEFINED)
}

/// Tells the service worker of a download, and waits until it knows.
async fn announce(
    worker: &ServiceWorker,
    id: &str,
    file: &Opened,
    port: &MessagePort,
) -> Result<(), Failure> {
    let (opened, is_open) = oneshot::channel();
    let (mut opened, expected) = (Some(opened), id.to_owned());
    let container = container();
    let _listener = EventListener::new(&container, "message", move |event| {
        let answer = Reflect::get(&event.unchecked_ref::<MessageEvent>().data(), &"opened".into());
        if answer.is_ok_and(|answered| answered.as_string().as_ref() == Some(&expected))
            && let Some(opened) = opened.take()
        {
            // The other end waits below, or was cancelled.
            let _ = opened.send(());
        }
    });
    let bytes = file.bytes.map_or(JsValue::NULL, |bytes| JsValue::from_f64(bytes as f64));
    let open = object(&[
        ("id", id.into()),
        ("name", file.name.as_str().into()),
        ("bytes", bytes),
        ("port", port.into()),
    ]);
    worker
        .post_message_with_transferable(&object(&[("open", open)]), &js_sys::Array::of1(port))
        .map_err(|_| no_service_worker())?;
    is_open.await.map_err(|_| no_service_worker())
}

/// Opens an address in a hidden frame: its answer is an attachment, so nothing but a download comes of it.
fn navigate(url: &str) -> Result<(), JsValue> {
    let document = window().document().expect("a window shows a document");
    let frame: HtmlIFrameElement = document.create_element("iframe")?.unchecked_into();
    frame.set_hidden(true);
    frame.set_attribute("title", "Download")?;
    frame.set_src(url);
    document.body().expect("the app stands in a body").append_child(&frame)?;
    Timeout::new(FRAME_MS, move || frame.remove()).forget();
    Ok(())
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).expect("a plain object takes any key");
    }
    object.into()
}

fn no_service_worker() -> Failure {
    Failure {
        what: "This browser does not let Triplicate write downloads to disk.".to_owned(),
        safe: "The file is unchanged in your backup.".to_owned(),
        advice: "Private windows and some settings switch service workers off; try an ordinary window."
            .to_owned(),
        retryable: true,
        signed_out: false,
        needs_passphrase: false,
    }
}

//! The worker's end of the line to the page.

use js_sys::Array;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use crate::message::{FromWorker, ToWorker};

/// The scope of this worker.
#[derive(Clone)]
pub(super) struct Port(DedicatedWorkerGlobalScope);

impl Port {
    pub(super) fn of_this_worker() -> Self {
        Self(js_sys::global().unchecked_into())
    }

    /// Where the app, and with it the coordinator, was loaded from.
    pub(super) fn origin(&self) -> String {
        self.0.location().origin()
    }

    /// Hears messages with what travels beside them, for as long as the worker lives.
    pub(super) fn listen(&self, hear: impl Fn(ToWorker, Vec<JsValue>) + 'static) {
        let closure = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let message: Array = event.data().unchecked_into();
            let json = message.get(0).as_string().expect("the page sends text first");
            let attachments = message.get(1).unchecked_into::<Array>().to_vec();
            hear(serde_json::from_str(&json).expect("page and worker are of one build"), attachments);
        });
        self.0.set_onmessage(Some(closure.as_ref().unchecked_ref()));
        closure.forget();
    }

    pub(super) fn post(&self, message: &FromWorker) {
        let json = serde_json::to_string(message).expect("messages are plain data");
        self.0.post_message(&JsValue::from_str(&json)).expect("text can be cloned");
    }
}

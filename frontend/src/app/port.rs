//! The page's end of the line to the worker: typed requests, answers as futures, files and ports as attachments.
//!
//! Knows messages, not what they mean. Dropping a call cancels it; ending the port drops the worker with its keys.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use gloo_events::EventListener;
use js_sys::Array;
use tokio::sync::oneshot;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, MessagePort, Worker, WorkerOptions, WorkerType};

use crate::failure::Failure;
use crate::message::{BackupProgress, CallId, FromWorker, Operation, Request, ToWorker};

/// Trunk's loader of the worker's module; `static/boot.js` allows this very URL.
pub(super) const WORKER_URL: &str = "/worker_loader.js";

/// What a worker reports between a request and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Report {
    /// Of a backup.
    Backup(BackupProgress),
    /// Bytes of a restore.
    Restored(u64),
}

/// What travels beside a request.
#[derive(Default)]
pub(super) struct Attachments {
    /// Cloned: files.
    pub(super) cloned: Vec<JsValue>,
    /// Given away: a message port.
    pub(super) port: Option<MessagePort>,
}

/// A running worker.
pub(super) struct Port {
    line: Rc<Line>,
    _listeners: [EventListener; 2],
}

struct Line {
    worker: Worker,
    /// What was asked before the worker listened; `None` once it does.
    outbox: RefCell<Option<Vec<(String, Attachments)>>>,
    pending: RefCell<HashMap<CallId, Pending>>,
    /// Why nothing will be answered any more.
    over: RefCell<Option<Failure>>,
    next: Cell<CallId>,
}

struct Pending {
    answer: oneshot::Sender<Result<String, Failure>>,
    report: Box<dyn Fn(Report)>,
}

/// Cancels its call when it is dropped before the answer.
struct CallGuard {
    line: Rc<Line>,
    call: CallId,
}

impl Port {
    /// Starts a worker. It has no keys until somebody signs in.
    pub(super) fn start() -> Result<Self, Failure> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(WORKER_URL, &options)
            .map_err(|_| Failure::broken("The part of Triplicate that encrypts could not start."))?;
        let line = Rc::new(Line {
            worker: worker.clone(),
            outbox: RefCell::new(Some(Vec::new())),
            pending: RefCell::default(),
            over: RefCell::default(),
            next: Cell::new(0),
        });
        let (receiver, breaker) = (line.clone(), line.clone());
        let listeners = [
            EventListener::new(&worker, "message", move |event| {
                receiver.receive(event.unchecked_ref::<MessageEvent>());
            }),
            EventListener::new(&worker, "error", move |event| {
                // The event may quote a script; its text is for the console, which the browser has written already.
                let _: &ErrorEvent = event.unchecked_ref();
                breaker.end(Failure::broken("The part of Triplicate that encrypts stopped unexpectedly."));
            }),
        ];
        Ok(Self { line, _listeners: listeners })
    }

    /// Asks for an operation.
    pub(super) async fn call<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        self.call_with(operation, Attachments::default(), |_| ()).await
    }

    /// Asks for an operation with attachments; `report` hears how far it is.
    pub(super) async fn call_with<O: Operation>(
        &self,
        operation: O,
        attachments: Attachments,
        report: impl Fn(Report) + 'static,
    ) -> Result<O::Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let guard =
            self.line.ask(operation.into(), attachments, Pending { answer, report: Box::new(report) });
        let stopped = || Failure::broken("The part of Triplicate that encrypts was stopped.");
        let json = answered.await.map_err(|_| stopped())??;
        drop(guard);
        serde_json::from_str(&json)
            .map_err(|_| Failure::broken("An answer from the worker could not be read."))
    }
}

impl Port {
    /// Ends the worker and everything under way in it, whoever still waits for it.
    pub(super) fn end(&self) {
        self.line.worker.terminate();
        self.line.end(Failure::stopped_by_lock());
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.end();
    }
}

impl Line {
    fn ask(self: &Rc<Self>, request: Request, attachments: Attachments, pending: Pending) -> CallGuard {
        let call = self.next.get();
        self.next.set(call + 1);
        if let Some(failure) = &*self.over.borrow() {
            // Whoever asked waits for the answer; it cannot have gone away yet.
            let _ = pending.answer.send(Err(failure.clone()));
        } else {
            self.pending.borrow_mut().insert(call, pending);
            self.send(&ToWorker::Call(call, request), attachments);
        }
        CallGuard { line: self.clone(), call }
    }

    fn send(&self, message: &ToWorker, attachments: Attachments) {
        let json = serde_json::to_string(message).expect("messages are plain data");
        match &mut *self.outbox.borrow_mut() {
            Some(outbox) => outbox.push((json, attachments)),
            None => self.post(&json, &attachments),
        }
    }

    fn post(&self, json: &str, attachments: &Attachments) {
        let (beside, given) = (Array::new(), Array::new());
        for value in &attachments.cloned {
            beside.push(value);
        }
        if let Some(port) = &attachments.port {
            beside.push(port);
            given.push(port);
        }
        let message = Array::of2(&JsValue::from_str(json), &beside);
        self.worker
            .post_message_with_transfer(&message, &given)
            .expect("strings, files and ports can be cloned");
    }

    fn receive(&self, event: &MessageEvent) {
        let Some(message) = event.data().as_string().and_then(|json| serde_json::from_str(&json).ok()) else {
            return self.end(Failure::broken("A message from the worker could not be read."));
        };
        match message {
            FromWorker::Ready => {
                for (json, attachments) in self.outbox.take().unwrap_or_default() {
                    self.post(&json, &attachments);
                }
            }
            FromWorker::Progress(call, progress) => self.report(call, Report::Backup(progress)),
            FromWorker::Restored(call, bytes) => self.report(call, Report::Restored(bytes)),
            FromWorker::Answer(call, result) => {
                if let Some(pending) = self.pending.borrow_mut().remove(&call) {
                    // Nobody waits any more: the call was dropped a moment ago.
                    let _ = pending.answer.send(result);
                }
            }
        }
    }

    fn report(&self, call: CallId, report: Report) {
        if let Some(pending) = self.pending.borrow().get(&call) {
            (pending.report)(report);
        }
    }

    /// Fails what is under way and everything that is asked from now on.
    fn end(&self, failure: Failure) {
        let pending: Vec<Pending> = self.pending.borrow_mut().drain().map(|(_, pending)| pending).collect();
        for pending in pending {
            let _ = pending.answer.send(Err(failure.clone()));
        }
        self.over.replace(Some(failure));
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if self.line.pending.borrow_mut().remove(&self.call).is_some() {
            self.line.send(&ToWorker::Cancel(self.call), Attachments::default());
        }
    }
}

//! A form's question to the worker: asked once at a time, with what went wrong kept beside it.

use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::session::use_session;
use crate::failure::Failure;
use crate::message::Operation;

/// The state of a question.
pub(in crate::app) struct Ask<O> {
    /// It was asked and not answered yet.
    pub(in crate::app) busy: bool,
    /// Why it was not answered the last time.
    pub(in crate::app) failure: Option<Failure>,
    /// Asks, unless it is busy.
    pub(in crate::app) submit: Callback<O>,
}

/// `onanswer` hears the answer.
#[hook]
pub(in crate::app) fn use_ask<O>(onanswer: Callback<O::Answer>) -> Ask<O>
where
    O: Operation + 'static,
{
    let session = use_session();
    let busy = use_state(|| false);
    let failure = use_state(|| None::<Failure>);
    let submit = {
        let (busy, failure) = (busy.clone(), failure.clone());
        Callback::from(move |operation: O| {
            if *busy {
                return;
            }
            busy.set(true);
            failure.set(None);
            let (session, busy, failure, onanswer) =
                (session.clone(), busy.clone(), failure.clone(), onanswer.clone());
            spawn_local(async move {
                let answer = session.ask(operation).await;
                busy.set(false);
                match answer {
                    Ok(answer) => onanswer.emit(answer),
                    Err(reason) => failure.set(Some(reason)),
                }
            });
        })
    };
    Ask { busy: *busy, failure: (*failure).clone(), submit }
}

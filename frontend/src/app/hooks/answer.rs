//! What the worker answers to a page's question: asked again whenever there is news.

use std::rc::Rc;

use futures_util::future::abortable;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::frame::Loading;
use crate::app::session::use_session;
use crate::failure::Failure;
use crate::message::Operation;

/// The newest answer, and how to ask again.
pub(in crate::app) struct Answered<T> {
    /// `None` until there is one to this very question.
    pub(in crate::app) answer: Option<Result<Rc<T>, Failure>>,
    /// Asks again.
    pub(in crate::app) again: Callback<()>,
}

impl<T> Answered<T> {
    /// What was answered, if that is known and no failure.
    pub(in crate::app) fn known(&self) -> Option<&Rc<T>> {
        self.answer.as_ref()?.as_ref().ok()
    }

    /// Shows an answer; else that it is awaited, or why there is none.
    pub(in crate::app) fn show(&self, known: impl FnOnce(&Rc<T>) -> Html) -> Html {
        match &self.answer {
            None => html!(<Loading />),
            Some(Err(failure)) => {
                html!(<FailureAlert failure={failure.clone()} retry={self.again.clone()} />)
            }
            Some(Ok(answer)) => known(answer),
        }
    }
}

/// Asks what `ask` makes of `question`. An answer to another question is not shown; with other `news` the old one stays
/// until the new one comes.
#[hook]
pub(in crate::app) fn use_answer<O, Q, N>(question: Q, news: N, ask: fn(&Q) -> O) -> Answered<O::Answer>
where
    O: Operation + 'static,
    Q: Clone + PartialEq + 'static,
    N: PartialEq + 'static,
{
    let session = use_session();
    let tries = use_state(|| 0_u32);
    let state = use_state(|| None::<(Q, Result<Rc<O::Answer>, Failure>)>);
    {
        let state = state.setter();
        use_effect_with((question.clone(), news, *tries), move |(question, ..)| {
            let question = question.clone();
            let (work, handle) = abortable(async move {
                match session.ask(ask(&question)).await {
                    Ok(answer) => state.set(Some((question, Ok(Rc::new(answer))))),
                    Err(failure) => {
                        if let Some(failure) = session.handle(failure) {
                            state.set(Some((question, Err(failure))));
                        }
                    }
                }
            });
            spawn_local(async move {
                // Aborted: another question took its place.
                let _ = work.await;
            });
            move || handle.abort()
        });
    }
    let again = Callback::from(move |()| tries.set(*tries + 1));
    let fitting = state.as_ref().filter(|(asked, _)| *asked == question);
    Answered { answer: fitting.map(|(_, answer)| answer.clone()), again }
}

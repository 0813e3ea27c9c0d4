//! The first step: a login, and a passphrase of six random words or of one's own.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::{Field, SecretField};
use crate::app::hooks::ask::use_ask;
use crate::app::session::{Session, use_session};
use crate::message::{JudgePassphrase, PrepareAccount, RecoveryKit, SuggestPassphrase};
use crate::passphrase::{Quality, quality};

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) ondone: Callback<RecoveryKit>,
}

/// What was typed.
#[derive(Clone, Default, PartialEq)]
struct Form {
    login: String,
    /// Six words, once the worker has drawn them.
    suggested: String,
    /// One's own instead.
    own: Option<String>,
    /// The passphrase again.
    repeated: String,
}

/// A change that holds whatever else was changed since it was thought of.
type Change = Box<dyn FnOnce(&mut Form)>;

impl Reducible for Form {
    type Action = Change;

    fn reduce(self: Rc<Self>, change: Change) -> Rc<Self> {
        let mut next = (*self).clone();
        change(&mut next);
        Rc::new(next)
    }
}

impl Form {
    fn passphrase(&self) -> &str {
        self.own.as_deref().unwrap_or(&self.suggested)
    }

    /// Why it is not complete, if it is not.
    fn objection(&self, judged: Option<Quality>) -> Option<&'static str> {
        if self.login.trim().is_empty() {
            return Some("Choose a login.");
        }
        if self.own.is_some() && judged != Some(Quality::Fair) && judged != Some(Quality::Strong) {
            return Some("Choose a passphrase that is harder to guess.");
        }
        (self.repeated != self.passphrase()).then_some("Type the passphrase a second time, exactly as above.")
    }
}

#[component]
pub(super) fn Credentials(props: &Props) -> Html {
    let session = use_session();
    let form = use_reducer(Form::default);
    let preparation = use_ask(props.ondone.clone());
    use_suggestion(&session, form.dispatcher());
    let judged = use_judgement(&session, &form);

    let onsubmit = {
        let (form, judged, ask) = (form.clone(), *judged, preparation.submit.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if form.objection(judged).is_none() {
                let (login, passphrase) = (form.login.trim().to_owned(), form.passphrase().to_owned());
                ask.emit(PrepareAccount { login, passphrase });
            }
        })
    };
    let objection = form.objection(*judged);
    html!(
        <form class="pf-v6-c-form" {onsubmit} data-test="credentials">
            if let Some(failure) = &preparation.failure {
                <FailureAlert failure={failure.clone()} />
            }
            <Field
                id="login"
                label="Login"
                autocomplete="username"
                autofocus=true
                value={form.login.clone()}
                onchange={edit(&form, |form, value| form.login = value)}
                hint="Letters and digits, without spaces."
                disabled={preparation.busy}
            />
            <Passphrase form={form.clone()} judged={*judged} busy={preparation.busy} />
            <SecretField
                id="repeated"
                label="Passphrase again"
                autocomplete="new-password"
                value={form.repeated.clone()}
                onchange={edit(&form, |form, value| form.repeated = value)}
                state={if !form.repeated.is_empty() && form.repeated == form.passphrase() { InputState::Success } else { InputState::Default }}
                hint={if form.repeated.is_empty() { String::new() } else { objection.unwrap_or("It is the same.").to_owned() }}
                disabled={preparation.busy}
            />
            <Button
                r#type={ButtonType::Submit}
                variant={ButtonVariant::Primary}
                block=true
                loading={preparation.busy}
                disabled={preparation.busy || objection.is_some()}
                label={if preparation.busy { "Making your keys…" } else { "Make my keys" }}
            />
        </form>
    )
}

fn edit(form: &UseReducerHandle<Form>, change: fn(&mut Form, String)) -> Callback<String> {
    let form = form.dispatcher();
    Callback::from(move |value| form.dispatch(Box::new(move |form| change(form, value))))
}

#[derive(Properties, PartialEq)]
struct PassphraseProps {
    form: UseReducerHandle<Form>,
    judged: Option<Quality>,
    busy: bool,
}

/// Six words to take, or a field for one's own.
#[component]
fn Passphrase(props: &PassphraseProps) -> Html {
    let form = &props.form;
    let choose = |own: Option<String>| {
        let form = form.dispatcher();
        Callback::from(move |_| {
            let own = own.clone();
            form.dispatch(Box::new(|form| {
                form.own = own;
                form.repeated.clear();
            }));
        })
    };
    let Some(own) = &form.own else {
        return html!(
            <div class="pf-v6-c-form__group">
                <div class="pf-v6-c-form__group-label"><span class="pf-v6-c-form__label-text">{ "Passphrase" }</span></div>
                <p class="tri-words" data-test="suggested">{ &form.suggested }</p>
                <p class="pf-v6-c-form__helper-text">
                    { "Six random words: easy to write down, out of reach for guessing. Write them down now." }
                </p>
                <Button variant={ButtonVariant::InlineLink} label="Choose my own instead" onclick={choose(Some(String::new()))} />
            </div>
        );
    };
    let (state, hint) = match props.judged.filter(|_| !own.is_empty()) {
        None => (InputState::Default, "Several words that nobody would expect together."),
        Some(Quality::TooWeak) => (InputState::Error, "Too easy to guess. Add words."),
        Some(Quality::Fair) => (InputState::Warning, "Good enough. Another word makes it much better."),
        Some(Quality::Strong) => (InputState::Success, "Strong."),
    };
    html!(
        <>
            <SecretField
                id="passphrase"
                label="Passphrase"
                autocomplete="new-password"
                value={own.clone()}
                onchange={edit(form, |form, value| form.own = Some(value))}
                {state}
                hint={hint.to_owned()}
                disabled={props.busy}
            />
            <Button variant={ButtonVariant::InlineLink} label="Take the six random words" onclick={choose(None)} />
        </>
    )
}

/// Draws six words once.
#[hook]
fn use_suggestion(session: &Session, form: UseReducerDispatcher<Form>) {
    let session = session.clone();
    use_effect_with((), move |()| {
        spawn_local(async move {
            let suggested = session.ask(SuggestPassphrase {}).await;
            form.dispatch(Box::new(|form| match suggested {
                Ok(words) => form.suggested = words,
                // One's own does as well.
                Err(_) => form.own = Some(String::new()),
            }));
        });
    });
}

/// How good one's own passphrase is, as of the last answer.
#[hook]
fn use_judgement(session: &Session, form: &Form) -> UseStateHandle<Option<Quality>> {
    let judged = use_state(|| None);
    let newest = use_mut_ref(|| 0_u32);
    {
        let (session, judged) = (session.clone(), judged.clone());
        use_effect_with((form.own.clone(), form.login.clone()), move |(own, login)| {
            *newest.borrow_mut() += 1;
            let asked = *newest.borrow();
            judged.set(None);
            let Some(passphrase) = own.clone() else { return };
            let known = vec![login.clone(), "triplicate".to_owned()];
            spawn_local(async move {
                // Without a judgement the form stays closed, which is safe.
                if let Ok(strength) = session.ask(JudgePassphrase { passphrase, known }).await
                    && *newest.borrow() == asked
                {
                    judged.set(Some(quality(strength.guesses_log10)));
                }
            });
        });
    }
    judged
}

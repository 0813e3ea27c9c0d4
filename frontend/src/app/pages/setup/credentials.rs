//! The first step: a login, and a passphrase of six random words or of one's own.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::{Field, SecretField};
use crate::app::session::{Session, use_session};
use crate::failure::Failure;
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
    let form = use_state(Form::default);
    let busy = use_state(|| false);
    let failure = use_state(|| None::<Failure>);
    use_suggestion(&session, form.clone());
    let judged = use_judgement(&session, &form);

    let onsubmit = {
        let (session, form, busy, failure) = (session.clone(), form.clone(), busy.clone(), failure.clone());
        let ondone = props.ondone.clone();
        let judged = *judged;
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if *busy || form.objection(judged).is_some() {
                return;
            }
            busy.set(true);
            let ask = PrepareAccount {
                login: form.login.trim().to_owned(),
                passphrase: form.passphrase().to_owned(),
            };
            let (session, busy, failure, ondone) =
                (session.clone(), busy.clone(), failure.clone(), ondone.clone());
            spawn_local(async move {
                match prepare(&session, ask).await {
                    Ok(kit) => ondone.emit(kit),
                    Err(reason) => {
                        failure.set(Some(reason));
                        busy.set(false);
                    }
                }
            });
        })
    };
    let objection = form.objection(*judged);
    html!(
        <form class="pf-v6-c-form" {onsubmit} data-test="credentials">
            if let Some(failure) = &*failure {
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
                disabled={*busy}
            />
            <Passphrase form={form.clone()} judged={*judged} busy={*busy} />
            <SecretField
                id="repeated"
                label="Passphrase again"
                autocomplete="new-password"
                value={form.repeated.clone()}
                onchange={edit(&form, |form, value| form.repeated = value)}
                state={if !form.repeated.is_empty() && form.repeated == form.passphrase() { InputState::Success } else { InputState::Default }}
                hint={if form.repeated.is_empty() { String::new() } else { objection.unwrap_or("It is the same.").to_owned() }}
                disabled={*busy}
            />
            <Button
                r#type={ButtonType::Submit}
                variant={ButtonVariant::Primary}
                block=true
                loading={*busy}
                disabled={*busy || objection.is_some()}
                label={if *busy { "Making your keys…" } else { "Make my keys" }}
            />
        </form>
    )
}

fn edit(form: &UseStateHandle<Form>, change: fn(&mut Form, String)) -> Callback<String> {
    let form = form.clone();
    Callback::from(move |value| {
        let mut next = (*form).clone();
        change(&mut next, value);
        form.set(next);
    })
}

#[derive(Properties, PartialEq)]
struct PassphraseProps {
    form: UseStateHandle<Form>,
    judged: Option<Quality>,
    busy: bool,
}

/// Six words to take, or a field for one's own.
#[component]
fn Passphrase(props: &PassphraseProps) -> Html {
    let form = &props.form;
    let choose = |own: Option<String>| {
        let form = form.clone();
        Callback::from(move |_| {
            form.set(Form { own: own.clone(), repeated: String::new(), ..(*form).clone() })
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

async fn prepare(session: &Session, ask: PrepareAccount) -> Result<RecoveryKit, Failure> {
    let worker = session.worker();
    worker.port()?.call(ask).await
}

/// Draws six words once.
#[hook]
fn use_suggestion(session: &Session, form: UseStateHandle<Form>) {
    let session = session.clone();
    use_effect_with((), move |()| {
        spawn_local(async move {
            let worker = session.worker();
            let Ok(port) = worker.port() else { return };
            match port.call(SuggestPassphrase {}).await {
                Ok(suggested) => form.set(Form { suggested, ..(*form).clone() }),
                // One's own does as well.
                Err(_) => form.set(Form { own: Some(String::new()), ..(*form).clone() }),
            }
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
                let worker = session.worker();
                let Ok(port) = worker.port() else { return };
                // Without a judgement the form stays closed, which is safe.
                if let Ok(strength) = port.call(JudgePassphrase { passphrase, known }).await
                    && *newest.borrow() == asked
                {
                    judged.set(Some(quality(strength.guesses_log10)));
                }
            });
        });
    }
    judged
}

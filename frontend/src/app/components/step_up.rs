//! Asks for the passphrase once more, at the moment when the server wants it, and lets what was asked for go on.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::dialog::Dialog;
use super::failure_alert::FailureAlert;
use super::field::SecretField;
use crate::app::hooks::ask::use_ask;
use crate::message;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// Hears whether it was proven.
    pub(in crate::app) onanswer: Callback<bool>,
}

const FORM: &str = "step-up";

#[component]
pub(in crate::app) fn StepUpDialog(props: &Props) -> Html {
    let passphrase = use_state(String::new);
    let proof = use_ask(props.onanswer.reform(|()| true));
    let onsubmit = {
        let (passphrase, ask) = (passphrase.clone(), proof.submit.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if !passphrase.is_empty() {
                ask.emit(message::StepUp { passphrase: (*passphrase).clone() });
            }
        })
    };
    let onchange = {
        let passphrase = passphrase.clone();
        Callback::from(move |typed| passphrase.set(typed))
    };
    let onclose = props.onanswer.reform(|()| false);
    let footer = html!(
        <>
            <button
                type="submit"
                form={FORM}
                class="pf-v6-c-button pf-m-primary"
                disabled={proof.busy || passphrase.is_empty()}
            >
                <span class="pf-v6-c-button__text">{ if proof.busy { "Checking…" } else { "Go on" } }</span>
            </button>
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={onclose.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog id="step-up-dialog" title="Your passphrase, once more" {onclose} {footer}>
            <p>{ "What you are about to do cannot be taken back, so it takes more than a page that was left open. Your \
                  passphrase never leaves this browser." }</p>
            <form id={FORM} class="pf-v6-c-form" {onsubmit} data-test="step-up">
                <SecretField
                    id="step-up-passphrase"
                    label="Passphrase"
                    autocomplete="current-password"
                    value={(*passphrase).clone()}
                    {onchange}
                    autofocus=true
                    disabled={proof.busy}
                />
            </form>
            if let Some(failure) = &proof.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}

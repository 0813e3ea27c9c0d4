//! The recovery key on screen: to copy, print or save, and one group to type back.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::prelude::*;

use crate::app::browser::{save_text, window};
use crate::message::RecoveryKit;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) kit: RecoveryKit,
}

#[component]
pub(in crate::app) fn RecoveryKitView(props: &Props) -> Html {
    let told = use_state(String::new);
    let copy = {
        let (text, told) = (props.kit.groups.join("-"), told.clone());
        Callback::from(move |_| {
            let (text, told) = (text.clone(), told.clone());
            spawn_local(async move {
                let copied = JsFuture::from(window().navigator().clipboard().write_text(&text)).await;
                let sentence = if copied.is_ok() {
                    "Copied. Clear the clipboard later."
                } else {
                    "This browser did not copy it."
                };
                told.set(sentence.to_owned());
            });
        })
    };
    let print = {
        let told = told.clone();
        Callback::from(move |_| {
            if window().print().is_err() {
                told.set("This browser did not print it.".to_owned());
            }
        })
    };
    let save = {
        let (kit, told) = (props.kit.clone(), told.clone());
        Callback::from(move |_| {
            let saved = save_text("triplicate-recovery-key.txt", &sheet(&kit));
            let sentence = if saved.is_ok() {
                "Saved. Move it off this machine."
            } else {
                "This browser did not save it."
            };
            told.set(sentence.to_owned());
        })
    };
    html!(
        <div class="tri-kit" data-test="recovery-kit">
            <p class="tri-print-only">{ format!("Triplicate recovery key of {}", props.kit.login) }</p>
            <ol class="tri-kit__groups" aria-label="Recovery key">
                { for props.kit.groups.iter().map(|group| html!(<li><code data-test="recovery-group">{ group }</code></li>)) }
            </ol>
            <div class="tri-buttons">
                <Button variant={ButtonVariant::Secondary} label="Copy" onclick={copy} icon={html!({ Icon::Copy })} />
                <Button variant={ButtonVariant::Secondary} label="Print" onclick={print} icon={html!({ Icon::Print })} />
                <Button variant={ButtonVariant::Secondary} label="Save as a file" onclick={save} icon={html!({ Icon::Download })} />
            </div>
            <p role="status">{ &*told }</p>
        </div>
    )
}

/// The sheet of paper.
fn sheet(kit: &RecoveryKit) -> String {
    let groups: Vec<String> =
        kit.groups.iter().enumerate().map(|(at, group)| format!("  {}. {group}\n", at + 1)).collect();
    format!(
        "Triplicate recovery key\n\nLogin: {}\nServer: {}\n\n{}\nWith this key and the login, anybody can open the \
         account.\nWithout it and without the passphrase, nobody can.\n",
        kit.login,
        window().location().origin().unwrap_or_default(),
        groups.concat()
    )
}

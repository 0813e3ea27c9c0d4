//! Dialogs, by the browser's own element: it keeps the focus inside, closes on Escape, and hides what is behind from
//! screen readers. Written with PatternFly's markup.

use gloo_events::{EventListener, EventListenerOptions};
use patternfly_yew::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement};
use yew::prelude::*;

use super::failure_alert::FailureAlert;
use crate::app::browser::window;
use crate::failure::Failure;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// Of two dialogs that are open at once, one has another.
    #[prop_or(AttrValue::Static("dialog"))]
    pub(in crate::app) id: AttrValue,
    pub(in crate::app) title: AttrValue,
    pub(in crate::app) onclose: Callback<()>,
    pub(in crate::app) children: Html,
    /// Buttons.
    pub(in crate::app) footer: Html,
}

#[component]
pub(in crate::app) fn Dialog(props: &Props) -> Html {
    let node = use_node_ref();
    use_modal(node.clone());
    {
        let node = node.clone();
        use_effect_with(props.onclose.clone(), move |onclose| {
            let onclose = onclose.clone();
            let options = EventListenerOptions::enable_prevent_default();
            let listener = EventListener::new_with_options(&shown(&node), "cancel", options, move |event| {
                // Whoever shows the dialog takes it away.
                event.prevent_default();
                onclose.emit(());
            });
            move || drop(listener)
        });
    }
    let close = props.onclose.reform(|_| ());
    let title = format!("{}-title", props.id);
    html!(
        <dialog ref={node} class="pf-v6-c-modal-box tri-dialog" aria-labelledby={title.clone()} data-test={&props.id}>
            <div class="pf-v6-c-modal-box__close">
                <Button variant={ButtonVariant::Plain} aria_label="Close" icon={html!({ Icon::Times })} onclick={close} />
            </div>
            <header class="pf-v6-c-modal-box__header">
                <h2 class="pf-v6-c-modal-box__title" id={title}>{ &props.title }</h2>
            </header>
            <div class="pf-v6-c-modal-box__body tri-dialog__body">{ props.children.clone() }</div>
            <footer class="pf-v6-c-modal-box__footer">{ props.footer.clone() }</footer>
        </dialog>
    )
}

/// Opens the dialog; once it is taken away, the focus goes back to where it was.
#[hook]
fn use_modal(node: NodeRef) {
    use_effect_with((), move |()| {
        let before = window().document().and_then(|document| document.active_element());
        shown(&node).show_modal().expect("a dialog that was just put there is not open yet");
        move || {
            // What had the focus may be gone as well.
            let _ = before.map(|element| element.unchecked_into::<HtmlElement>().focus());
        }
    });
}

fn shown(node: &NodeRef) -> HtmlDialogElement {
    node.cast().expect("the dialog is shown while its component is")
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct ConfirmProps {
    /// A question that names what it is about.
    pub(in crate::app) title: AttrValue,
    /// What the button does, in words.
    pub(in crate::app) verb: AttrValue,
    pub(in crate::app) busy: bool,
    /// Something must be done before it can be confirmed.
    #[prop_or_default]
    pub(in crate::app) is_blocked: bool,
    pub(in crate::app) failure: Option<Failure>,
    pub(in crate::app) onconfirm: Callback<()>,
    pub(in crate::app) onclose: Callback<()>,
    /// What happens, and what stays.
    pub(in crate::app) children: Html,
}

/// Asks before something that cannot simply be taken back.
#[component]
pub(in crate::app) fn Confirm(props: &ConfirmProps) -> Html {
    let footer = html!(
        <>
            <Button
                variant={ButtonVariant::Danger}
                label={props.verb.to_string()}
                loading={props.busy}
                disabled={props.busy || props.is_blocked}
                onclick={props.onconfirm.reform(|_| ())}
            />
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog title={props.title.clone()} onclose={props.onclose.clone()} {footer}>
            { props.children.clone() }
            if let Some(failure) = &props.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}

//! Adding a folder, and changing what is left out of one.

use patternfly_yew::prelude::*;
use protocol::id::SourceId;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::fields::RuleFields;
use super::preview::Preview;
use crate::app::components::choice::Choice;
use crate::app::components::dialog::Dialog;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::Field;
use crate::app::hooks::ask::use_ask;
use crate::folder_form::{FolderForm, Objection};
use crate::message::{Device, PutFolder, WatchedFolder};

const OFFLINE: &str = "This device is not connected now. The settings are kept, and apply when it is back.";

#[derive(Properties, PartialEq)]
pub(super) struct AddProps {
    pub(super) devices: Vec<Device>,
    /// Hears of a folder whose rules are to be looked at next.
    pub(super) done: Callback<Option<SourceId>>,
}

#[component]
pub(super) fn Add(props: &AddProps) -> Html {
    let form = use_state(FolderForm::default);
    let chosen = use_state(|| 0_usize);
    let look_first = use_state(|| false);
    let objection = use_state(|| None::<Objection>);
    let put = use_ask({
        let (done, look_first) = (props.done.clone(), *look_first);
        Callback::from(move |source| done.emit(look_first.then_some(source)))
    });
    let device = props.devices.get(*chosen).cloned();
    let onsubmit = {
        let (form, objection, device, submit) =
            (form.clone(), objection.clone(), device.clone(), put.submit.clone());
        let paused = *look_first;
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let Some(device) = &device else { return };
            match form.rules(paused) {
                Ok(rules) => submit.emit(PutFolder { device: device.device, source: None, rules }),
                Err(wrong) => objection.set(Some(wrong)),
            }
        })
    };
    let onchange = takes_over(&form, &objection);
    let set = |change: fn(FolderForm, String) -> FolderForm| {
        let form = (*form).clone();
        onchange.reform(move |text| change(form.clone(), text))
    };
    let set_look_first = {
        let look_first = look_first.clone();
        Callback::from(move |event: Event| {
            let Some(target) = event.target() else { return };
            look_first.set(target.unchecked_into::<HtmlInputElement>().checked());
        })
    };
    let path_wrong = match *objection {
        Some(Objection::Path(words)) => Some(words),
        _ => None,
    };
    let close = props.done.reform(|()| None);
    let label = if *look_first { "Add, paused" } else { "Add" };
    let footer = html!(
        <>
            <Button r#type={ButtonType::Submit} form="add-folder" variant={ButtonVariant::Primary} {label} loading={put.busy} disabled={put.busy} />
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={close.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog title="Add a folder" onclose={close} {footer}>
            <form id="add-folder" class="pf-v6-c-form" {onsubmit} novalidate=true>
                <Choice
                    id="device"
                    label="On"
                    options={props.devices.iter().map(|device| device.name.clone()).collect::<Vec<_>>()}
                    chosen={*chosen}
                    onchoose={{ let chosen = chosen.clone(); Callback::from(move |at| chosen.set(at)) }}
                />
                if device.as_ref().is_some_and(|device| !device.online) {
                    <Alert inline=true plain=true r#type={AlertType::Info} title={OFFLINE} />
                }
                <Field
                    id="path"
                    label="Path on the device"
                    value={form.path.clone()}
                    onchange={set(|form, path| FolderForm { path, ..form })}
                    autofocus=true
                    state={if path_wrong.is_some() { InputState::Error } else { InputState::Default }}
                    hint={path_wrong.unwrap_or("For example /home/me/Documents").to_owned()}
                    disabled={put.busy}
                />
                <Field
                    id="name"
                    label="Name"
                    value={form.name.clone()}
                    onchange={set(|form, name| FolderForm { name, ..form })}
                    hint="Empty: the last part of the path"
                    disabled={put.busy}
                />
                <RuleFields form={(*form).clone()} {onchange} objection={*objection} disabled={put.busy} />
                <div class="pf-v6-c-check">
                    <input
                        class="pf-v6-c-check__input"
                        type="checkbox"
                        id="look-first"
                        checked={*look_first}
                        onchange={set_look_first}
                    />
                    <label class="pf-v6-c-check__label" for="look-first">
                        { "Add it paused, and show first what would be backed up" }
                    </label>
                </div>
                if let Some(failure) = &put.failure {
                    <FailureAlert failure={failure.clone()} />
                }
            </form>
        </Dialog>
    )
}

/// What is typed takes the place of the form, and of what was wrong with it.
fn takes_over(
    form: &UseStateHandle<FolderForm>,
    objection: &UseStateHandle<Option<Objection>>,
) -> Callback<FolderForm> {
    let (form, objection) = (form.clone(), objection.clone());
    Callback::from(move |next| {
        objection.set(None);
        form.set(next);
    })
}

#[derive(Properties, PartialEq)]
pub(super) struct EditProps {
    pub(super) folder: WatchedFolder,
    pub(super) device: Option<Device>,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn Edit(props: &EditProps) -> Html {
    let folder = &props.folder;
    let form = use_state(|| FolderForm::of(&folder.rules));
    let objection = use_state(|| None::<Objection>);
    let put = use_ask(props.onclose.reform(|_: SourceId| ()));
    let save = |paused: bool| {
        let (form, objection, submit) = (form.clone(), objection.clone(), put.submit.clone());
        let (device, source) = (folder.device, folder.source);
        Callback::from(move |_: MouseEvent| match form.rules(paused) {
            Ok(rules) => submit.emit(PutFolder { device, source: Some(source), rules }),
            Err(wrong) => objection.set(Some(wrong)),
        })
    };
    let onchange = takes_over(&form, &objection);
    let rename = {
        let (form, onchange) = ((*form).clone(), onchange.clone());
        Callback::from(move |name| onchange.emit(FolderForm { name, ..form.clone() }))
    };
    let is_paused = folder.rules.paused;
    let footer = html!(
        <>
            <Button variant={ButtonVariant::Primary} label="Save" loading={put.busy} disabled={put.busy} onclick={save(is_paused)} />
            if is_paused {
                <Button variant={ButtonVariant::Secondary} label="Save and start" disabled={put.busy} onclick={save(false)} />
            }
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    let online = props.device.as_ref().filter(|device| device.online).map(|device| device.device);
    html!(
        <Dialog title={format!("Edit “{}”", folder.rules.name)} onclose={props.onclose.clone()} {footer}>
            <p class="tri-path">{ &folder.rules.path }</p>
            <Field id="name" label="Name" value={form.name.clone()} onchange={rename} disabled={put.busy} />
            <RuleFields form={(*form).clone()} {onchange} objection={*objection} disabled={put.busy} />
            if let Some(device) = online {
                <Preview {device} source={folder.source} form={(*form).clone()} />
            } else {
                <Alert inline=true plain=true r#type={AlertType::Info} title={OFFLINE} />
            }
            if let Some(failure) = &put.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}

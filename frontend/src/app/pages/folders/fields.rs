//! The fields that say what is left out of a folder.

use patternfly_yew::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, HtmlTextAreaElement};
use yew::prelude::*;

use crate::app::components::field::Field;
use crate::folder_form::{FolderForm, Objection};

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) form: FolderForm,
    pub(super) onchange: Callback<FolderForm>,
    pub(super) objection: Option<Objection>,
    pub(super) disabled: bool,
}

#[component]
pub(super) fn RuleFields(props: &Props) -> Html {
    let Props { form, onchange, disabled, .. } = props;
    let size_wrong = match props.objection {
        Some(Objection::LargerThan(words)) => Some(words),
        _ => None,
    };
    let set_exclude = {
        let (form, onchange) = (form.clone(), onchange.clone());
        Callback::from(move |event: InputEvent| {
            let area: HtmlTextAreaElement = event.target_unchecked_into();
            onchange.emit(FolderForm { exclude: area.value(), ..form.clone() });
        })
    };
    let set_size = {
        let (form, onchange) = (form.clone(), onchange.clone());
        Callback::from(move |larger_than_mb| onchange.emit(FolderForm { larger_than_mb, ..form.clone() }))
    };
    let set_mounts = {
        let (form, onchange) = (form.clone(), onchange.clone());
        Callback::from(move |event: Event| {
            let Some(target) = event.target() else { return };
            let one_file_system = target.unchecked_into::<HtmlInputElement>().checked();
            onchange.emit(FolderForm { one_file_system, ..form.clone() });
        })
    };
    html!(
        <>
            <div class="pf-v6-c-form__group">
                <div class="pf-v6-c-form__group-label">
                    <label class="pf-v6-c-form__label" for="exclude">
                        <span class="pf-v6-c-form__label-text">{ "Leave out what matches (one pattern a line)" }</span>
                    </label>
                </div>
                <span class="pf-v6-c-form-control pf-m-textarea pf-m-resize-vertical">
                    <textarea
                        id="exclude"
                        rows="4"
                        spellcheck="false"
                        aria-describedby="exclude-hint"
                        value={form.exclude.clone()}
                        oninput={set_exclude}
                        disabled={*disabled}
                    />
                </span>
                <p id="exclude-hint"><small>{ "As in a .gitignore file: node_modules/, *.tmp, /cache; a ! takes something back in." }</small></p>
            </div>
            <Field
                id="larger-than"
                label="Leave out files larger than (megabytes)"
                value={form.larger_than_mb.clone()}
                onchange={set_size}
                state={if size_wrong.is_some() { InputState::Error } else { InputState::Default }}
                hint={size_wrong.unwrap_or("Empty: no limit.").to_owned()}
                disabled={*disabled}
            />
            <div class="pf-v6-c-check">
                <input
                    class="pf-v6-c-check__input"
                    type="checkbox"
                    id="one-file-system"
                    checked={form.one_file_system}
                    onchange={set_mounts}
                    disabled={*disabled}
                />
                <label class="pf-v6-c-check__label" for="one-file-system">
                    { "Leave out other disks and network drives that are mounted in it" }
                </label>
            </div>
        </>
    )
}

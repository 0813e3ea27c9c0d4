//! A labelled line of input with a hint below it.

use patternfly_yew::prelude::*;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// Unique on the page.
    pub(in crate::app) id: AttrValue,
    pub(in crate::app) label: AttrValue,
    pub(in crate::app) value: String,
    pub(in crate::app) onchange: Callback<String>,
    #[prop_or_default]
    pub(in crate::app) autocomplete: AttrValue,
    #[prop_or_default]
    pub(in crate::app) autofocus: bool,
    #[prop_or_default]
    pub(in crate::app) state: InputState,
    #[prop_or_default]
    pub(in crate::app) hint: String,
    #[prop_or_default]
    pub(in crate::app) disabled: bool,
}

#[component]
pub(in crate::app) fn Field(props: &Props) -> Html {
    html!(
        <FieldFrame id={props.id.clone()} label={props.label.clone()} hint={props.hint.clone()} state={props.state}>
            <Input
                id={props.id.clone()}
                value={props.value.clone()}
                onchange={props.onchange.clone()}
                autocomplete={props.autocomplete.clone()}
                autofocus={props.autofocus}
                state={props.state}
                disabled={props.disabled}
            />
        </FieldFrame>
    )
}

/// The same for a passphrase, with a button that shows it.
#[component]
pub(in crate::app) fn SecretField(props: &Props) -> Html {
    let visible = use_state(|| false);
    let toggle = {
        let visible = visible.clone();
        Callback::from(move |_| visible.set(!*visible))
    };
    let (name, icon) = if *visible { ("Hide", Icon::EyeSlash) } else { ("Show", Icon::Eye) };
    let aria_label = format!("{name} {}", props.label.to_lowercase());
    html!(
        <FieldFrame id={props.id.clone()} label={props.label.clone()} hint={props.hint.clone()} state={props.state}>
            <div class="pf-v6-c-input-group">
                <div class="pf-v6-c-input-group__item pf-m-fill">
                    <Input
                        id={props.id.clone()}
                        value={props.value.clone()}
                        onchange={props.onchange.clone()}
                        autocomplete={props.autocomplete.clone()}
                        autofocus={props.autofocus}
                        state={props.state}
                        disabled={props.disabled}
                        secret={!*visible}
                    />
                </div>
                <div class="pf-v6-c-input-group__item">
                    <Button variant={ButtonVariant::Control} {aria_label} onclick={toggle} icon={html!({ icon })} />
                </div>
            </div>
        </FieldFrame>
    )
}

#[derive(Properties, PartialEq)]
struct InputProps {
    id: AttrValue,
    value: String,
    onchange: Callback<String>,
    autocomplete: AttrValue,
    autofocus: bool,
    state: InputState,
    disabled: bool,
    #[prop_or_default]
    secret: bool,
}

#[component]
fn Input(props: &InputProps) -> Html {
    let node = use_node_ref();
    html!(
        <TextInput
            r#ref={node}
            id={props.id.clone()}
            value={props.value.clone()}
            onchange={props.onchange.clone()}
            autocomplete={props.autocomplete.clone()}
            autofocus={props.autofocus}
            state={props.state}
            disabled={props.disabled}
            r#type={if props.secret { TextInputType::Password } else { TextInputType::Text }}
            aria_describedby={format!("{}-hint", props.id)}
        />
    )
}

#[derive(Properties, PartialEq)]
struct FrameProps {
    id: AttrValue,
    label: AttrValue,
    hint: String,
    state: InputState,
    children: Html,
}

#[component]
fn FieldFrame(props: &FrameProps) -> Html {
    let tone = match props.state {
        InputState::Default => None,
        InputState::Success => Some("pf-m-success"),
        InputState::Warning => Some("pf-m-warning"),
        InputState::Error => Some("pf-m-error"),
    };
    html!(
        <div class="pf-v6-c-form__group">
            <div class="pf-v6-c-form__group-label">
                <label class="pf-v6-c-form__label" for={props.id.clone()}>
                    <span class="pf-v6-c-form__label-text">{ &props.label }</span>
                </label>
            </div>
            <div class="pf-v6-c-form__group-control">
                { props.children.clone() }
                <div class="pf-v6-c-form__helper-text" id={format!("{}-hint", props.id)} aria-live="polite">
                    <div class="pf-v6-c-helper-text">
                        <div class={classes!("pf-v6-c-helper-text__item", tone)}>
                            <span class="pf-v6-c-helper-text__item-text">{ &props.hint }</span>
                        </div>
                    </div>
                </div>
            </div>
        </div>
    )
}

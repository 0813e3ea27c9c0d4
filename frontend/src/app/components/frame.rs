//! The frame of the pages outside: brand, a heading, one card of content.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::browser::window;
use crate::app::shell::Brand;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) title: AttrValue,
    #[prop_or_default]
    pub(in crate::app) lead: AttrValue,
    pub(in crate::app) children: Html,
}

#[component]
pub(in crate::app) fn Frame(props: &Props) -> Html {
    use_title(props.title.clone());
    html!(
        <div class="pf-v6-c-login">
            <div class="pf-v6-c-login__container tri-login">
                <header class="pf-v6-c-login__header"><Brand /></header>
                <LoginMain>
                    <header class="pf-v6-c-login__main-header">
                        <Title level={Level::H1} size={Size::XXLarge}>{ props.title.clone() }</Title>
                        if !props.lead.is_empty() {
                            <p class="pf-v6-c-login__main-header-desc">{ &props.lead }</p>
                        }
                    </header>
                    <LoginMainBody>{ props.children.clone() }</LoginMainBody>
                </LoginMain>
            </div>
        </div>
    )
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct PageHeadProps {
    pub(in crate::app) title: AttrValue,
    #[prop_or_default]
    pub(in crate::app) children: Html,
}

/// The head of a page inside.
#[component]
pub(in crate::app) fn PageHead(props: &PageHeadProps) -> Html {
    use_title(props.title.clone());
    html!(
        <section class="pf-v6-c-page__main-section">
            <div class="pf-v6-c-page__main-body tri-page-head">
                <Title level={Level::H1} size={Size::XXLarge}>{ props.title.clone() }</Title>
                { props.children.clone() }
            </div>
        </section>
    )
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct SectionProps {
    #[prop_or_default]
    pub(in crate::app) test: AttrValue,
    pub(in crate::app) children: Html,
}

/// A part of a page inside.
#[component]
pub(in crate::app) fn Section(props: &SectionProps) -> Html {
    html!(
        <section class="pf-v6-c-page__main-section" data-test={&props.test}>
            <div class="pf-v6-c-page__main-body">{ props.children.clone() }</div>
        </section>
    )
}

/// What the browser's tab says.
#[hook]
fn use_title(title: AttrValue) {
    use_effect_with(title, |title| {
        if let Some(document) = window().document() {
            document.set_title(&format!("{title} · Triplicate"));
        }
    });
}

/// Something is being fetched.
#[component]
pub(in crate::app) fn Loading() -> Html {
    html!(<Bullseye><Spinner aria_label="Loading" /></Bullseye>)
}

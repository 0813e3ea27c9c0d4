//! The way from the top of a source to the open folder.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::folder::{Folder, ancestors};

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// What the top is called.
    pub(in crate::app) top: AttrValue,
    pub(in crate::app) folder: Folder,
    pub(in crate::app) ongo: Callback<Folder>,
}

#[component]
pub(in crate::app) fn Breadcrumbs(props: &Props) -> Html {
    let step = |name: &str, target: Folder| {
        let is_here = target == props.folder;
        let onclick = props.ongo.reform(move |_| target.clone());
        html!(
            <li class="pf-v6-c-breadcrumb__item">
                <span class="pf-v6-c-breadcrumb__item-divider">{ Icon::AngleRight }</span>
                if is_here {
                    <span class="pf-v6-c-breadcrumb__link pf-m-current" aria-current="page">{ name }</span>
                } else {
                    <button type="button" class="pf-v6-c-breadcrumb__link" {onclick}>{ name }</button>
                }
            </li>
        )
    };
    html!(
        <nav class="pf-v6-c-breadcrumb tri-breadcrumb" aria-label="Folders" data-test="breadcrumb">
            <ol class="pf-v6-c-breadcrumb__list" role="list">
                { step(&props.top, Vec::new()) }
                { for ancestors(&props.folder).map(|(name, path)| step(name, path.to_vec())) }
            </ol>
        </nav>
    )
}

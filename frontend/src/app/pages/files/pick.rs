//! Picking files and folders with the browser's own dialogue.

use patternfly_yew::prelude::*;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::app::drop::from_list;
use crate::app::transfers::use_transfers;
use crate::folder::Folder;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) folder: Folder,
}

#[component]
pub(super) fn PickButtons(props: &Props) -> Html {
    html!(
        <div class="tri-buttons">
            <PickButton folder={props.folder.clone()} whole_folder=false />
            <PickButton folder={props.folder.clone()} whole_folder=true />
        </div>
    )
}

#[derive(Properties, PartialEq)]
struct ButtonProps {
    folder: Folder,
    whole_folder: bool,
}

#[component]
fn PickButton(props: &ButtonProps) -> Html {
    let transfers = use_transfers();
    let input = use_node_ref();
    let onclick = {
        let input = input.clone();
        Callback::from(move |_| {
            if let Some(input) = input.cast::<HtmlInputElement>() {
                input.click();
            }
        })
    };
    let onchange = {
        let (transfers, input, folder) = (transfers.clone(), input.clone(), props.folder.clone());
        Callback::from(move |_| {
            let Some(input) = input.cast::<HtmlInputElement>() else { return };
            if let Some(files) = input.files().filter(|files| files.length() > 0) {
                transfers.backup(&folder, from_list(&files));
            }
            // The same files can be picked again.
            input.set_value("");
        })
    };
    let (label, variant, test) = if props.whole_folder {
        ("Back up a folder", ButtonVariant::Secondary, "pick-folder")
    } else {
        ("Back up files", ButtonVariant::Primary, "pick-files")
    };
    html!(
        <>
            <input
                ref={input}
                type="file"
                hidden=true
                multiple=true
                webkitdirectory={props.whole_folder}
                aria-label={label}
                data-test={test}
                {onchange}
            />
            <Button {variant} {label} {onclick} icon={html!({ Icon::Upload })} />
        </>
    )
}

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
    // Some browsers call an empty folder an empty choice, and others call it no choice.
    let nothing = use_state_eq(|| false);
    let onpicked = {
        let nothing = nothing.clone();
        Callback::from(move |something: bool| nothing.set(!something))
    };
    html!(
        <div class="tri-buttons">
            <PickButton folder={props.folder.clone()} whole_folder=false onpicked={onpicked.clone()} />
            <PickButton folder={props.folder.clone()} whole_folder=true {onpicked} />
            <span role="status" data-test="nothing-picked">
                if *nothing {
                    { "No files were picked. Empty folders are not kept." }
                }
            </span>
        </div>
    )
}

#[derive(Properties, PartialEq)]
struct ButtonProps {
    folder: Folder,
    whole_folder: bool,
    /// The dialogue was closed, with files or without.
    onpicked: Callback<bool>,
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
        let onpicked = props.onpicked.clone();
        Callback::from(move |_| {
            let Some(input) = input.cast::<HtmlInputElement>() else { return };
            let files = input.files().filter(|files| files.length() > 0);
            onpicked.emit(files.is_some());
            if let Some(files) = files {
                transfers.backup(&folder, from_list(&files));
            }
            // The same files can be picked again.
            input.set_value("");
        })
    };
    let oncancel = props.onpicked.reform(|_| false);
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
                {oncancel}
            />
            <Button {variant} {label} {onclick} icon={html!({ Icon::Upload })} />
        </>
    )
}

//! Removing a node for good, with what goes with it in numbers. Where something would be lost, its name is asked for.

use patternfly_yew::prelude::*;
use protocol::id::NodeId;
use protocol::nodes::RemovalResponse;
use yew::prelude::*;

use crate::app::components::dialog::Confirm;
use crate::app::components::field::Field;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::message::{PreviewRemoval, RemoveNode};
use crate::words;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) node: NodeId,
    pub(super) title: String,
    /// To be typed where something would be lost.
    pub(super) name: String,
    pub(super) onclose: Callback<()>,
    /// What removing means.
    pub(super) children: Html,
}

#[component]
pub(super) fn RemoveDialog(props: &Props) -> Html {
    let node = props.node;
    let remove = use_ask::<RemoveNode>(props.onclose.clone());
    let preview = use_answer(node, (), |node| PreviewRemoval { node: *node });
    let typed = use_state(String::new);
    let lost = preview.known().map(|goes| goes.lost);
    // What is lost by the time that it is done is what was confirmed: without `force`, nothing.
    let force = lost.is_some_and(|lost| lost > 0);
    let is_blocked = lost.is_none() || (force && typed.trim() != props.name);
    let ontype = {
        let typed = typed.setter();
        Callback::from(move |text| typed.set(text))
    };
    html!(
        <Confirm
            title={props.title.clone()}
            verb={if force { "Lose and remove" } else { "Remove" }}
            busy={remove.busy}
            {is_blocked}
            failure={remove.failure}
            onconfirm={remove.submit.reform(move |()| RemoveNode { node, force })}
            onclose={props.onclose.clone()}
        >
            { props.children.clone() }
            { preview.show(|goes| consequences(goes)) }
            if force {
                <Field
                    id="remove-name"
                    label={format!("Type {} to lose them", props.name)}
                    value={(*typed).clone()}
                    onchange={ontype}
                    autocomplete="off"
                />
            }
        </Confirm>
    )
}

fn consequences(goes: &RemovalResponse) -> Html {
    let (tone, title) = match (goes.lost, goes.single) {
        (0, 0) => (AlertType::Success, "Everything that it has is in two other places or more.".to_owned()),
        (0, single) => {
            let parts = words::count(single, "part is", "parts are");
            (AlertType::Warning, format!("{parts} then in one place alone, until they are copied again."))
        }
        (lost, _) => {
            let parts = words::count(lost, "part is", "parts are");
            (AlertType::Danger, format!("{parts} on this node alone and would be lost for ever."))
        }
    };
    html!(
        <div data-test="goes">
            <Alert inline=true r#type={tone} {title}>
                if goes.lost > 0 {
                    <p>{ "Files and snapshots that need it cannot be restored any more. Empty the node first, or wait \
                          until the other nodes are back, and nothing is lost." }</p>
                    if goes.single > 0 {
                        <p>
                            { words::count(goes.single, "other part is", "other parts are") }
                            { " then in one place alone, until they are copied again." }
                        </p>
                    }
                }
            </Alert>
        </div>
    )
}

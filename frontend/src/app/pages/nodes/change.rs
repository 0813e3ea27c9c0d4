//! What the operator wants of a node, asked before it is done.

use protocol::nodes::{NodeState, NodeStatus};
use yew::prelude::*;

use super::remove::RemoveDialog;
use crate::app::components::dialog::Confirm;
use crate::app::hooks::ask::use_ask;
use crate::message::DrainNode;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Drain,
    Undrain,
    Remove,
}

impl Change {
    /// What can be wanted of a node in this state.
    pub(super) fn all(state: NodeState) -> &'static [Self] {
        match state {
            NodeState::Draining | NodeState::Drained => &[Self::Undrain, Self::Remove],
            NodeState::Gone => &[],
            _ => &[Self::Drain, Self::Remove],
        }
    }

    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Drain => "Empty",
            Self::Undrain => "Use again",
            Self::Remove => "Remove",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::Drain => {
                "It gets nothing new, and what it has is copied to other nodes while it still serves it. When it says \
                 Drained, it may be switched off and removed."
            }
            Self::Undrain => "It keeps what it has and gets new data again.",
            Self::Remove => {
                "It is no part of this cluster any more, and cannot come back. Other nodes replace its copies."
            }
        }
    }
}

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) node: NodeStatus,
    pub(super) change: Change,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn ChangeDialog(props: &Props) -> Html {
    let drain = use_ask::<DrainNode>(props.onclose.clone());
    let (node, change) = (props.node.node, props.change);
    let title = format!("{} “{}”?", change.verb(), props.node.zone);
    let explanation = html!(<p>{ change.explanation() }</p>);
    if change == Change::Remove {
        return html!(
            <RemoveDialog {node} {title} name={props.node.zone.clone()} onclose={props.onclose.clone()}>
                { explanation }
            </RemoveDialog>
        );
    }
    html!(
        <Confirm
            {title}
            verb={change.verb()}
            busy={drain.busy}
            failure={drain.failure}
            onconfirm={drain.submit.reform(move |()| DrainNode { node, drain: change == Change::Drain })}
            onclose={props.onclose.clone()}
        >
            { explanation }
        </Confirm>
    )
}

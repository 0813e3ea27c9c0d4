//! A node's state, in one word and one colour.

use patternfly_yew::prelude::*;
use protocol::nodes::NodeState;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) state: NodeState,
}

#[component]
pub(in crate::app) fn NodeLabel(props: &Props) -> Html {
    let (label, color, icon) = match props.state {
        NodeState::Up => ("Up", Color::Green, Icon::CheckCircle),
        NodeState::Joining => ("Joining", Color::Blue, Icon::SyncAlt),
        NodeState::Suspect => ("Silent", Color::Orange, Icon::ExclamationTriangle),
        NodeState::Down => ("Down", Color::Red, Icon::ExclamationCircle),
        NodeState::ReadOnly => ("Read only", Color::Orange, Icon::Lock),
        NodeState::Out => ("Out", Color::Red, Icon::ExclamationCircle),
        NodeState::Draining => ("Draining", Color::Blue, Icon::SyncAlt),
        NodeState::Drained => ("Drained", Color::Grey, Icon::CheckCircle),
        NodeState::Gone => ("Removed", Color::Grey, Icon::Lock),
    };
    html!(<Label {label} {color} {icon} />)
}

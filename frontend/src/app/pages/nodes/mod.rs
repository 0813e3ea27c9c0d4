//! The storage nodes, live: how they are, how the copies on them are, and what the operator wants of them.

mod change;
mod remove;
mod repairs;
mod table;

use patternfly_yew::prelude::*;
use protocol::nodes::NodeStatus;
use yew::prelude::*;

use crate::app::browser::now_ms;
use crate::app::components::frame::{Loading, PageHead, Section};
use crate::app::hooks::clock::use_now;
use crate::app::hooks::live::use_live;
use crate::app::session::use_session;
use change::{Change, ChangeDialog};
use repairs::Repairs;
use table::NodeTable;

#[component]
pub(in crate::app) fn Nodes() -> Html {
    let live = use_live();
    let now = use_now(now_ms);
    let is_operator = use_session().is_operator();
    let doing = use_state(|| None::<(NodeStatus, Change)>);
    let onchange = {
        let doing = doing.clone();
        Callback::from(move |change| doing.set(Some(change)))
    };
    let onclose = {
        let doing = doing.clone();
        Callback::from(move |()| doing.set(None))
    };
    let body = match &live.nodes {
        None => html!(<Loading />),
        Some(nodes) if nodes.is_empty() => html!(
            <EmptyState title="No storage node has joined yet" icon={Icon::OutlinedHdd}>
                { "Start one with the join token of this server; it appears here by itself." }
            </EmptyState>
        ),
        Some(nodes) => {
            let elapsed = ((now - live.nodes_ms).max(0.0) / 1000.0) as u64;
            let onchange = is_operator.then_some(onchange);
            html!(<NodeTable nodes={(**nodes).clone()} {elapsed} {onchange} />)
        }
    };
    html!(
        <>
            <PageHead title="Nodes">
                <span role="status" data-test="live" data-state={if live.connected { "live" } else { "waiting" }}>
                    if live.connected {
                        <Label label="Live" color={Color::Green} icon={Icon::CheckCircle} />
                    } else {
                        <Label label="Waiting for the server" color={Color::Orange} icon={Icon::ExclamationTriangle} />
                    }
                </span>
            </PageHead>
            <Section test="repairs"><Repairs cluster={live.cluster} /></Section>
            <Section test="nodes">{ body }</Section>
            if let Some((node, change)) = &*doing {
                <ChangeDialog node={node.clone()} change={*change} {onclose} />
            }
        </>
    )
}

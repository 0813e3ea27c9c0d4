//! The storage nodes, live.

use patternfly_yew::prelude::*;
use protocol::nodes::{NodeState, NodeStatus};
use yew::prelude::*;

use crate::app::browser::now_ms;
use crate::app::components::frame::{Loading, PageHead, Section};
use crate::app::components::node_label::NodeLabel;
use crate::app::hooks::clock::use_now;
use crate::app::hooks::live::use_live;
use crate::words;

#[component]
pub(in crate::app) fn Nodes() -> Html {
    let live = use_live();
    let now = use_now(now_ms);
    let body = match &live.nodes {
        None => html!(<Loading />),
        Some(nodes) if nodes.is_empty() => html!(
            <EmptyState title="No storage node has joined yet" icon={Icon::OutlinedHdd}>
                { "Start one with the join token of this server; it appears here by itself." }
            </EmptyState>
        ),
        Some(nodes) => {
            let elapsed = ((now - live.nodes_ms).max(0.0) / 1000.0) as u64;
            html!(<NodeTable nodes={(**nodes).clone()} {elapsed} />)
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
            <Section test="nodes">{ body }</Section>
        </>
    )
}

#[derive(Properties, PartialEq)]
struct Props {
    nodes: Vec<NodeStatus>,
    /// Seconds since this was told.
    elapsed: u64,
}

#[component]
fn NodeTable(props: &Props) -> Html {
    const HEADS: [&str; 6] = ["Place", "State", "Used", "Free", "Parts", "Last heard of"];
    html!(
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Storage nodes">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for HEADS.map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">{ for props.nodes.iter().map(|node| row(node, props.elapsed)) }</tbody>
        </table>
    )
}

fn row(node: &NodeStatus, elapsed: u64) -> Html {
    let cell = |label: &'static str, content: Html| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    let heard = match (node.silent_seconds, node.state) {
        (None, _) => "never".to_owned(),
        // Heartbeats of a node that is up are no news, so they are not told one by one.
        (Some(_), NodeState::Up | NodeState::ReadOnly) => "just now".to_owned(),
        (Some(seconds), _) => words::ago(seconds + elapsed),
    };
    let share =
        if node.capacity_bytes == 0 { 0.0 } else { node.used_bytes as f64 / node.capacity_bytes as f64 };
    html!(
        <tr key={node.node.to_string()} class="pf-v6-c-table__tr" data-test="node" data-name={node.zone.clone()}>
            <th class="pf-v6-c-table__th" scope="row" data-label="Place">
                <div>{ &node.zone }</div>
                <small>{ &node.url }</small>
            </th>
            { cell("State", html!(
                <div>
                    <NodeLabel state={node.state} />
                    if let Some(reason) = &node.read_only_reason {
                        <div><small>{ reason }</small></div>
                    }
                </div>
            )) }
            { cell("Used", html!({ format!("{} ({:.1} %)", words::size(node.used_bytes), share * 100.0) })) }
            { cell("Free", html!({ words::size(node.free_bytes) })) }
            { cell("Parts", html!({ words::grouped(node.blobs) })) }
            { cell("Last heard of", html!({ heard })) }
        </tr>
    )
}

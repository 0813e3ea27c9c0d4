//! The table of storage nodes.

use patternfly_yew::prelude::*;
use protocol::nodes::{Medium, NodeState, NodeStatus};
use yew::prelude::*;

use super::change::Change;
use crate::app::components::node_label::NodeLabel;
use crate::words;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) nodes: Vec<NodeStatus>,
    /// Seconds since this was told.
    pub(super) elapsed: u64,
    /// What the operator is about to do; none for others.
    pub(super) onchange: Option<Callback<(NodeStatus, Change)>>,
}

#[component]
pub(super) fn NodeTable(props: &Props) -> Html {
    const HEADS: [&str; 7] = ["Place", "State", "Used", "Free", "Parts", "Checked", "Last heard of"];
    html!(
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Storage nodes">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for HEADS.map(|name| html!(<th class="pf-v6-c-table__th pf-m-wrap" scope="col">{ name }</th>)) }
                    if props.onchange.is_some() {
                        <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                    }
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">{ for props.nodes.iter().map(|node| row(node, props)) }</tbody>
        </table>
    )
}

fn row(node: &NodeStatus, props: &Props) -> Html {
    let cell = |label: &'static str, content: Html| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    let heard = match (node.silent_seconds, node.state) {
        (None, _) => "never".to_owned(),
        // Heartbeats of a node that is up are no news, so they are not told one by one.
        (Some(_), NodeState::Up | NodeState::ReadOnly) => "just now".to_owned(),
        (Some(seconds), _) => words::ago(seconds + props.elapsed),
    };
    let share =
        if node.capacity_bytes == 0 { 0.0 } else { node.used_bytes as f64 / node.capacity_bytes as f64 };
    html!(
        <tr key={node.node.to_string()} class="pf-v6-c-table__tr" data-test="node" data-name={node.zone.clone()}>
            <th class="pf-v6-c-table__th" scope="row" data-label="Place">
                <div>{ &node.zone }</div>
                <small>{ &node.url }</small>
                if let Some(cloud) = cloud(node.medium) {
                    <div><small>{ cloud }</small></div>
                }
            </th>
            { cell("State", html!(
                <div>
                    <NodeLabel state={node.state} />
                    if let Some(reason) = &node.reason {
                        <div><small>{ reason }</small></div>
                    }
                </div>
            )) }
            { cell("Used", html!({ format!("{} ({:.1} %)", words::size(node.used_bytes), share * 100.0) })) }
            { cell("Free", html!({ words::size(node.free_bytes) })) }
            { cell("Parts", html!({ words::grouped(node.blobs) })) }
            { cell("Checked", html!({ checked(node) })) }
            { cell("Last heard of", html!({ heard })) }
            if let Some(onchange) = &props.onchange {
                <td class="pf-v6-c-table__td pf-v6-c-table__action tri-below">
                    { for Change::all(node.state).iter().map(|change| action(node, *change, onchange)) }
                </td>
            }
        </tr>
    )
}

/// Where blobs are that are not on the node's own disk.
fn cloud(medium: Medium) -> Option<&'static str> {
    match medium {
        Medium::Disk => None,
        Medium::S3 => Some("in an S3 bucket"),
        Medium::Dropbox => Some("in a Dropbox"),
    }
}

/// How far the node is with reading all that it has.
fn checked(node: &NodeStatus) -> String {
    let scrub = node.scrub;
    let percent = match (scrub.total_bytes, scrub.finished_ms) {
        (0, None) => return "not yet".to_owned(),
        (0, Some(_)) => 100,
        (total, _) => scrub.done_bytes.min(total) * 100 / total,
    };
    match scrub.damaged {
        0 => format!("{percent} %"),
        damaged => format!("{percent} %, {} damaged so far", words::grouped(damaged)),
    }
}

fn action(node: &NodeStatus, change: Change, onchange: &Callback<(NodeStatus, Change)>) -> Html {
    let about = node.clone();
    html!(
        <Button
            variant={ButtonVariant::Link}
            label={change.verb()}
            aria_label={format!("{} {}", change.verb(), node.zone)}
            onclick={onchange.reform(move |_: MouseEvent| (about.clone(), change))}
        />
    )
}

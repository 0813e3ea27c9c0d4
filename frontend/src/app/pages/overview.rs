//! What is protected, and how well.

use std::collections::BTreeMap;
use std::rc::Rc;

use patternfly_yew::prelude::*;
use protocol::id::VaultId;
use yew::prelude::*;

use crate::app::browser::moment;
use crate::app::components::frame::{PageHead, Section};
use crate::app::components::node_label::NodeLabel;
use crate::app::components::quota_bar::QuotaBar;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::live::use_live;
use crate::app::hooks::place::use_place;
use crate::app::routes::Route;
use crate::app::transfers::use_transfers;
use crate::copies::{Safety, judge};
use crate::message::{self, Tally};
use crate::quota::{self, Fill};
use crate::source::label;
use crate::spot::Spot;
use crate::words::{self, CATEGORIES};

#[component]
pub(in crate::app) fn Overview() -> Html {
    let (live, backups) = (use_live(), use_transfers().backups());
    let states = live.nodes.map(|nodes| nodes.iter().map(|node| (node.node, node.state)).collect::<Vec<_>>());
    let news = (live.heads.clone(), backups);
    let overview = use_answer((), (live.heads, live.state, backups, states), |()| message::Survey {});
    let content = match overview.known() {
        Some(known) => html!(<Content overview={known.clone()} />),
        None => html!(<Section>{ overview.show(|_| html!()) }</Section>),
    };
    html!(<><PageHead title="Overview" /><Quota {news} />{ content }</>)
}

#[derive(Properties, PartialEq)]
struct Props {
    overview: Rc<message::Overview>,
}

#[component]
fn Content(props: &Props) -> Html {
    let overview = &props.overview;
    let place = use_place();
    let total = sum(&overview.categories);
    let copies = judge(&overview.status, total.files);
    let to_files = Callback::from(move |_| place.go(Route::Files, Spot::default()));
    let (tone, state) = match copies.safety {
        Safety::Protected => (AlertType::Success, "protected"),
        Safety::Durable => (AlertType::Info, "durable"),
        Safety::AtRisk => (AlertType::Danger, "at-risk"),
        Safety::Empty => (AlertType::Custom, "empty"),
    };
    html!(
        <>
            <Section test="copies">
                <div data-state={state} role="status">
                    <Alert inline=true r#type={tone} title={copies.sentence}><p>{ copies.explanation }</p></Alert>
                </div>
            </Section>
            <NodeStrip />
            if copies.safety == Safety::Empty {
                <Section test="empty">
                    <EmptyState title="Back up your first folder" icon={Icon::FolderOpen}>
                        <p>{ "Open Files and drop a folder on it. When it is done, this page says where its copies are." }</p>
                        <Button variant={ButtonVariant::Primary} label="Open Files" onclick={to_files} />
                    </EmptyState>
                </Section>
            } else {
                <Section test="categories">
                    <Card>
                        <CardTitle><Title level={Level::H2} size={Size::Large}>{ "What is protected" }</Title></CardTitle>
                        <CardBody>{ categories(&overview.categories, total) }</CardBody>
                    </Card>
                </Section>
                <Section test="sources">
                    <Card>
                        <CardTitle><Title level={Level::H2} size={Size::Large}>{ "Where it comes from" }</Title></CardTitle>
                        <CardBody>{ sources(overview) }</CardBody>
                    </Card>
                </Section>
            }
        </>
    )
}

fn sum(categories: &[Tally; 7]) -> Tally {
    categories.iter().fold(Tally::default(), |sum, tally| Tally {
        files: sum.files + tally.files,
        bytes: sum.bytes + tally.bytes,
    })
}

fn categories(categories: &[Tally; 7], total: Tally) -> Html {
    let row = |name: &str, tally: &Tally, test: &'static str| {
        html!(
            <tr class="pf-v6-c-table__tr" data-test={test} data-name={name.to_owned()}>
                <th class="pf-v6-c-table__th" scope="row" data-label="Kind">{ name }</th>
                <td class="pf-v6-c-table__td" data-label="Files">{ words::grouped(tally.files) }</td>
                <td class="pf-v6-c-table__td pf-m-nowrap" data-label="Size">{ words::size(tally.bytes) }</td>
            </tr>
        )
    };
    let present = CATEGORIES.iter().zip(categories).filter(|(_, tally)| tally.files > 0);
    html!(
        <table class="pf-v6-c-table pf-m-compact" aria-label="Totals by category">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for ["Kind", "Files", "Size"].map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">
                { for present.map(|(name, tally)| row(name, tally, "category")) }
                { row("All", &total, "total") }
            </tbody>
        </table>
    )
}

/// Only an agent restores by itself to see whether it can.
fn proven(source: &message::Source, proven_ms: Option<u64>) -> String {
    match (proven_ms, &source.device) {
        (Some(ms), _) => moment(ms as f64),
        (None, Some(_)) => "not yet".to_owned(),
        (None, None) => "only agents do this".to_owned(),
    }
}

fn sources(overview: &message::Overview) -> Html {
    let row = |source: &message::Source| {
        let status = overview.status.sources.iter().find(|status| status.source == source.source);
        html!(
            <tr class="pf-v6-c-table__tr" data-test="source" data-name={source.name.clone()}>
                <th class="pf-v6-c-table__th" scope="row" data-label="Source">{ label(source) }</th>
                <td class="pf-v6-c-table__td" data-label="Holds">
                    { format!("{}, {}", words::count(source.tally.files, "file", "files"), words::size(source.tally.bytes)) }
                </td>
                <td class="pf-v6-c-table__td" data-label="Stored">
                    { status.map_or_else(String::new, |status| words::size(status.stored_bytes)) }
                </td>
                <td class="pf-v6-c-table__td" data-label="Last backup">
                    { source.newest_ms.map_or_else(|| "never".to_owned(), |ms| moment(ms as f64)) }
                    if status.is_some_and(|status| status.overdue) {
                        { " " }<Label label="Overdue" color={Color::Orange} icon={Icon::ExclamationTriangle} />
                    }
                </td>
                <td class="pf-v6-c-table__td" data-label="Proven">
                    { proven(source, status.and_then(|status| status.proven_ms)) }
                </td>
            </tr>
        )
    };
    html!(
        <table class="pf-v6-c-table pf-m-compact pf-m-grid-md" aria-label="Totals by source">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for ["Source", "Holds", "Stored, one copy", "Last backup", "Proven"].map(|name| html!(
                        <th class="pf-v6-c-table__th pf-m-wrap" scope="col">{ name }</th>
                    )) }
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">{ for overview.sources.iter().map(row) }</tbody>
        </table>
    )
}

/// All nodes in a line.
#[component]
fn NodeStrip() -> Html {
    let live = use_live();
    let Some(nodes) = live.nodes else { return html!() };
    html!(
        <Section test="node-strip">
            <ul class="tri-strip" role="list" aria-label="Storage nodes">
                { for nodes.iter().map(|node| html!(
                    <li>{ &node.zone }{ " " }<NodeLabel state={node.state} /></li>
                )) }
            </ul>
        </Section>
    )
}

#[derive(Properties, PartialEq)]
struct QuotaProps {
    /// Changes whenever something was backed up or deleted.
    news: (Rc<BTreeMap<VaultId, u64>>, u32),
}

/// What the account takes of its quota, if it has one.
#[component]
fn Quota(props: &QuotaProps) -> Html {
    let usage = use_answer((), props.news.clone(), |()| message::Usage {});
    let Some((used_bytes, Some(limit))) = usage.known().map(|it| (it.used_bytes, it.quota_bytes)) else {
        return html!();
    };
    let is_full = quota::fill(used_bytes, limit) == Fill::Full;
    html!(
        <Section test="quota">
            <div class="tri-section-head">
                <QuotaBar label="Your use of your quota" {used_bytes} quota_bytes={Some(limit)} />
            </div>
            if is_full {
                <div role="status" data-test="full">
                    <Alert inline=true r#type={AlertType::Danger} title="Your account is full: nothing new is backed up">
                        { "What is there is safe and can be restored. Delete something for good, or forget snapshots, which                            gives their room back after a day; or ask whoever runs this server for more." }
                    </Alert>
                </div>
            }
        </Section>
    )
}

//! What changed between two snapshots: counts and sizes, and each difference.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::{BackToTimeline, Props};
use crate::app::browser::exact_moment;
use crate::app::hooks::answer::use_answer;
use crate::message::{Compare, Comparison, Difference, DifferenceKind, EntryKind, Timeline};
use crate::spot::{Spot, View};
use crate::timeline::summary;
use crate::words;

#[component]
pub(super) fn Compared(props: &Props) -> Html {
    let Props { spot, ongo, .. } = props;
    let View::Between(from, to) = spot.view else { return html!() };
    let comparison =
        use_answer((spot.source, from, to), (), |&(source, from, to)| Compare { source, from, to });
    let timeline = use_answer(spot.source, (), |source| Timeline { source: *source });
    let when = |seq: u64| {
        let snapshots = timeline.known().map(|snapshots| snapshots.iter());
        let found = snapshots.into_iter().flatten().find(|snapshot| snapshot.seq == seq);
        found.map_or_else(String::new, |snapshot| exact_moment(snapshot.created_ms as f64))
    };
    html!(
        <div data-test="comparison">
            <div class="tri-page-head tri-section-head">
                <Title level={Level::H2} size={Size::Large}>
                    { format!("What changed from {} to {}", when(from), when(to)) }
                </Title>
                <BackToTimeline spot={Spot::clone(spot)} ongo={ongo.clone()} />
            </div>
            { comparison.show(|comparison| content(comparison)) }
        </div>
    )
}

fn content(comparison: &Comparison) -> Html {
    if comparison.first.is_empty() {
        return html!(
            <EmptyState title="Nothing differs" icon={Icon::CheckCircle}>
                { "Both snapshots hold the same files with the same content." }
            </EmptyState>
        );
    }
    html!(
        <>
            <ul class="tri-strip" role="list" aria-label="Sums" data-test="sums">
                { for summary(&comparison.sums).into_iter().map(|sentence| html!(<li><strong>{ sentence }</strong></li>)) }
            </ul>
            <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Differences" data-test="differences">
                <thead class="pf-v6-c-table__thead">
                    <tr class="pf-v6-c-table__tr">
                        { for ["What", "Where", "Size"].map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                    </tr>
                </thead>
                <tbody class="pf-v6-c-table__tbody">{ for comparison.first.iter().map(row) }</tbody>
            </table>
            if comparison.more > 0 {
                <p class="tri-more" role="status">{ format!("and {} more", words::grouped(comparison.more)) }</p>
            }
        </>
    )
}

fn row(difference: &Difference) -> Html {
    let (what, color, icon) = match difference.kind {
        DifferenceKind::Added => ("Added", Color::Green, Icon::PlusCircle),
        DifferenceKind::Removed => ("Deleted", Color::Red, Icon::MinusCircle),
        DifferenceKind::Changed { .. } => ("Changed", Color::Blue, Icon::PencilAlt),
        DifferenceKind::Touched => ("Mode or time", Color::Grey, Icon::History),
        DifferenceKind::Moved { .. } => ("Moved", Color::Purple, Icon::ArrowRight),
    };
    let from = match &difference.kind {
        DifferenceKind::Moved { from } => html!(<div><small>{ format!("from {from}") }</small></div>),
        _ => html!(),
    };
    let size = match (&difference.kind, difference.entry) {
        (DifferenceKind::Touched, _) | (_, EntryKind::Link) => String::new(),
        (DifferenceKind::Changed { bytes_before }, _) if *bytes_before != difference.bytes => {
            format!("{}, was {}", words::size(difference.bytes), words::size(*bytes_before))
        }
        _ => words::size(difference.bytes),
    };
    html!(
        <tr class="pf-v6-c-table__tr" data-test="difference" data-path={difference.path.clone()} data-kind={what}>
            <td class="pf-v6-c-table__td" data-label="What"><Label label={what} {color} {icon} /></td>
            <td class="pf-v6-c-table__td pf-m-break-word" data-label="Where">
                { &difference.path }
                if difference.entry == EntryKind::Folder { { "/" } }
                { from }
            </td>
            <td class="pf-v6-c-table__td pf-m-nowrap" data-label="Size">{ size }</td>
        </tr>
    )
}

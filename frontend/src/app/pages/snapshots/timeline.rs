//! All snapshots of a source, the newest first: open one, choose two to compare, forget one, or say how long they are kept.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::Props;
use super::forget::ForgetDialog;
use super::retention::RetentionDialog;
use crate::app::browser::exact_moment;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::live::use_live;
use crate::app::transfers::use_transfers;
use crate::message::{Snapshot, Timeline};
use crate::spot::{Spot, View};
use crate::timeline::{Pair, growth, notes};
use crate::words;

/// Rows at first, and as many more each time.
const ROWS: usize = 200;

#[component]
pub(super) fn TimelineView(props: &Props) -> Html {
    let (live, backups) = (use_live(), use_transfers().backups());
    let source = props.spot.source;
    let timeline = use_answer(source, (live.heads, backups), |source| Timeline { source: *source });
    timeline.show(|snapshots| if snapshots.is_empty() {
        html!(
            <div data-test="empty">
                <EmptyState title="No snapshot yet" icon={Icon::History}>
                    { "Each finished backup is a snapshot: everything as it was at that moment. They appear here, and stay \
                       when files are changed or deleted." }
                </EmptyState>
            </div>
        )
    } else {
        let again = timeline.again.clone();
        html!(<Table spot={props.spot.clone()} ongo={props.ongo.clone()} snapshots={snapshots.clone()} {again} />)
    })
}

#[derive(Properties, PartialEq)]
struct TableProps {
    spot: Spot,
    ongo: Callback<Spot>,
    snapshots: Rc<Vec<Snapshot>>,
    /// Reads them again.
    again: Callback<()>,
}

/// What a person is about to do.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    Forgetting(Snapshot),
    Retaining,
}

#[component]
fn Table(props: &TableProps) -> Html {
    let pair = use_state(Pair::default);
    let rows = use_state(|| ROWS);
    let doing = use_state(|| Doing::Nothing);
    let set = |to: Doing| {
        let doing = doing.clone();
        Callback::from(move |_: MouseEvent| doing.set(to.clone()))
    };
    let close = {
        let (doing, again) = (doing.clone(), props.again.clone());
        Callback::from(move |()| {
            doing.set(Doing::Nothing);
            again.emit(());
        })
    };
    let open = |view: View| {
        let (spot, ongo) = (props.spot.seen(view), props.ongo.clone());
        Callback::from(move |_: MouseEvent| ongo.emit(spot.clone()))
    };
    let mark = {
        let pair = pair.clone();
        Callback::from(move |seq| pair.set(pair.toggled(seq)))
    };
    let onmore = {
        let rows = rows.clone();
        Callback::from(move |_| rows.set(*rows + ROWS))
    };
    let shown = props.snapshots.len().min(*rows);
    let (disabled, compare) = match pair.both() {
        Some((from, to)) => (false, open(View::Between(from, to))),
        None => (true, Callback::noop()),
    };
    html!(
        <>
            <div class="tri-page-head tri-section-head">
                <p role="status">{ pair.hint() }</p>
                <span class="tri-buttons tri-buttons--row">
                    <Button variant={ButtonVariant::Secondary} label="Compare" {disabled} onclick={compare} />
                    <Button variant={ButtonVariant::Link} label="How long they are kept" onclick={set(Doing::Retaining)} />
                </span>
            </div>
            <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Snapshots" data-test="timeline">
                <thead class="pf-v6-c-table__thead">
                    <tr class="pf-v6-c-table__tr">
                        { for ["Compare", "Made", "Holds", "Change", "By"].map(|name| html!(
                            <th class="pf-v6-c-table__th pf-m-wrap" scope="col">{ name }</th>
                        )) }
                        <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                    </tr>
                </thead>
                <tbody class="pf-v6-c-table__tbody">
                    { for props.snapshots[..shown].iter().enumerate().map(|(at, snapshot)| {
                        let before = props.snapshots.get(at + 1);
                        html!(
                            <Row
                                key={snapshot.seq}
                                snapshot={snapshot.clone()}
                                before={before.cloned()}
                                marked={pair.has(snapshot.seq)}
                                onmark={mark.clone()}
                                onopen={open(View::At(snapshot.seq))}
                                onchanges={before.map(|before| open(View::Between(before.seq, snapshot.seq)))}
                                onforget={(at > 0).then(|| set(Doing::Forgetting(snapshot.clone())))}
                            />
                        )
                    }) }
                </tbody>
            </table>
            if props.snapshots.len() > shown {
                <div class="tri-more" data-test="more">
                    <Button variant={ButtonVariant::Secondary} label="Show older ones" onclick={onmore} />
                </div>
            }
            { match &*doing {
                Doing::Nothing => html!(),
                Doing::Forgetting(snapshot) => html!(
                    <ForgetDialog source={props.spot.source} snapshot={snapshot.clone()} onclose={close} />
                ),
                Doing::Retaining => html!(<RetentionDialog source={props.spot.source} onclose={close} />),
            } }
        </>
    )
}

#[derive(Properties, PartialEq)]
struct RowProps {
    snapshot: Snapshot,
    before: Option<Snapshot>,
    marked: bool,
    onmark: Callback<u64>,
    onopen: Callback<MouseEvent>,
    /// Shows what changed since the one before.
    onchanges: Option<Callback<MouseEvent>>,
    /// Asks whether to forget it; none for the newest, which is always kept.
    onforget: Option<Callback<MouseEvent>>,
}

#[component]
fn Row(props: &RowProps) -> Html {
    let snapshot = &props.snapshot;
    let made = exact_moment(snapshot.created_ms as f64);
    let seq = snapshot.seq;
    let onmark = props.onmark.reform(move |_: Event| seq);
    let holds = format!(
        "{}, {}",
        words::count(snapshot.tally.files, "file", "files"),
        words::size(snapshot.tally.bytes)
    );
    let cell = |label: &'static str, content: Html| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    html!(
        <tr class="pf-v6-c-table__tr" data-test="snapshot" data-seq={seq.to_string()}>
            { cell("Compare", html!(
                <input
                    type="checkbox"
                    class="pf-v6-c-check__input"
                    aria-label={format!("Compare the one of {made}")}
                    checked={props.marked}
                    onchange={onmark}
                />
            )) }
            { cell("Made", html!(<>
                { &made }
                { for notes(snapshot).into_iter().map(|note| html!(<div><small>{ note }</small></div>)) }
            </>)) }
            { cell("Holds", html!({ holds })) }
            { cell("Change", html!({ growth(props.before.as_ref(), snapshot) })) }
            { cell("By", html!({ snapshot.device.as_deref().unwrap_or("you, in the web app") })) }
            <td class="pf-v6-c-table__td pf-v6-c-table__action tri-below">
                <span class="tri-buttons tri-buttons--row">
                    <Button
                        variant={ButtonVariant::Link}
                        label="Open"
                        aria_label={format!("Open the one of {made}")}
                        onclick={props.onopen.clone()}
                    />
                    if let Some(onchanges) = &props.onchanges {
                        <Button
                            variant={ButtonVariant::Link}
                            label="Changes"
                            aria_label={format!("Changes up to {made}")}
                            onclick={onchanges.clone()}
                        />
                    }
                    if let Some(onforget) = &props.onforget {
                        <Button
                            variant={ButtonVariant::Link}
                            label="Forget"
                            aria_label={format!("Forget the one of {made}")}
                            onclick={onforget.clone()}
                        />
                    }
                </span>
            </td>
        </tr>
    )
}

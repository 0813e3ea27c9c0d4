//! A folder's entries: sortable, with what can be done to each. Of a large folder some rows at first, because a
//! browser takes long for many.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::browser::moment;
use crate::message::{Entry, EntryKind};
use crate::order::{Column, Order as Sorting};
use crate::words;

/// Rows at first, and as many more each time.
const ROWS: usize = 500;

/// What a person asks of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) enum Wish {
    /// Open the folder.
    Open(Entry),
    /// Bring it back to this machine.
    Restore(Entry),
    /// Move it to the bin.
    Delete(Entry),
    /// Delete it for good.
    Purge(Entry),
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) entries: Rc<Vec<Entry>>,
    /// Entries can be moved to the bin.
    #[prop_or_default]
    pub(in crate::app) deletable: bool,
    pub(in crate::app) onwish: Callback<Wish>,
}

#[component]
pub(in crate::app) fn EntryTable(props: &Props) -> Html {
    let sorting = use_state(Sorting::default);
    let rows = use_state(|| ROWS);
    let entries = use_memo((props.entries.clone(), *sorting), |(entries, sorting)| {
        let mut entries = entries.to_vec();
        sorting.sort(&mut entries);
        entries
    });
    let shown = entries.len().min(*rows);
    let more = ROWS.min(entries.len() - shown);
    let onmore = {
        let rows = rows.clone();
        Callback::from(move |_| rows.set(*rows + ROWS))
    };
    let head = |column: Column, name: &'static str| {
        let sorting = sorting.clone();
        html!(<SortableHead {column} {name} sorting={*sorting} onsort={Callback::from(move |next| sorting.set(next))} />)
    };
    html!(<>
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Files and folders" data-test="entries">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { head(Column::Name, "Name") }
                    { head(Column::Size, "Size") }
                    { head(Column::Modified, "Changed") }
                    <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">
                { for entries[..shown].iter().map(|entry| html!(
                    <EntryRow key={entry.name.clone()} entry={entry.clone()} deletable={props.deletable} onwish={props.onwish.clone()} />
                )) }
            </tbody>
        </table>
        if entries.len() > ROWS {
            <div class="tri-more" data-test="more">
                <span role="status">
                    { format!("{} of {} shown", words::grouped(shown as u64), words::grouped(entries.len() as u64)) }
                </span>
                if more > 0 {
                    <Button variant={ButtonVariant::Secondary} label={format!("Show {more} more")} onclick={onmore} />
                }
            </div>
        }
    </>)
}

#[derive(Properties, PartialEq)]
struct HeadProps {
    column: Column,
    name: &'static str,
    sorting: Sorting,
    onsort: Callback<Sorting>,
}

#[component]
fn SortableHead(props: &HeadProps) -> Html {
    let is_current = props.sorting.column == props.column;
    let (direction, icon) = match (is_current, props.sorting.descending) {
        (false, _) => (None, Icon::ArrowsAltV),
        (true, false) => (Some("ascending"), Icon::LongArrowAltUp),
        (true, true) => (Some("descending"), Icon::LongArrowAltDown),
    };
    let onclick = {
        let (onsort, next) = (props.onsort.clone(), props.sorting.toggled(props.column));
        Callback::from(move |_| onsort.emit(next))
    };
    html!(
        <th
            class={classes!("pf-v6-c-table__th", "pf-v6-c-table__sort", is_current.then_some("pf-m-selected"))}
            scope="col"
            aria-sort={direction}
        >
            <button type="button" class="pf-v6-c-table__button" {onclick}>
                <div class="pf-v6-c-table__button-content">
                    <span class="pf-v6-c-table__text">{ props.name }</span>
                    <span class="pf-v6-c-table__sort-indicator">{ icon }</span>
                </div>
            </button>
        </th>
    )
}

#[derive(Properties, PartialEq)]
struct RowProps {
    entry: Entry,
    deletable: bool,
    onwish: Callback<Wish>,
}

#[component]
fn EntryRow(props: &RowProps) -> Html {
    let entry = &props.entry;
    let wish = |wish: Wish| {
        let onwish = props.onwish.clone();
        Callback::from(move |_: MouseEvent| onwish.emit(wish.clone()))
    };
    let name = match entry.kind {
        EntryKind::Folder => html!(
            <Button
                variant={ButtonVariant::InlineLink}
                label={entry.name.clone()}
                icon={html!({ Icon::Folder })}
                onclick={wish(Wish::Open(entry.clone()))}
            />
        ),
        EntryKind::File => html!(<span>{ Icon::File }{ format!(" {}", entry.name) }</span>),
        EntryKind::Link => html!(<span>{ Icon::ShareSquare }{ format!(" {} (link)", entry.name) }</span>),
    };
    let size = match entry.kind {
        EntryKind::Folder => {
            format!("{} in {}", words::size(entry.bytes), words::count(entry.files, "file", "files"))
        }
        EntryKind::File => words::size(entry.bytes),
        EntryKind::Link => String::new(),
    };
    let restore = if entry.kind == EntryKind::Folder { "Restore as zip" } else { "Restore" };
    let cell = "pf-v6-c-table__td";
    html!(
        <tr class="pf-v6-c-table__tr" data-test="entry" data-name={entry.name.clone()}>
            <td class={classes!(cell, "pf-m-break-word")} data-label="Name">{ name }</td>
            <td class={classes!(cell, "pf-m-nowrap")} data-label="Size">{ size }</td>
            <td class={cell} data-label="Changed">{ moment(entry.modified_ms as f64) }</td>
            <td class={classes!(cell, "pf-v6-c-table__action")}>
                <span class="tri-buttons tri-buttons--row">
                    if entry.kind != EntryKind::Link {
                        <Button
                            variant={ButtonVariant::Plain}
                            icon={html!({ Icon::Download })}
                            aria_label={format!("{restore} {}", entry.name)}
                            onclick={wish(Wish::Restore(entry.clone()))}
                        />
                    }
                    if props.deletable {
                        <Button
                            variant={ButtonVariant::Plain}
                            icon={html!({ Icon::Trash })}
                            aria_label={format!("Delete {}", entry.name)}
                            onclick={wish(Wish::Delete(entry.clone()))}
                        />
                    }
                    <Button
                        variant={ButtonVariant::Plain}
                        icon={html!({ Icon::Ban })}
                        aria_label={format!("Delete for good: {}", entry.name)}
                        onclick={wish(Wish::Purge(entry.clone()))}
                    />
                </span>
            </td>
        </tr>
    )
}

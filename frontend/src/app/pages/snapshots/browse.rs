//! A source as it was at one moment.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::{BackToTimeline, Props};
use crate::app::browser::exact_moment;
use crate::app::components::breadcrumbs::Breadcrumbs;
use crate::app::components::entry_table::{EntryTable, Wish};
use crate::app::components::purge_dialog::PurgeDialog;
use crate::app::hooks::answer::use_answer;
use crate::app::transfers::use_transfers;
use crate::folder::join;
use crate::message::{EntryKind, List, Open, Timeline};
use crate::spot::Spot;

#[component]
pub(super) fn Browse(props: &Props) -> Html {
    let Props { source, spot, ongo } = props;
    let transfers = use_transfers();
    let purging = use_state(|| None::<Vec<String>>);
    let listing = use_answer((spot.moment(), spot.folder.clone()), (), |(moment, folder)| List {
        moment: *moment,
        folder: folder.clone(),
    });
    let timeline = use_answer(spot.source, (), |source| Timeline { source: *source });
    let snapshots = timeline.known().map(|snapshots| snapshots.iter());
    let snapshot = snapshots.into_iter().flatten().find(|snapshot| Some(snapshot.seq) == spot.moment().seq);
    let when = snapshot.map_or_else(String::new, |snapshot| exact_moment(snapshot.created_ms as f64));
    let onwish = {
        let (spot, ongo, transfers, purging) =
            (spot.clone(), ongo.clone(), transfers.clone(), purging.clone());
        Callback::from(move |wish| match wish {
            Wish::Open(entry) => ongo.emit(spot.inside(join(&spot.folder, &entry.name))),
            Wish::Restore(entry) => {
                let is_folder = entry.kind == EntryKind::Folder;
                let path = join(&spot.folder, &entry.name);
                transfers.restore(Open { moment: spot.moment(), path, folder: is_folder }, entry.name);
            }
            Wish::Purge(entry) => purging.set(Some(join(&spot.folder, &entry.name))),
            Wish::Delete(_) => unreachable!("the table offers no deletion here"),
        })
    };
    let restore = {
        let (spot, title) = (spot.clone(), spot.folder.last().unwrap_or(&source.name).clone());
        Callback::from(move |_| {
            let open = Open { moment: spot.moment(), path: spot.folder.clone(), folder: true };
            transfers.restore(open, title.clone());
        })
    };
    let here = spot.folder.last().map_or_else(|| "everything".to_owned(), |name| format!("“{name}”"));
    let step = {
        let (spot, ongo) = (spot.clone(), ongo.clone());
        Callback::from(move |folder| ongo.emit(spot.inside(folder)))
    };
    let close = {
        let purging = purging.clone();
        Callback::from(move |()| purging.set(None))
    };
    html!(
        <div data-test="moment">
            <div class="tri-page-head tri-section-head">
                <Title level={Level::H2} size={Size::Large}>{ format!("As it was on {when}") }</Title>
                <span class="tri-buttons">
                    <BackToTimeline spot={Spot::clone(spot)} ongo={ongo.clone()} />
                    <Button
                        variant={ButtonVariant::Secondary}
                        label={format!("Restore {here} as zip")}
                        icon={html!({ Icon::Download })}
                        onclick={restore}
                    />
                </span>
            </div>
            <Breadcrumbs top={source.name.clone()} folder={spot.folder.clone()} ongo={step} />
            { listing.show(|entries| if entries.is_empty() {
                html!(<EmptyState title="Nothing was in it at this moment" icon={Icon::FolderOpen} />)
            } else {
                html!(<EntryTable entries={entries.clone()} {onwish} />)
            }) }
            if let Some(path) = &*purging {
                <PurgeDialog moment={spot.moment()} path={path.clone()} onclose={close} />
            }
        </div>
    )
}

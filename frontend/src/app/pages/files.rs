//! Files and folders: back up, open, restore, delete.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::breadcrumbs::Breadcrumbs;
use crate::app::components::entry_table::{EntryTable, Wish};
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::frame::{PageHead, Section};
use crate::app::components::purge_dialog::PurgeDialog;
use crate::app::components::source_chooser::SourceChooser;
use crate::app::components::undo_toast::{Removal, UndoToast};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::live::use_live;
use crate::app::hooks::place::use_place;
use crate::app::routes::Route;
use crate::app::session::{Session, use_session};
use crate::app::transfers::use_transfers;
use crate::failure::Failure;
use crate::folder::{Folder, join};
use crate::message::{EntryKind, List, Open, RemovalId, Remove, Sources, UndoRemove};
use crate::source::find;
use crate::spot::Spot;

mod pick;

use pick::PickButtons;

/// Counts what this page changed.
#[derive(Default, PartialEq)]
struct Changes(u32);

impl Reducible for Changes {
    type Action = ();

    fn reduce(self: Rc<Self>, (): ()) -> Rc<Self> {
        Rc::new(Self(self.0 + 1))
    }
}

#[component]
pub(in crate::app) fn Files() -> Html {
    let (place, live) = (use_place(), use_live());
    let transfers = use_transfers();
    let session = use_session();
    let changes = use_reducer(Changes::default);
    let changed = {
        let changes = changes.dispatcher();
        Callback::from(move |()| changes.dispatch(()))
    };
    let news = (changes.0, live.heads, live.state, transfers.backups());
    let spot = Spot::top(place.spot.source).inside(place.spot.folder.clone());
    let is_uploads = spot.source.is_none();
    let listing = use_answer((spot.moment(), spot.folder.clone()), news.clone(), |(moment, folder)| List {
        moment: *moment,
        folder: folder.clone(),
    });
    let sources = use_answer((), news, |()| Sources {});
    let bin = use_bin(&session, changed.clone());
    let purging = use_state(|| None::<Folder>);

    let onwish = {
        let (place, spot, delete, purging) =
            (place.clone(), spot.clone(), bin.delete.clone(), purging.clone());
        Callback::from(move |wish| match wish {
            Wish::Open(entry) => place.go(Route::Files, spot.inside(join(&spot.folder, &entry.name))),
            Wish::Restore(entry) => {
                let is_folder = entry.kind == EntryKind::Folder;
                let path = join(&spot.folder, &entry.name);
                transfers.restore(Open { moment: spot.moment(), path, folder: is_folder }, entry.name);
            }
            Wish::Delete(entry) => delete.emit(join(&spot.folder, &entry.name)),
            Wish::Purge(entry) => purging.set(Some(join(&spot.folder, &entry.name))),
        })
    };
    let onchoose = {
        let place = place.clone();
        Callback::from(move |source| place.go(Route::Files, Spot::top(source)))
    };
    let ongo = {
        let (place, spot) = (place.clone(), spot.clone());
        Callback::from(move |folder| place.go(Route::Files, spot.inside(folder)))
    };
    let close = {
        let purging = purging.clone();
        Callback::from(move |()| {
            purging.set(None);
            changed.emit(());
        })
    };
    let known = sources.known();
    let top = known.and_then(|sources| find(sources, spot.source)).map(|source| source.name.clone());
    html!(
        <>
            <PageHead title="Files">
                if is_uploads {
                    <PickButtons folder={spot.folder.clone()} />
                }
            </PageHead>
            <Section test="files">
                if let Some(sources) = known.filter(|sources| sources.len() > 1) {
                    <SourceChooser sources={sources.clone()} chosen={spot.source} {onchoose} />
                }
                <Breadcrumbs top={top.unwrap_or_else(|| "All files".to_owned())} folder={spot.folder.clone()} {ongo} />
                <UndoToast removal={bin.removal.0.clone()} onundo={bin.undo.clone()} onexpire={bin.forget.clone()} />
                if let Some(failure) = &*bin.failure {
                    <FailureAlert failure={failure.clone()} />
                }
                {
                    listing.show(|entries| if entries.is_empty() {
                        empty(&spot)
                    } else {
                        html!(<EntryTable entries={entries.clone()} deletable={is_uploads} {onwish} />)
                    })
                }
                if let Some(path) = &*purging {
                    <PurgeDialog moment={spot.moment()} path={path.clone()} onclose={close} />
                }
            </Section>
        </>
    )
}

fn empty(spot: &Spot) -> Html {
    let title = if spot.folder.is_empty() { "Nothing is backed up yet" } else { "This folder is empty" };
    let explanation = match spot.source {
        None => {
            "Drop files or folders anywhere on this page. They are encrypted here, and go to your storage nodes as parts \
             that nobody can read."
        }
        Some(_) => "Its device backs it up by itself; what arrives appears here.",
    };
    html!(
        <div data-test="empty">
            <EmptyState {title} icon={Icon::FolderOpen}>{ explanation }</EmptyState>
        </div>
    )
}

/// What was deleted last and can be taken back.
#[derive(Default, PartialEq)]
struct LastRemoval(Option<Removal>);

enum RemovalEvent {
    /// Something was deleted.
    Deleted(Removal),
    /// It is being taken back.
    Undoing(RemovalId),
    /// It could not be taken back: that is offered again.
    Kept(RemovalId),
    /// It is back, or the time is over.
    Gone(RemovalId),
}

impl Reducible for LastRemoval {
    type Action = RemovalEvent;

    /// Events of what was deleted before the last come too late and change nothing.
    fn reduce(self: Rc<Self>, event: RemovalEvent) -> Rc<Self> {
        let with = |id: RemovalId, change: fn(Removal) -> Option<Removal>| match &self.0 {
            Some(removal) if removal.id == id => change(removal.clone()),
            other => other.clone(),
        };
        Rc::new(Self(match event {
            RemovalEvent::Deleted(removal) => Some(removal),
            RemovalEvent::Undoing(id) => with(id, |removal| Some(Removal { undoing: true, ..removal })),
            RemovalEvent::Kept(id) => with(id, |removal| Some(Removal { undoing: false, ..removal })),
            RemovalEvent::Gone(id) => with(id, |_| None),
        }))
    }
}

/// The bin, as far as one page needs it.
struct Bin {
    removal: UseReducerHandle<LastRemoval>,
    failure: UseStateHandle<Option<Failure>>,
    delete: Callback<Folder>,
    undo: Callback<RemovalId>,
    forget: Callback<RemovalId>,
}

#[hook]
fn use_bin(session: &Session, onchange: Callback<()>) -> Bin {
    let removal = use_reducer(LastRemoval::default);
    let failure = use_state(|| None::<Failure>);
    let delete = {
        let (session, removal, failure, onchange) =
            (session.clone(), removal.dispatcher(), failure.setter(), onchange.clone());
        Callback::from(move |path: Folder| {
            let (session, removal, failure, onchange) =
                (session.clone(), removal.clone(), failure.clone(), onchange.clone());
            failure.set(None);
            spawn_local(async move {
                let name = path.last().cloned().unwrap_or_default();
                match session.ask(Remove { paths: vec![path] }).await {
                    Ok(id) => {
                        removal.dispatch(RemovalEvent::Deleted(Removal { id, name, undoing: false }));
                    }
                    Err(reason) => failure.set(session.handle(reason)),
                }
                onchange.emit(());
            });
        })
    };
    let undo = {
        let (session, removal, failure) = (session.clone(), removal.dispatcher(), failure.setter());
        Callback::from(move |id: RemovalId| {
            let (session, removal, failure, onchange) =
                (session.clone(), removal.clone(), failure.clone(), onchange.clone());
            failure.set(None);
            removal.dispatch(RemovalEvent::Undoing(id));
            spawn_local(async move {
                match session.ask(UndoRemove { removal: id }).await {
                    Ok(()) => removal.dispatch(RemovalEvent::Gone(id)),
                    Err(reason) => {
                        removal.dispatch(RemovalEvent::Kept(id));
                        failure.set(session.handle(reason));
                    }
                }
                onchange.emit(());
            });
        })
    };
    let forget = {
        let removal = removal.dispatcher();
        Callback::from(move |id| removal.dispatch(RemovalEvent::Gone(id)))
    };
    Bin { removal, failure, delete, undo, forget }
}

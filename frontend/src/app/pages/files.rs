//! Files and folders: back up, open, restore, delete.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::entry_table::{EntryTable, Wish};
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::frame::{Loading, PageHead, Section};
use crate::app::components::undo_toast::{Removal, UndoToast};
use crate::app::hooks::live::use_live;
use crate::app::hooks::place::{Place, use_place};
use crate::app::session::{Session, use_session};
use crate::app::transfers::use_transfers;
use crate::failure::Failure;
use crate::folder::{Folder, ancestors, join};
use crate::message::{Entry, EntryKind, List, RemovalId, Remove, UndoRemove};

mod pick;

use pick::PickButtons;

/// What is known of the open folder.
#[derive(Clone, PartialEq)]
enum Listing {
    Loading,
    Entries(Rc<Vec<Entry>>),
    Failed(Failure),
}

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
    let place = use_place();
    let transfers = use_transfers();
    let session = use_session();
    let changes = use_reducer(Changes::default);
    let changed = {
        let changes = changes.dispatcher();
        Callback::from(move |()| changes.dispatch(()))
    };
    let listing = use_listing(&session, &place.folder, changes.0);
    let bin = use_bin(&session, changed.clone());

    let onwish = {
        let (place, transfers, delete) = (place.clone(), transfers.clone(), bin.delete.clone());
        Callback::from(move |wish| match wish {
            Wish::Open(entry) => place.go(join(&place.folder, &entry.name)),
            Wish::Restore(entry) => {
                transfers.restore(join(&place.folder, &entry.name), entry.kind == EntryKind::Folder);
            }
            Wish::Delete(entry) => delete.emit(join(&place.folder, &entry.name)),
        })
    };
    html!(
        <>
            <PageHead title="Files"><PickButtons folder={place.folder.clone()} /></PageHead>
            <Section test="files">
                <Breadcrumbs place={place.clone()} />
                <UndoToast removal={bin.removal.0.clone()} onundo={bin.undo.clone()} onexpire={bin.forget.clone()} />
                if let Some(failure) = &*bin.failure {
                    <FailureAlert failure={failure.clone()} />
                }
                {
                    match &*listing {
                        Listing::Loading => html!(<Loading />),
                        Listing::Failed(failure) => html!(<FailureAlert failure={failure.clone()} retry={changed} />),
                        Listing::Entries(entries) if entries.is_empty() => empty(&place.folder),
                        Listing::Entries(entries) => html!(<EntryTable entries={entries.clone()} {onwish} />),
                    }
                }
            </Section>
        </>
    )
}

fn empty(folder: &[String]) -> Html {
    let title = if folder.is_empty() { "Nothing is backed up yet" } else { "This folder is empty" };
    html!(
        <div data-test="empty">
            <EmptyState {title} icon={Icon::FolderOpen}>
                { "Drop files or folders anywhere on this page. They are encrypted here, and go to your storage nodes as \
                   parts that nobody can read." }
            </EmptyState>
        </div>
    )
}

#[derive(Properties, PartialEq)]
struct BreadcrumbsProps {
    place: Place,
}

#[component]
fn Breadcrumbs(props: &BreadcrumbsProps) -> Html {
    let place = &props.place;
    let step = |name: &str, target: Folder| {
        let is_here = target == place.folder;
        let place = place.clone();
        let onclick = Callback::from(move |_| place.go(target.clone()));
        html!(
            <li class="pf-v6-c-breadcrumb__item">
                <span class="pf-v6-c-breadcrumb__item-divider">{ Icon::AngleRight }</span>
                if is_here {
                    <span class="pf-v6-c-breadcrumb__link pf-m-current" aria-current="page">{ name }</span>
                } else {
                    <button type="button" class="pf-v6-c-breadcrumb__link" {onclick}>{ name }</button>
                }
            </li>
        )
    };
    html!(
        <nav class="pf-v6-c-breadcrumb tri-breadcrumb" aria-label="Folders" data-test="breadcrumb">
            <ol class="pf-v6-c-breadcrumb__list" role="list">
                { step("All files", Vec::new()) }
                { for ancestors(&place.folder).map(|(name, path)| step(name, path.to_vec())) }
            </ol>
        </nav>
    )
}

/// The entries of a folder; again whenever a backup is finished or another device commits.
#[hook]
fn use_listing(session: &Session, folder: &Folder, changes: u32) -> UseStateHandle<Listing> {
    let listing = use_state(|| Listing::Loading);
    let newest = use_mut_ref(|| 0_u32);
    let (head, backups) = (use_live().head, use_transfers().backups());
    let shown = use_mut_ref(|| None);
    {
        let (session, listing) = (session.clone(), listing.clone());
        use_effect_with((folder.clone(), changes, head, backups), move |(folder, ..)| {
            *newest.borrow_mut() += 1;
            let asked = *newest.borrow();
            // The entries of another folder must not stand under this one's name; those of the same one may stay
            // until newer ones come.
            if shown.borrow().as_ref() != Some(folder) {
                listing.set(Listing::Loading);
            }
            let folder = folder.clone();
            spawn_local(async move {
                let result = session.ask(List { folder: folder.clone() }).await;
                if *newest.borrow() != asked {
                    return;
                }
                *shown.borrow_mut() = Some(folder);
                match result {
                    Ok(entries) => listing.set(Listing::Entries(Rc::new(entries))),
                    Err(failure) => {
                        if let Some(failure) = session.handle(failure) {
                            listing.set(Listing::Failed(failure));
                        }
                    }
                }
            });
        });
    }
    listing
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

//! Files and folders: back up, open, restore, delete.

use std::time::Duration;

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::components::entry_table::{EntryTable, Wish};
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::frame::{Loading, PageHead, Section};
use crate::app::hooks::live::use_live;
use crate::app::hooks::place::{Place, use_place};
use crate::app::session::{Session, use_session};
use crate::app::transfers::use_transfers;
use crate::failure::Failure;
use crate::folder::{Folder, ancestors, join};
use crate::message::{Entry, EntryKind, List, Remove, UndoRemove};

mod pick;

use pick::PickButtons;

/// Long enough to notice a mistake.
const UNDO: Duration = Duration::from_secs(20);

/// What is known of the open folder.
#[derive(Clone, PartialEq)]
enum Listing {
    Loading,
    Entries(Vec<Entry>),
    Failed(Failure),
}

#[component]
pub(in crate::app) fn Files() -> Html {
    let place = use_place();
    let transfers = use_transfers();
    let session = use_session();
    let changes = use_state(|| 0_u32);
    let listing = use_listing(&session, &place.folder, *changes);
    let failure = use_state(|| None::<Failure>);
    let removal = use_removal(&session, changes.clone(), failure.clone());

    let onwish = {
        let (place, transfers) = (place.clone(), transfers.clone());
        Callback::from(move |wish| match wish {
            Wish::Open(entry) => place.go(join(&place.folder, &entry.name)),
            Wish::Restore(entry) => {
                transfers.restore(join(&place.folder, &entry.name), entry.kind == EntryKind::Folder);
            }
            Wish::Delete(entry) => removal.emit(join(&place.folder, &entry.name)),
        })
    };
    let again = {
        let changes = changes.clone();
        Callback::from(move |()| changes.set(*changes + 1))
    };
    html!(
        <>
            <PageHead title="Files"><PickButtons folder={place.folder.clone()} /></PageHead>
            <Section test="files">
                <Breadcrumbs place={place.clone()} />
                if let Some(failure) = &*failure {
                    <FailureAlert failure={failure.clone()} />
                }
                {
                    match &*listing {
                        Listing::Loading => html!(<Loading />),
                        Listing::Failed(failure) => html!(<FailureAlert failure={failure.clone()} retry={again} />),
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
                let result = list(&session, folder.clone()).await;
                if *newest.borrow() != asked {
                    return;
                }
                *shown.borrow_mut() = Some(folder);
                match result {
                    Ok(entries) => listing.set(Listing::Entries(entries)),
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

async fn list(session: &Session, folder: Folder) -> Result<Vec<Entry>, Failure> {
    let worker = session.worker();
    worker.port()?.call(List { folder }).await
}

/// Deletes to the bin, and offers to take it back.
#[hook]
fn use_removal(
    session: &Session,
    changes: UseStateHandle<u32>,
    failure: UseStateHandle<Option<Failure>>,
) -> Callback<Folder> {
    let toaster = use_toaster().expect("the app stands below ToastViewer");
    let session = session.clone();
    Callback::from(move |path: Folder| {
        let name = path.last().cloned().unwrap_or_default();
        let (session, changes, failure, toaster) =
            (session.clone(), changes.clone(), failure.clone(), toaster.clone());
        failure.set(None);
        spawn_local(async move {
            let worker = session.worker();
            let removed = match worker.port() {
                Ok(port) => port.call(Remove { paths: vec![path] }).await,
                Err(broken) => Err(broken),
            };
            let removal = match removed {
                Ok(removal) => removal,
                Err(reason) => return failure.set(session.handle(reason)),
            };
            changes.set(*changes + 1);
            let undo = Callback::from(move |()| {
                let (session, changes, failure) = (session.clone(), changes.clone(), failure.clone());
                spawn_local(async move {
                    let worker = session.worker();
                    let undone = match worker.port() {
                        Ok(port) => port.call(UndoRemove { removal }).await,
                        Err(broken) => Err(broken),
                    };
                    match undone {
                        Ok(()) => changes.set(*changes + 2),
                        Err(reason) => failure.set(session.handle(reason)),
                    }
                });
            });
            toaster.toast(Toast {
                title: format!("{name} is in the bin."),
                r#type: AlertType::Info,
                timeout: Some(UNDO),
                body: html!({ "Its bytes are kept for 30 days." }),
                actions: vec![Action::new("Undo", undo)],
            });
        });
    })
}

//! Folders that devices back up by themselves: how each is, and its settings.

mod answer;
mod card;
mod edit;
mod fields;
mod preview;

use client::message::{ToDevice, Vanished};
use gloo_timers::callback::Interval;
use patternfly_yew::prelude::*;
use protocol::id::{DeviceId, SourceId};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;
use yew_nested_router::components::Link;

use crate::app::components::dialog::Confirm;
use crate::app::components::frame::{PageHead, Section};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::live::use_live;
use crate::app::routes::Route;
use crate::app::session::use_session;
use crate::message::{Device, ListWatched, RemoveFolder, Tell, Watched, WatchedFolder};
use answer::Answer;
use card::FolderCard;
use edit::{Add, Edit};

/// A device that was asked tells what changes for two minutes.
const ASK_AGAIN_MS: u32 = 60_000;

/// What a person is about to do.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    Adding,
    Editing(SourceId),
    Removing(WatchedFolder),
    Answering(WatchedFolder, Vanished),
}

#[component]
pub(in crate::app) fn Folders() -> Html {
    let live = use_live();
    let doing = use_state(|| Doing::Nothing);
    let watched = use_answer((), (live.heads, live.devices, live.state), |()| ListWatched {});
    use_reports(watched.known().map_or_else(Vec::new, |watched| online(&watched.devices)));
    let set = {
        let doing = doing.clone();
        Callback::from(move |to: Doing| doing.set(to))
    };
    let done = {
        let (doing, again) = (doing.clone(), watched.again.clone());
        Callback::from(move |next: Option<SourceId>| {
            doing.set(next.map_or(Doing::Nothing, Doing::Editing));
            again.emit(());
        })
    };
    let close = done.reform(|()| None);
    let devices = watched.known().map_or_else(Vec::new, |watched| watched.devices.clone());
    let dialog = match &*doing {
        Doing::Nothing => html!(),
        Doing::Adding => html!(<Add {devices} {done} />),
        Doing::Editing(source) => {
            let folder = watched.known().and_then(|watched| find(watched, *source));
            folder.map_or_else(Html::default, |folder| {
                let device = devices.iter().find(|device| device.device == folder.device).cloned();
                html!(<Edit {folder} {device} onclose={close} />)
            })
        }
        Doing::Answering(folder, vanished) => {
            html!(<Answer folder={folder.clone()} vanished={*vanished} onclose={close} />)
        }
        Doing::Removing(folder) => html!(<Remove folder={folder.clone()} onclose={close} />),
    };
    let can_add = watched.known().is_some_and(|watched| !watched.devices.is_empty());
    html!(
        <>
            <PageHead title="Folders">
                if can_add {
                    <Button
                        variant={ButtonVariant::Primary}
                        label="Add a folder"
                        icon={html!({ Icon::Plus })}
                        onclick={set.reform(|_| Doing::Adding)}
                    />
                }
            </PageHead>
            <Section test="folders">{ watched.show(|watched| list(watched, &set)) }</Section>
            { dialog }
        </>
    )
}

fn find(watched: &Watched, source: SourceId) -> Option<WatchedFolder> {
    watched.folders.iter().find(|folder| folder.source == source).cloned()
}

fn online(devices: &[Device]) -> Vec<DeviceId> {
    devices.iter().filter(|device| device.online).map(|device| device.device).collect()
}

fn list(watched: &Watched, set: &Callback<Doing>) -> Html {
    if watched.devices.is_empty() {
        return html!(
            <div data-test="empty">
                <EmptyState title="No device backs up folders yet" icon={Icon::FolderOpen}>
                    <p>{ "A device watches its folders and backs up each change by itself. Add a device first, then choose \
                          its folders here." }</p>
                    <Link<Route> to={Route::Devices}>{ "Go to Devices" }</Link<Route>>
                </EmptyState>
            </div>
        );
    }
    if watched.folders.is_empty() {
        return html!(
            <div data-test="empty">
                <EmptyState title="No folder is watched yet" icon={Icon::FolderOpen}>
                    { "Add one: choose a device and write the folder's path. From then on each change in it is backed up \
                       within seconds." }
                </EmptyState>
            </div>
        );
    }
    let card = |folder: &WatchedFolder| {
        let device = watched.devices.iter().find(|device| device.device == folder.device).cloned();
        let (source, removed, asking) = (folder.source, folder.clone(), folder.clone());
        html!(
            <li key={folder.source.to_string()}>
                <FolderCard
                    folder={folder.clone()}
                    {device}
                    onedit={set.reform(move |()| Doing::Editing(source))}
                    onremove={set.reform(move |()| Doing::Removing(removed.clone()))}
                    onanswer={set.reform(move |vanished| Doing::Answering(asking.clone(), vanished))}
                />
            </li>
        )
    };
    html!(<ul class="tri-cards" role="list">{ for watched.folders.iter().map(card) }</ul>)
}

/// Asks each device that is there how it is: on opening the page, whenever one comes, and from time to time, because a
/// device tells nobody who does not ask.
#[hook]
fn use_reports(online: Vec<DeviceId>) {
    let session = use_session();
    use_effect_with(online, move |online| {
        let online = online.clone();
        let ask = move || {
            for device in online.clone() {
                let session = session.clone();
                spawn_local(async move {
                    // A device that left meanwhile says nothing, and the page shows that it is away.
                    let _ = session.ask(Tell { device, message: ToDevice::Report }).await;
                });
            }
        };
        ask();
        let again = Interval::new(ASK_AGAIN_MS, ask);
        move || drop(again)
    });
}

#[derive(Properties, PartialEq)]
struct RemoveProps {
    folder: WatchedFolder,
    onclose: Callback<()>,
}

#[component]
fn Remove(props: &RemoveProps) -> Html {
    let remove = use_ask(props.onclose.clone());
    let source = props.folder.source;
    html!(
        <Confirm
            title={format!("Stop backing up “{}”?", props.folder.rules.name)}
            verb="Stop backing it up"
            busy={remove.busy}
            failure={remove.failure.clone()}
            onconfirm={remove.submit.reform(move |()| RemoveFolder { source })}
            onclose={props.onclose.clone()}
        >
            <p>{ "Changes in it are not backed up any more. The files on the device are not touched." }</p>
            <p>{ "All its snapshots stay, and can be restored on the Snapshots page." }</p>
        </Confirm>
    )
}

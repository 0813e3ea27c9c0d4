//! One folder: how it is now, when it was last backed up, and what can be done with it.

use client::message::{FolderError, FolderState, FolderStatus, ToDevice, Vanished};
use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::browser::moment;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::live::use_live;
use crate::device::{Told, Tone, folder_state, polling, unreadable, unrestorable};
use crate::message::{Device, FolderRules, PutFolder, Tell, WatchedFolder};
use crate::words;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) folder: WatchedFolder,
    pub(super) device: Option<Device>,
    pub(super) onedit: Callback<()>,
    pub(super) onremove: Callback<()>,
    /// To answer what it asks.
    pub(super) onanswer: Callback<Vanished>,
}

#[component]
pub(super) fn FolderCard(props: &Props) -> Html {
    let Props { folder, device, .. } = props;
    let live = use_live();
    let status = live
        .agents
        .get(&folder.device)
        .and_then(|agent| agent.folders.iter().find(|status| status.source == folder.source).cloned());
    let told = folder_state(folder, device.as_ref(), status.as_ref());
    let asked = status.as_ref().and_then(|status| match status.state {
        FolderState::WaitingForAnswer { vanished } => Some(vanished),
        _ => None,
    });
    let device_name = device.as_ref().map_or("a revoked device", |device| device.name.as_str());
    html!(
        <div data-test="folder" data-name={folder.rules.name.clone()} data-state={told.label}>
            <Card>
                <CardTitle>
                    <div class="tri-page-head">
                        <Title level={Level::H2} size={Size::Large}>{ &folder.rules.name }</Title>
                        <State told={told.clone()} />
                    </div>
                </CardTitle>
                <CardBody>
                    <p class="tri-path">{ format!("{} on {device_name}", folder.rules.path) }</p>
                    { progress(&told) }
                    if let Some(vanished) = asked.filter(|_| told.tone == Tone::Warning) {
                        <Button
                            variant={ButtonVariant::Primary}
                            label="Answer"
                            aria_label={format!("Answer: {}", folder.rules.name)}
                            onclick={props.onanswer.reform(move |_: MouseEvent| vanished)}
                        />
                    }
                    if folder.overdue && !folder.rules.paused {
                        <Alert inline=true plain=true r#type={AlertType::Warning} title="Overdue">
                            { "No backup of it has arrived for days. Is the device on and online?" }
                        </Alert>
                    }
                    { facts(folder, status.as_ref()) }
                    { for status.as_ref().map(troubles) }
                </CardBody>
                <CardFooter><Buttons ..props.clone() /></CardFooter>
            </Card>
        </div>
    )
}

impl Clone for Props {
    fn clone(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            device: self.device.clone(),
            onedit: self.onedit.clone(),
            onremove: self.onremove.clone(),
            onanswer: self.onanswer.clone(),
        }
    }
}

#[derive(Properties, PartialEq)]
struct StateProps {
    told: Told,
}

#[component]
fn State(props: &StateProps) -> Html {
    let (color, icon) = match props.told.tone {
        Tone::Good => (Color::Green, Icon::CheckCircle),
        Tone::Busy => (Color::Blue, Icon::SyncAlt),
        Tone::Quiet => (Color::Grey, Icon::PauseCircle),
        Tone::Warning => (Color::Orange, Icon::ExclamationTriangle),
        Tone::Bad => (Color::Red, Icon::ExclamationCircle),
    };
    html!(<span role="status"><Label label={props.told.label} {color} {icon} /></span>)
}

fn progress(told: &Told) -> Html {
    let Some(detail) = told.detail.clone() else { return html!() };
    match told.fraction {
        Some(value) => {
            html!(<Progress {value} description={Some(html!({ detail }))} size={ProgressSize::Small} />)
        }
        None => html!(<p>{ detail }</p>),
    }
}

fn facts(folder: &WatchedFolder, status: Option<&FolderStatus>) -> Html {
    let when = |ms: Option<u64>, never: &str| ms.map_or_else(|| never.to_owned(), |ms| moment(ms as f64));
    let holds = match folder.newest_ms {
        None => "nothing yet".to_owned(),
        Some(_) => format!(
            "{}, {}",
            words::count(folder.tally.files, "file", "files"),
            words::size(folder.tally.bytes)
        ),
    };
    let last_backup = folder.newest_ms.max(status.and_then(|status| status.last_backup_ms));
    let last_proven = folder.proven_ms.max(status.and_then(|status| status.last_proven_ms));
    let mut facts = vec![
        ("Holds", holds),
        ("Last backup", when(last_backup, "never")),
        ("Proven", when(last_proven, "not yet")),
    ];
    if let Some(status) = status {
        facts.push(("Last looked through", when(status.last_scan_ms, "not yet")));
    }
    let rules = rule_count(&folder.rules);
    if rules > 0 {
        facts.push(("Leaves out", words::count(rules, "rule", "rules")));
    }
    html!(
        <dl class="tri-facts">
            { for facts.into_iter().map(|(name, value)| html!(<div><dt>{ name }</dt><dd>{ value }</dd></div>)) }
        </dl>
    )
}

fn rule_count(rules: &FolderRules) -> u64 {
    rules.exclude.len() as u64 + u64::from(rules.larger_than.is_some()) + u64::from(rules.one_file_system)
}

/// What is wrong, in words; the newest errors are folded away.
fn troubles(status: &FolderStatus) -> Html {
    html!(
        <>
            { for [polling(status), unreadable(status)].into_iter().flatten().map(|sentence| html!(
                <Alert inline=true plain=true r#type={AlertType::Warning} title={sentence} />
            )) }
            if !status.errors.is_empty() {
                <details class="tri-fold" data-test="errors">
                    <summary>{ words::count(status.errors.len() as u64, "file that could not be read", "files that could not be read") }</summary>
                    { paths(&status.errors) }
                </details>
            }
            if let Some(title) = unrestorable(status) {
                <div data-test="unrestorable">
                    <Alert inline=true r#type={AlertType::Danger} {title}>
                        <p>
                            { "The copies in the backup are damaged or missing. Files that are still on the device are safe: \
                               it stores them again by itself, and tries again to restore them." }
                        </p>
                        { paths(&status.unrestorable) }
                    </Alert>
                </div>
            }
        </>
    )
}

fn paths(errors: &[FolderError]) -> Html {
    let line = |error: &FolderError| html!(<li class="tri-path">{ format!("{}: {}", error.path, error.reason) }</li>);
    html!(<ul>{ for errors.iter().map(line) }</ul>)
}

#[component]
fn Buttons(props: &Props) -> Html {
    let Props { folder, device, .. } = props;
    let tell = use_ask(Callback::noop());
    // What changed is heard of as a new head.
    let put = use_ask(Callback::noop());
    let (device_id, source) = (folder.device, folder.source);
    let sync = tell
        .submit
        .reform(move |_: MouseEvent| Tell { device: device_id, message: ToDevice::SyncNow { source } });
    let pause = {
        let rules = FolderRules { paused: !folder.rules.paused, ..folder.rules.clone() };
        put.submit.reform(move |_: MouseEvent| PutFolder {
            device: device_id,
            source: Some(source),
            rules: rules.clone(),
        })
    };
    let is_online = device.as_ref().is_some_and(|device| device.online);
    let name = &folder.rules.name;
    let (label, icon) = if folder.rules.paused { ("Resume", Icon::Play) } else { ("Pause", Icon::Pause) };
    let button = |label: &str, icon: Icon, disabled: bool, onclick: Callback<MouseEvent>| {
        let aria_label = format!("{label}: {name}");
        html!(
            <Button
                variant={ButtonVariant::Link}
                label={label.to_owned()}
                icon={html!({ icon })}
                {aria_label}
                {disabled}
                {onclick}
            />
        )
    };
    html!(
        <>
            <span class="tri-buttons">
                if is_online && !folder.rules.paused {
                    { button("Sync now", Icon::SyncAlt, tell.busy, sync) }
                }
                if device.is_some() {
                    { button(label, icon, put.busy, pause) }
                    { button("Edit", Icon::PencilAlt, false, props.onedit.reform(|_| ())) }
                }
                { button("Remove", Icon::Trash, false, props.onremove.reform(|_| ())) }
            </span>
            { for tell.failure.iter().chain(&put.failure).map(|failure| html!(<FailureAlert failure={failure.clone()} />)) }
        </>
    )
}

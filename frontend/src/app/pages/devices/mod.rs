//! Devices: who backs up or restores, adding one, and revoking one.

mod invite;
mod link;

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::browser::{moment, unix_ms};
use crate::app::components::dialog::Confirm;
use crate::app::components::frame::{PageHead, Section};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::clock::use_now;
use crate::app::hooks::live::use_live;
use crate::device::{presence, role};
use crate::message::{self, Device, Revoke};
use invite::Invite;

/// What a person is about to do.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    Adding,
    Revoking(Device),
}

#[component]
pub(in crate::app) fn Devices() -> Html {
    let live = use_live();
    let doing = use_state(|| Doing::Nothing);
    let devices = use_answer((), (live.devices, live.state, live.heads), |()| message::Devices {});
    let set = |to: Doing| {
        let doing = doing.clone();
        Callback::from(move |()| doing.set(to.clone()))
    };
    let close = {
        let (doing, again) = (doing.clone(), devices.again.clone());
        Callback::from(move |()| {
            doing.set(Doing::Nothing);
            again.emit(());
        })
    };
    let onrevoke = {
        let doing = doing.clone();
        Callback::from(move |device| doing.set(Doing::Revoking(device)))
    };
    let add = html!(
        <Button
            variant={ButtonVariant::Primary}
            label="Add a device"
            icon={html!({ Icon::Plus })}
            onclick={set(Doing::Adding).reform(|_: MouseEvent| ())}
        />
    );
    html!(
        <>
            <PageHead title="Devices">{ add }</PageHead>
            <Section test="devices">
                { devices.show(|devices| {
                    let (gone, here): (Vec<_>, Vec<_>) = devices.iter().cloned().partition(|device| device.revoked);
                    html!(<>{ active(here, onrevoke) }{ revoked(gone) }</>)
                }) }
            </Section>
            { match &*doing {
                Doing::Nothing => html!(),
                Doing::Adding => html!(<Invite onclose={close} />),
                Doing::Revoking(device) => html!(<RevokeDialog device={device.clone()} onclose={close} />),
            } }
        </>
    )
}

fn active(devices: Vec<Device>, onrevoke: Callback<Device>) -> Html {
    if devices.is_empty() {
        return html!(
            <div data-test="empty">
                <EmptyState title="No device yet" icon={Icon::Desktop}>
                    { "A device is a computer that backs its folders up by itself, without your passphrase. Install \
                       triplicate-agent on it, then add it here: you get a link to paste there." }
                </EmptyState>
            </div>
        );
    }
    html!(<DeviceTable {devices} onrevoke={Some(onrevoke)} />)
}

fn revoked(devices: Vec<Device>) -> Html {
    if devices.is_empty() {
        return html!();
    }
    html!(
        <details class="tri-fold" data-test="revoked">
            <summary>{ format!("Revoked ({})", devices.len()) }</summary>
            <DeviceTable {devices} onrevoke={None::<Callback<Device>>} />
        </details>
    )
}

#[derive(Properties, PartialEq)]
struct TableProps {
    devices: Vec<Device>,
    /// None for those that are revoked already.
    onrevoke: Option<Callback<Device>>,
}

#[component]
fn DeviceTable(props: &TableProps) -> Html {
    const HEADS: [&str; 5] = ["Name", "May", "Folders", "Seen", "Added"];
    let now = use_now(unix_ms);
    let aria_label = if props.onrevoke.is_some() { "Devices" } else { "Revoked devices" };
    html!(
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" {aria_label}>
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for HEADS.map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                    if props.onrevoke.is_some() {
                        <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                    }
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">
                { for props.devices.iter().map(|device| row(device, now, props.onrevoke.as_ref())) }
            </tbody>
        </table>
    )
}

fn row(device: &Device, now_ms: u64, onrevoke: Option<&Callback<Device>>) -> Html {
    let cell = |label: &'static str, content: Html| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    let folders = if device.folders.is_empty() { "none yet".to_owned() } else { device.folders.join(", ") };
    let seen = if device.online {
        html!(<Label label="Online" color={Color::Green} icon={Icon::CheckCircle} />)
    } else {
        html!({ presence(device, now_ms) })
    };
    html!(
        <tr
            key={device.device.to_string()}
            class="pf-v6-c-table__tr"
            data-test="device"
            data-name={device.name.clone()}
            data-online={device.online.to_string()}
        >
            <th class="pf-v6-c-table__th" scope="row" data-label="Name">{ &device.name }</th>
            { cell("May", html!({ role(device.role) })) }
            { cell("Folders", html!({ folders })) }
            { cell("Seen", seen) }
            { cell("Added", html!({ moment(device.enrolled_ms as f64) })) }
            if let Some(onrevoke) = onrevoke {
                <td class="pf-v6-c-table__td pf-v6-c-table__action tri-below">
                    <Button
                        variant={ButtonVariant::Link}
                        label="Revoke"
                        aria_label={format!("Revoke {}", device.name)}
                        onclick={onrevoke.reform({
                            let device = device.clone();
                            move |_| device.clone()
                        })}
                    />
                </td>
            }
        </tr>
    )
}

#[derive(Properties, PartialEq)]
struct RevokeProps {
    device: Device,
    onclose: Callback<()>,
}

#[component]
fn RevokeDialog(props: &RevokeProps) -> Html {
    let revoke = use_ask(props.onclose.clone());
    let device = props.device.device;
    let onconfirm = revoke.submit.reform(move |()| Revoke { device });
    html!(
        <Confirm
            title={format!("Revoke “{}”?", props.device.name)}
            verb="Revoke"
            busy={revoke.busy}
            failure={revoke.failure.clone()}
            {onconfirm}
            onclose={props.onclose.clone()}
        >
            <p>{ "From now on it can neither back up nor restore, and nothing that is written later opens for it. What it \
                  read before, it may still have." }</p>
            <p>{ "Everything that it backed up stays, and can be restored here. To use it again, add it again." }</p>
        </Confirm>
    )
}

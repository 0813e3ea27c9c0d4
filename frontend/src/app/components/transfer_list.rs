//! Backups and restores with progress, speed, time left, cancel and retry.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::failure_alert::FailureAlert;
use super::frame::Section;
use crate::app::transfers::{TransfersContext, use_transfers};
use crate::transfer::{Direction, State, Transfer, TransferId};

#[component]
pub(in crate::app) fn TransferList() -> Html {
    let context = use_transfers();
    if context.transfers().is_empty() {
        return html!();
    }
    html!(
        <Section test="transfers">
            <Card>
                <CardTitle><Title level={Level::H2} size={Size::Large}>{ "Transfers" }</Title></CardTitle>
                <CardBody>
                    <ul class="tri-transfers" role="list" aria-live="off">
                        { for context.transfers().iter().map(|transfer| html!(
                            <li key={transfer.id}><TransferRow transfer={transfer.clone()} /></li>
                        )) }
                    </ul>
                </CardBody>
            </Card>
        </Section>
    )
}

#[derive(Properties, PartialEq)]
struct Props {
    transfer: Transfer,
}

#[component]
fn TransferRow(props: &Props) -> Html {
    let context = use_transfers();
    let transfer = &props.transfer;
    let id = transfer.id;
    let act = |act: fn(&TransfersContext, TransferId)| {
        let context = context.clone();
        Callback::from(move |_: MouseEvent| act(&context, id))
    };
    let retry = {
        let context = context.clone();
        Callback::from(move |()| context.retry(id))
    };
    let verb = match transfer.direction {
        Direction::Backup => "Back up",
        Direction::Restore => "Restore",
    };
    let button = |label: &str, onclick: Callback<MouseEvent>| {
        let aria_label = format!("{label}: {}", transfer.title);
        html!(<Button variant={ButtonVariant::Link} label={label.to_owned()} {aria_label} {onclick} />)
    };
    let (state, body, buttons) = match &transfer.state {
        State::Running(_) => (
            "running",
            html!(<Bar transfer={transfer.clone()} />),
            button("Cancel", act(TransfersContext::cancel)),
        ),
        State::Done(sentence) => (
            "done",
            html!(<p role="status">{ Icon::CheckCircle }{ format!(" {sentence}") }</p>),
            button("Dismiss", act(TransfersContext::dismiss)),
        ),
        State::Cancelled => (
            "cancelled",
            html!(<p role="status">{ "Cancelled. What was backed up before is unchanged." }</p>),
            html!(<>{ button("Try again", act(TransfersContext::retry)) }{ button("Dismiss", act(TransfersContext::dismiss)) }</>),
        ),
        State::Failed(failure) => (
            "failed",
            html!(<FailureAlert failure={failure.clone()} {retry} />),
            button("Dismiss", act(TransfersContext::dismiss)),
        ),
    };
    html!(
        <div class="tri-transfer" data-test="transfer" data-state={state}>
            <div class="tri-transfer__head">
                <strong>{ format!("{verb} {}", transfer.title) }</strong>
                <span class="tri-buttons">{ buttons }</span>
            </div>
            { body }
        </div>
    )
}

/// How far it is. Without a known end, only the words move.
#[component]
fn Bar(props: &Props) -> Html {
    let detail = html!(<span data-test="transfer-detail">{ props.transfer.detail() }</span>);
    match props.transfer.fraction() {
        Some(value) => html!(<Progress {value} description={Some(detail)} size={ProgressSize::Small} />),
        None => html!(<p>{ detail }</p>),
    }
}

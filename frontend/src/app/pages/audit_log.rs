//! What happened that concerns security, for operators: the newest entries, and older ones on demand.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use protocol::audit_log::AuditEntry;
use protocol::limits::AUDIT_PAGE_MAX;
use yew::prelude::*;

use crate::app::browser::exact_moment;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::frame::{PageHead, Section};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::audit_log::{what, who};
use crate::message;

#[component]
pub(in crate::app) fn AuditLog() -> Html {
    let newest = use_answer((), (), |()| message::AuditLog { before: None });
    html!(
        <>
            <PageHead title="Audit log">
                <Button
                    variant={ButtonVariant::Secondary}
                    label="Read again"
                    onclick={newest.again.reform(|_: MouseEvent| ())}
                />
            </PageHead>
            <Section test="audit-log">
                { newest.show(|page| {
                    // Older ones are of this newest page: another begins anew.
                    let key = page.first().map_or(0, |entry| entry.id);
                    html!(<Pages {key} newest={page.clone()} />)
                }) }
            </Section>
        </>
    )
}

#[derive(Properties, PartialEq)]
struct Props {
    newest: Rc<Vec<AuditEntry>>,
}

#[component]
fn Pages(props: &Props) -> Html {
    let older = use_state(Vec::<AuditEntry>::new);
    let is_whole = use_state(|| props.newest.len() < AUDIT_PAGE_MAX);
    let more = use_ask::<message::AuditLog>({
        let (older, is_whole) = (older.clone(), is_whole.clone());
        Callback::from(move |page: Vec<AuditEntry>| {
            is_whole.set(page.len() < AUDIT_PAGE_MAX);
            older.set(older.iter().cloned().chain(page).collect());
        })
    });
    let last = older.last().or(props.newest.last()).map(|entry| entry.id);
    let onmore = more.submit.reform(move |_: MouseEvent| message::AuditLog { before: last });
    if props.newest.is_empty() {
        return html!(
            <EmptyState title="Nothing is in the log" icon={Icon::History}>
                { "Sign-ins, new accounts and devices, and what operators do appear here." }
            </EmptyState>
        );
    }
    html!(
        <>
            <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Audit log">
                <thead class="pf-v6-c-table__thead">
                    <tr class="pf-v6-c-table__tr">
                        { for ["Time", "Who", "What", "From"].map(|name| html!(
                            <th class="pf-v6-c-table__th" scope="col">{ name }</th>
                        )) }
                    </tr>
                </thead>
                <tbody class="pf-v6-c-table__tbody">{ for props.newest.iter().chain(older.iter()).map(row) }</tbody>
            </table>
            if let Some(failure) = &more.failure {
                <FailureAlert failure={failure.clone()} />
            }
            if !*is_whole {
                <div class="tri-more">
                    <Button
                        variant={ButtonVariant::Secondary}
                        label="Show older"
                        loading={more.busy}
                        disabled={more.busy}
                        onclick={onmore}
                    />
                </div>
            }
        </>
    )
}

fn row(entry: &AuditEntry) -> Html {
    let from = entry.client.as_deref().unwrap_or("this server");
    html!(
        <tr key={entry.id} class="pf-v6-c-table__tr" data-test="audit-entry" data-name={entry.event.clone()}>
            <td class="pf-v6-c-table__td" data-label="Time">{ exact_moment(entry.at_ms as f64) }</td>
            <td class="pf-v6-c-table__td pf-m-break-word" data-label="Who">{ who(entry) }</td>
            <td class="pf-v6-c-table__td pf-m-break-word" data-label="What">{ what(entry) }</td>
            <td class="pf-v6-c-table__td pf-m-break-word" data-label="From">{ from }</td>
        </tr>
    )
}

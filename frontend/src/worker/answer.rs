//! Which function answers which request.

use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::JsValue;

use super::desk::Desk;
use super::{
    account, backup, devices, download, files, folders, history, nodes, passphrase, purge, retention, users,
};
use crate::failure::Failure;
use crate::message::{CallId, Request};

pub(super) async fn answer(
    desk: &Rc<Desk>,
    call: CallId,
    request: Request,
    attachments: Vec<JsValue>,
) -> Result<String, Failure> {
    Ok(match request {
        Request::Registration(_) => json(account::registration(desk).await?),
        Request::SuggestPassphrase(_) => json(passphrase::suggest()?),
        Request::JudgePassphrase(ask) => json(passphrase::judge(&ask)),
        Request::PrepareAccount(ask) => json(account::prepare(desk, ask).await?),
        Request::Register(ask) => json(account::register(desk, ask).await?),
        Request::SignIn(ask) => json(account::sign_in(desk, ask).await?),
        Request::StepUp(ask) => json(account::step_up(desk, ask).await?),
        Request::SignOut(_) => json(account::sign_out(desk).await?),
        Request::Reopen(_) => json(account::reopen(desk).await?),
        Request::Unopened(_) => json(devices::unopened(desk).await?),
        Request::Sources(_) => json(files::sources(desk).await?),
        Request::List(ask) => json(files::list(desk, ask).await?),
        Request::Timeline(ask) => json(history::timeline(desk, ask).await?),
        Request::Compare(ask) => json(history::compare(desk, ask).await?),
        Request::Forget(ask) => json(retention::forget(desk, ask).await?),
        Request::FindRetention(ask) => json(retention::find(desk, ask).await?),
        Request::PreviewRetention(ask) => json(retention::preview(desk, ask).await?),
        Request::PutRetention(ask) => json(retention::put(desk, ask).await?),
        Request::PlanPurge(ask) => json(purge::plan(desk, ask).await?),
        Request::DeleteForGood(ask) => json(purge::delete(desk, ask).await?),
        Request::Survey(_) => json(files::survey(desk).await?),
        Request::Remove(ask) => json(files::remove(desk, ask).await?),
        Request::UndoRemove(ask) => json(files::undo_remove(desk, ask).await?),
        Request::Backup(ask) => json(backup::backup(desk, call, ask, attachments).await?),
        Request::Devices(_) => json(devices::devices(desk).await?),
        Request::Invite(ask) => json(devices::invite(desk, ask).await?),
        Request::Guest(_) => json(devices::guest(desk).await?),
        Request::Admit(ask) => json(devices::admit(desk, ask).await?),
        Request::Uninvite(_) => {
            devices::uninvite(desk);
            json(())
        }
        Request::Revoke(ask) => json(devices::revoke(desk, ask).await?),
        Request::DrainNode(ask) => json(nodes::drain(desk, ask).await?),
        Request::PreviewRemoval(ask) => json(nodes::preview_removal(desk, ask).await?),
        Request::RemoveNode(ask) => json(nodes::remove(desk, ask).await?),
        Request::Usage(_) => json(users::usage(desk).await?),
        Request::Users(_) => json(users::list(desk).await?),
        Request::SetQuota(ask) => json(users::set_quota(desk, ask).await?),
        Request::SetRole(ask) => json(users::set_role(desk, ask).await?),
        Request::Invitations(_) => json(users::invitations(desk).await?),
        Request::InvitePerson(ask) => json(users::invite(desk, ask).await?),
        Request::RevokeInvitation(ask) => json(users::revoke_invitation(desk, ask).await?),
        Request::AuditLog(ask) => json(users::audit_log(desk, ask).await?),
        Request::ListWatched(_) => json(folders::watched(desk).await?),
        Request::PutFolder(ask) => json(folders::put(desk, ask).await?),
        Request::RemoveFolder(ask) => json(folders::remove(desk, ask).await?),
        Request::Tell(ask) => json(folders::tell(desk, ask).await?),
        Request::Hear(ask) => json(folders::hear(desk, ask).await?),
        Request::Open(ask) => json(download::open(desk, ask).await?),
        Request::Stream(ask) => json(download::stream(desk, call, &ask, attachments).await?),
    })
}

fn json(answer: impl Serialize) -> String {
    serde_json::to_string(&answer).expect("answers are plain data")
}

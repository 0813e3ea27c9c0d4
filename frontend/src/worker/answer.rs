//! Which function answers which request.

use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::JsValue;

use super::{Desk, account, backup, download, files, passphrase};
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
        Request::SignOut(_) => json(account::sign_out(desk).await?),
        Request::List(ask) => json(files::list(desk, ask).await?),
        Request::Survey(_) => json(files::survey(desk).await?),
        Request::Remove(ask) => json(files::remove(desk, ask).await?),
        Request::UndoRemove(ask) => json(files::undo_remove(desk, ask).await?),
        Request::Backup(ask) => json(backup::backup(desk, call, ask, attachments).await?),
        Request::Open(ask) => json(download::open(desk, ask).await?),
        Request::Stream(ask) => json(download::stream(desk, call, &ask, attachments).await?),
    })
}

fn json(answer: impl Serialize) -> String {
    serde_json::to_string(&answer).expect("answers are plain data")
}

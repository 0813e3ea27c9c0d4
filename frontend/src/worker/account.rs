//! Accounts: making one, signing in and out.

use super::desk::{Desk, Open};
use super::failure;
use crate::failure::Failure;
use crate::message::{PrepareAccount, RecoveryKit, Register, Registered, SignIn, SignedIn, StepUp};
use client::{Account, Ticket};
use protocol::accounts::RegistrationResponse;
use protocol::id::VaultId;

pub(super) async fn registration(desk: &Desk) -> Result<RegistrationResponse, Failure> {
    desk.client.registration().await.map_err(|error| failure::told(&error))
}

pub(super) async fn prepare(desk: &Desk, ask: PrepareAccount) -> Result<RecoveryKit, Failure> {
    let login = ask.login.to_ascii_lowercase();
    let pending = desk
        .client
        .prepare_account(&ask.login, &ask.passphrase)
        .await
        .map_err(|error| failure::told(&error))?;
    let groups = pending.recovery_text().split('-').map(str::to_owned).collect();
    desk.pending.replace(Some(pending));
    Ok(RecoveryKit { login, groups })
}

pub(super) async fn register(desk: &Desk, ask: Register) -> Result<Registered, Failure> {
    // Out of its place while the server is asked; back if that fails, so that the person can try again.
    let pending = desk.pending.take().ok_or_else(failure::locked)?;
    if !pending.confirm_group(ask.group, &ask.typed) {
        desk.pending.replace(Some(pending));
        return Ok(Registered::WrongGroup);
    }
    let Register { setup_token, invitation, .. } = ask;
    let ticket = setup_token.map(Ticket::Setup).or(invitation.map(Ticket::Invitation));
    let opened = async { open(desk, pending.register(ticket).await?).await }.await;
    match opened {
        Ok(signed_in) => Ok(Registered::Done(signed_in)),
        Err(error) => {
            desk.pending.replace(Some(pending));
            Err(failure::of_registration(&error))
        }
    }
}

pub(super) async fn sign_in(desk: &Desk, ask: SignIn) -> Result<SignedIn, Failure> {
    let account =
        desk.client.sign_in(&ask.login, &ask.passphrase).await.map_err(|error| failure::told(&error))?;
    open(desk, account).await.map_err(|error| failure::told(&error))
}

pub(super) async fn step_up(desk: &Desk, ask: StepUp) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.step_up(&ask.passphrase).await.map_err(|error| failure::told(&error))
}

pub(super) async fn sign_out(desk: &Desk) -> Result<(), Failure> {
    let open = desk.open.take();
    match open {
        Some(open) => open.account.sign_out().await.map_err(|error| failure::told(&error)),
        None => Ok(()),
    }
}

async fn open(desk: &Desk, account: Account) -> Result<SignedIn, client::Error> {
    let signed_in = SignedIn { login: account.login().to_owned(), role: account.role() };
    desk.open.replace(Some(open_vaults(account).await?));
    Ok(signed_in)
}

/// Opens all vaults. The first, which takes the uploads, must open; another that does not, as a device may have spoilt
/// its own, keeps no one out of the rest.
async fn open_vaults(account: Account) -> Result<Open, client::Error> {
    let (mut vaults, mut unopened) = (Vec::new(), Vec::new());
    for (vault, opened) in account.open_each().await {
        match opened {
            Err(error) if !vaults.is_empty() => unopened.push((vault, failure::told(&error).what)),
            opened => vaults.push(opened?),
        }
    }
    Ok(Open { account, vaults, unopened })
}

/// Opens the vaults that came with new devices, and tries those again that did not open. Those that were open stay so.
pub(super) async fn reopen(desk: &Desk) -> Result<(), Failure> {
    let Open { account, vaults, unopened } = desk.opened()?;
    let is_open = |id: &VaultId| vaults.iter().any(|vault| vault.id() == *id);
    let reopened = async {
        // Asking for the devices reads the newest account state as well.
        let devices = account.devices(&vaults).await?;
        let is_whole = devices.iter().filter(|it| !it.revoked).all(|it| it.vaults.iter().all(is_open));
        if is_whole && unopened.is_empty() {
            return Ok(None);
        }
        open_vaults(account).await.map(Some)
    };
    if let Some(open) = reopened.await.map_err(|error| failure::told(&error))? {
        desk.open.replace(Some(open));
    }
    Ok(())
}

//! Devices: who they are, adding one by a link, and revoking one.

use std::rc::Rc;

use client::{DeviceInfo, Enrolment, Role, Vault};
use protocol::id::VaultId;

use super::desk::{Desk, Open};
use super::{account, failure};
use crate::failure::Failure;
use crate::message::{Admit, Device, DeviceRole, Invitation, Invite, Revoke, UnopenedVault};

pub(super) async fn devices(desk: &Desk) -> Result<Vec<Device>, Failure> {
    let Open { account, vaults, .. } = desk.opened()?;
    let devices = account.devices(&vaults).await.map_err(|error| failure::told(&error))?;
    Ok(devices.into_iter().map(|info| device(info, &vaults)).collect())
}

pub(super) fn device(info: DeviceInfo, vaults: &[Vault]) -> Device {
    let sources = vaults.iter().flat_map(Vault::sources);
    let own = sources.filter(|source| source.device == Some(info.device) && !source.removed);
    Device {
        device: info.device,
        name: info.name.unwrap_or_else(|| "A device without a name".to_owned()),
        role: match info.role {
            Role::Full => DeviceRole::Full,
            Role::Append => DeviceRole::Append,
            Role::ReadOnly => DeviceRole::ReadOnly,
        },
        revoked: info.revoked,
        enrolled_ms: info.enrolled_ms,
        last_seen_ms: info.last_seen_ms,
        online: info.online,
        folders: own.map(|source| source.name).collect(),
    }
}

/// The vaults that do not open, each with the device that writes it.
pub(super) async fn unopened(desk: &Desk) -> Result<Vec<UnopenedVault>, Failure> {
    let Open { account, vaults, unopened } = desk.opened()?;
    if unopened.is_empty() {
        return Ok(Vec::new());
    }
    let devices = account.devices(&vaults).await.map_err(|error| failure::told(&error))?;
    let told = |(vault, why): (VaultId, String)| {
        let device = devices.iter().find(|info| info.vaults.contains(&vault));
        UnopenedVault { vault: vault.short(), added_ms: device.map(|info| info.enrolled_ms), why }
    };
    Ok(unopened.into_iter().map(told).collect())
}

pub(super) async fn invite(desk: &Desk, ask: Invite) -> Result<Invitation, Failure> {
    let role = match ask.role {
        DeviceRole::Full => Role::Full,
        DeviceRole::Append => Role::Append,
        DeviceRole::ReadOnly => Role::ReadOnly,
    };
    let account = desk.opened()?.account;
    let invited = async {
        let enrolment = account.begin_enrolment(role).await?;
        let link = enrolment.link(&desk.port.origin())?;
        Ok((enrolment, link))
    };
    let (enrolment, link) = invited.await.map_err(|error| failure::told(&error))?;
    let (id, good_until_ms) = (enrolment.id(), enrolment.good_until_ms());
    desk.enrolment.replace(Some(Rc::new(enrolment)));
    Ok(Invitation { enrolment: id, link, good_until_ms })
}

pub(super) async fn guest(desk: &Desk) -> Result<Option<String>, Failure> {
    invited(desk)?.request().await.map_err(|error| failure::told(&error))
}

pub(super) async fn admit(desk: &Desk, ask: Admit) -> Result<(), Failure> {
    invited(desk)?.admit(&ask.name).await.map_err(|error| failure::told(&error))?;
    uninvite(desk);
    account::reopen(desk).await
}

pub(super) fn uninvite(desk: &Desk) {
    desk.enrolment.replace(None);
}

fn invited(desk: &Desk) -> Result<Rc<Enrolment>, Failure> {
    let enrolment = desk.enrolment.borrow().clone();
    enrolment.ok_or_else(|| failure::told(&client::Error::LinkOver))
}

pub(super) async fn revoke(desk: &Desk, ask: Revoke) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.revoke(ask.device).await.map_err(|error| failure::told(&error))
}

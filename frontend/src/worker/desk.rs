//! What the worker knows: the signed-in account, its vaults, and what is under way.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use client::{Account, Client, Enrolment, PendingAccount, Removed, Vault};
use protocol::id::{DeviceId, SourceId, VaultId};

use super::download::Download;
use super::failure;
use super::port::Port;
use crate::failure::Failure;
use crate::message::RemovalId;

/// What the worker knows.
pub(super) struct Desk {
    pub(super) port: Port,
    pub(super) client: Client,
    /// An account whose recovery key the person has not confirmed yet.
    pub(super) pending: RefCell<Option<PendingAccount>>,
    pub(super) open: RefCell<Option<Open>>,
    /// The link that is good now.
    pub(super) enrolment: RefCell<Option<Rc<Enrolment>>>,
    pub(super) removals: RefCell<HashMap<RemovalId, Removed>>,
    pub(super) downloads: RefCell<HashMap<u32, Download>>,
    next: Cell<u32>,
}

/// A signed-in account and its vaults, the one of the uploads first.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) account: Account,
    pub(super) vaults: Vec<Vault>,
    /// Those that do not open, and why.
    pub(super) unopened: Vec<(VaultId, String)>,
}

impl Desk {
    pub(super) fn new(port: Port, client: Client) -> Self {
        Self {
            port,
            client,
            pending: RefCell::default(),
            open: RefCell::default(),
            enrolment: RefCell::default(),
            removals: RefCell::default(),
            downloads: RefCell::default(),
            next: Cell::new(0),
        }
    }

    /// The account and its vaults.
    pub(super) fn opened(&self) -> Result<Open, Failure> {
        self.open.borrow().clone().ok_or_else(failure::locked)
    }

    /// The vault of the uploads.
    pub(super) fn uploads(&self) -> Result<Vault, Failure> {
        self.opened()?.vaults.into_iter().next().ok_or_else(failure::locked)
    }

    /// A source and the vault that it is in; without a name, the uploads.
    pub(super) fn source(&self, source: Option<SourceId>) -> Result<(Vault, SourceId), Failure> {
        let Some(source) = source else {
            let vault = self.uploads()?;
            let source = vault.uploads().map_err(|error| failure::told(&error))?;
            return Ok((vault, source));
        };
        let holds = |vault: &Vault| vault.sources().iter().any(|held| held.source == source);
        let vault = self.opened()?.vaults.into_iter().find(holds);
        Ok((vault.ok_or_else(failure::no_source)?, source))
    }

    /// What the owner calls a device.
    pub(super) fn device_name(&self, device: DeviceId) -> String {
        let open = self.open.borrow();
        let devices = open.iter().flat_map(|open| &open.vaults).flat_map(|vault| vault.settings().devices);
        let mut named = devices.filter(|named| named.device == device);
        named.next().map_or_else(|| "a device without a name".to_owned(), |named| named.name)
    }

    /// A number that was not used before.
    pub(super) fn number(&self) -> u32 {
        self.next.replace(self.next.get() + 1)
    }
}

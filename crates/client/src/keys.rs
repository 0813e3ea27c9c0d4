//! The keys of vaults, which get another epoch when a device that knew them is revoked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crypto::vault::VaultKeys;
use protocol::id::VaultId;

/// A vault whose keys were verified.
pub(crate) struct UnlockedVault {
    pub(crate) vault: VaultId,
    pub(crate) keys: KeyRing,
}

/// The verified keys of one vault, as they are now. Cheap to clone; all clones see the same keys.
#[derive(Clone)]
pub(crate) struct KeyRing(Rc<RefCell<Arc<VaultKeys>>>);

impl KeyRing {
    pub(crate) fn new(keys: VaultKeys) -> Self {
        Self(Rc::new(RefCell::new(Arc::new(keys))))
    }

    /// The vault.
    pub(crate) fn vault(&self) -> VaultId {
        self.0.borrow().vault()
    }

    /// The keys of all epochs that are known.
    pub(crate) fn get(&self) -> Arc<VaultKeys> {
        self.0.borrow().clone()
    }
}

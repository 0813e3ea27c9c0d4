//! What a client remembers of a login: the newest account state and vault heads that it verified. A server that
//! later shows less, or something else under the same number, is caught by it.

use std::collections::BTreeMap;

use protocol::bytes::Base64Array;
use protocol::id::VaultId;
use protocol::signature::PublicKey;
use serde::{Deserialize, Serialize};

/// One element of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPin {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: Base64Array<32>,
}

/// What was verified for one login. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The identity's public key.
    pub identity: PublicKey,
    /// PBKDF2 iterations of the account state; they never decrease.
    pub iterations: u32,
    /// The newest account state.
    pub account_state: ChainPin,
    /// The newest commit of each vault.
    pub vaults: BTreeMap<VaultId, ChainPin>,
}

impl Pin {
    /// This pin and one that was stored meanwhile, perhaps by another tab: the newest of each chain. A platform
    /// stores the result of this, and lets nobody else store in between.
    #[must_use]
    pub fn merged(mut self, stored: Option<Self>) -> Self {
        let Some(stored) = stored.filter(|stored| stored.identity == self.identity) else { return self };
        if stored.account_state.seq > self.account_state.seq {
            self.account_state = stored.account_state;
        }
        self.iterations = self.iterations.max(stored.iterations);
        for (vault, theirs) in stored.vaults {
            let mine = self.vaults.entry(vault).or_insert(theirs);
            if theirs.seq > mine.seq {
                *mine = theirs;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_never_goes_back() {
        let vault = VaultId::from_bytes([1; 16]).expect("not zero");
        let pin = |state: u64, head: u64| Pin {
            identity: PublicKey::from_bytes([7; 32]),
            iterations: 600_000 + state as u32,
            account_state: ChainPin { seq: state, hash: Base64Array([state as u8; 32]) },
            vaults: [(vault, ChainPin { seq: head, hash: Base64Array([head as u8; 32]) })].into(),
        };
        assert_eq!(pin(2, 6).merged(Some(pin(1, 10))), Pin { vaults: pin(1, 10).vaults, ..pin(2, 6) });
        assert_eq!(pin(1, 10).merged(Some(pin(2, 6))), Pin { vaults: pin(1, 10).vaults, ..pin(2, 6) });
        assert_eq!(pin(1, 1).merged(None), pin(1, 1));
        let other = Pin { identity: PublicKey::from_bytes([8; 32]), ..pin(9, 9) };
        assert_eq!(pin(1, 1).merged(Some(other)), pin(1, 1));
    }
}

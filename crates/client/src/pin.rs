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

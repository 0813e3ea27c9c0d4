//! Reading the account's chain of states.

use std::rc::Rc;

use protocol::envelope::account_state::AccountState;
use protocol::error::ErrorCode;
use protocol::id::AccountId;
use protocol::signature::PublicKey;

use crate::api::Client;
use crate::error::Error;
use crate::pin::Pin;

impl Client {
    /// All account states from the first one to `newest`, verified as one chain that holds what was pinned.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: a hard stop.
    pub(crate) async fn verified_states(
        &self,
        newest: u64,
        account: AccountId,
        identity: &PublicKey,
        pinned: Option<&Pin>,
    ) -> Result<Vec<Rc<AccountState>>, Error> {
        if pinned.is_some_and(|pin| newest < pin.account_state.seq) {
            return Err(Error::untrusted("the server shows an older account state than before"));
        }
        let mut states: Vec<Rc<AccountState>> = Vec::new();
        for seq in 0..=newest {
            let state = AccountState::verify(&self.account_state(seq).await?, identity)?;
            match states.last() {
                Some(previous) => state.check_follows(previous)?,
                None if state.seq != 0 => {
                    return Err(Error::untrusted("the account states do not begin at 0"));
                }
                None => {}
            }
            if state.account != account {
                return Err(Error::untrusted("the account state is another account's"));
            }
            let forked = |pin: &Pin| pin.account_state.seq == seq && pin.account_state.hash.0 != state.hash;
            if pinned.is_some_and(forked) {
                return Err(Error::untrusted("the server replaced an account state"));
            }
            states.push(Rc::new(state));
        }
        Ok(states)
    }

    /// The account states that came after one that was verified, verified as the rest of its chain.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: a hard stop.
    pub(crate) async fn states_after(
        &self,
        known: &Rc<AccountState>,
        identity: &PublicKey,
    ) -> Result<Vec<Rc<AccountState>>, Error> {
        let mut came: Vec<Rc<AccountState>> = Vec::new();
        loop {
            let last = came.last().unwrap_or(known);
            let bytes = match self.account_state(last.seq + 1).await {
                Ok(bytes) => bytes,
                Err(error) if error.code() == Some(ErrorCode::NotFound) => return Ok(came),
                Err(error) => return Err(error),
            };
            let state = AccountState::verify(&bytes, identity)?;
            state.check_follows(last)?;
            came.push(Rc::new(state));
        }
    }
}

//! Whether a request may go on: the checks of its grant, in one order, each with its counter.

use std::sync::atomic::{AtomicU64, Ordering};

use protocol::blob_list::{StoredBlob, digest};
use protocol::error::ErrorCode;
use protocol::grant::{Grant, Operation};
use server::error::ApiError;
use server::grants::{GrantError, GrantVerifier};

use crate::budget::{BudgetError, Budgets};

/// What a request wants to do.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) token: &'a str,
    pub(crate) op: Operation,
    /// The whole list that the grant names.
    pub(crate) blobs: &'a [StoredBlob],
    /// Bytes that this request moves.
    pub(crate) bytes: u64,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $code:ident, $message:literal;)*) => {
        /// Why a request is refused, in the order of the checks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            const ALL: &[(Self, &str)] = &[$((Self::$name, $label)),*];

            fn error(self) -> ApiError {
                match self { $(Self::$name => ApiError::new(ErrorCode::$code, $message),)* }
            }
        }
    };
}

refusals! {
    TokenTooLong = "token_too_long", InvalidGrant, "the grant is longer than any grant";
    TokenForm = "token_form", InvalidGrant, "the grant is not a v4.public token";
    KeyId = "key_id", InvalidGrant, "the grant names another key than this cluster's";
    Signature = "signature", InvalidGrant, "the grant's signature does not verify";
    Content = "content", InvalidGrant, "the grant's content is malformed";
    Audience = "audience", InvalidGrant, "the grant is for another node";
    Early = "early", InvalidGrant, "the grant is not valid yet; compare the clocks";
    Expired = "expired", InvalidGrant, "the grant has expired";
    Operation = "operation", InvalidGrant, "the grant is for another operation";
    List = "list", InvalidGrant, "the grant is for another list of blobs";
    ReadOnly = "read_only", Unavailable, "the node takes no writes; its status says why";
    DiskFull = "disk_full", InsufficientStorage, "the node's disk is full";
    Budget = "budget", TooManyRequests, "the grant was used too often; ask for a new one";
    Crowded = "crowded", Unavailable, "too many grants are in use";
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::TooLong => Self::TokenTooLong,
            GrantError::Form => Self::TokenForm,
            GrantError::Key => Self::KeyId,
            GrantError::Signature => Self::Signature,
            GrantError::Content => Self::Content,
            GrantError::Audience => Self::Audience,
            GrantError::Early => Self::Early,
            GrantError::Expired => Self::Expired,
        }
    }
}

/// How often each check refused, since the start.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounts([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounts {
    fn count(&self, refusal: Refusal) -> ApiError {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
        tracing::debug!(?refusal, "refused");
        refusal.error()
    }

    /// Name and count of each check.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL
            .iter()
            .map(|(refusal, label)| (*label, self.0[*refusal as usize].load(Ordering::Relaxed)))
    }
}

/// What the checks look at beside the request.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) budgets: Budgets,
    pub(crate) refusals: RefusalCounts,
}

/// Whether the store takes writes now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteState {
    pub(crate) read_only: bool,
    /// Bytes above the reserve.
    pub(crate) free_bytes: u64,
}

impl Gate {
    /// Checks a request in the protocol's order and charges its grant. `now_s` in Unix seconds; `writes` is asked
    /// for only when everything before held.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn admit(
        &self,
        verifier: &GrantVerifier,
        wanted: &Wanted<'_>,
        now_s: u64,
        writes: impl FnOnce() -> Result<WriteState, ApiError>,
    ) -> Result<Grant, ApiError> {
        let grant = self.verify(verifier, wanted, now_s)?;
        if !names(&grant, wanted.blobs) {
            return Err(self.refusals.count(Refusal::List));
        }
        // A deletion makes room in the end: it may use what writes leave free.
        if matches!(wanted.op, Operation::Put | Operation::Pull) {
            let state = writes()?;
            if state.read_only {
                return Err(self.refusals.count(Refusal::ReadOnly));
            }
            if state.free_bytes < wanted.bytes {
                return Err(self.refusals.count(Refusal::DiskFull));
            }
        }
        self.charge(&grant, wanted.bytes, now_s)?;
        Ok(grant)
    }

    /// Like [`Self::admit`] for a read whose list the caller had to guess: says whether the grant names it, and
    /// charges only then.
    ///
    /// # Errors
    /// The first check that fails, but for the list.
    pub(crate) fn admit_guess(
        &self,
        verifier: &GrantVerifier,
        wanted: &Wanted<'_>,
        now_s: u64,
    ) -> Result<bool, ApiError> {
        let grant = self.verify(verifier, wanted, now_s)?;
        if !names(&grant, wanted.blobs) {
            self.refusals.count(Refusal::List);
            return Ok(false);
        }
        self.charge(&grant, wanted.bytes, now_s)?;
        Ok(true)
    }

    fn verify(&self, verifier: &GrantVerifier, wanted: &Wanted<'_>, now_s: u64) -> Result<Grant, ApiError> {
        let grant =
            verifier.verify(wanted.token, now_s).map_err(|error| self.refusals.count(error.into()))?;
        if grant.op != wanted.op {
            return Err(self.refusals.count(Refusal::Operation));
        }
        Ok(grant)
    }

    fn charge(&self, grant: &Grant, bytes: u64, now_s: u64) -> Result<(), ApiError> {
        self.budgets.charge(grant, bytes, now_s).map_err(|error| match error {
            BudgetError::Spent => self.refusals.count(Refusal::Budget),
            BudgetError::Crowded => self.refusals.count(Refusal::Crowded),
        })
    }
}

fn names(grant: &Grant, blobs: &[StoredBlob]) -> bool {
    let bytes: u64 = blobs.iter().map(|blob| u64::from(blob.size)).sum();
    grant.count as usize == blobs.len() && grant.bytes == bytes && grant.digest.0 == digest(blobs)
}

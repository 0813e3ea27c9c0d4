//! How calls fail.

use std::time::Duration;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is done; the server's own fault.
    Fails,
    /// It is done, and the answer says that it failed.
    DoneButFails,
    /// Too much at once: 429 with so many seconds to wait.
    RateLimited(u64),
    /// Another write holds the account: 409.
    TooManyWrites,
    /// The answer has half of the bytes, and says that these are all.
    Short,
    /// The connection ends in the middle of the answer.
    Cut,
    /// A listing does not know of the newest files yet, so many of them.
    Stale(usize),
    /// It takes longer.
    Slow(Duration),
}

//! Starts programs on this machine and makes sure that they stop: servers for `./start`, a private
//! PostgreSQL, and whatever a test runs. Shared by `xtask` and `testkit`; synchronous and small,
//! because `xtask` must build in seconds. Knows nothing of what the programs do.

pub mod net;
pub mod postgres;
pub mod process;

//! The client against real servers: PostgreSQL, a coordinator and nodes as processes of their own.

mod backup;
mod failures;
mod history;
mod native;
mod trust;

//! The client against real servers: PostgreSQL, a coordinator and nodes as processes of their own.

mod backup;
mod devices;
mod failures;
mod folder;
mod history;
mod hostile;
mod messages;
mod native;
mod restore;
mod settings;
mod trust;

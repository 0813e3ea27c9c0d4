//! The client against real servers: PostgreSQL, a coordinator and nodes as processes of their own.

mod backup;
mod coordinator_away;
mod coordinators;
mod devices;
mod disks;
mod failures;
mod faults;
mod folder;
mod history;
mod hostile;
mod messages;
mod native;
mod network;
mod nginx;
mod outages;
#[path = "../support/platform.rs"]
mod platform;
mod purge;
mod rebalance;
mod relay;
mod request_ids;
mod restore;
mod settings;
mod tls;
mod trust;
mod upkeep;

//! What both servers share. It knows no route, no table and no store: those are the programs' own.

pub mod answers;
pub mod clock;
pub mod error;
pub mod grants;
pub mod metrics;
pub mod openapi;
pub mod request_id;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

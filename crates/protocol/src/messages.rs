//! Sealed messages between the web app and the devices of a vault. The coordinator passes them on and keeps none for
//! longer than a moment: who is not there misses them.

use serde::{Deserialize, Serialize};

use crate::bytes::Base64;
use crate::id::{DeviceId, VaultId};

/// A message, for sending and as it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The vault under whose keys it is sealed.
    pub vault: VaultId,
    /// The device that it is to, or from.
    pub device: DeviceId,
    /// Which way it goes.
    pub direction: Direction,
    /// SEAL 0x21's counter: the sender's Unix microseconds.
    pub counter: u64,
    /// SEAL 0x21.
    pub sealed: Base64,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the device.
    ToDevice,
    /// From the device, to every web session of the account.
    FromDevice,
}

impl Direction {
    /// As it stands in the seal's context.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::ToDevice => 1,
            Self::FromDevice => 2,
        }
    }
}

//! Sending and receiving sealed live messages. Each is taken once, soon after it was sent, and only by who it is for.

use std::collections::BTreeSet;

use crypto::seal::{self, LiveMessage};
use protocol::bytes::Base64;
use protocol::id::{DeviceId, VaultId};
use protocol::messages::{Direction, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::account::Account;
use crate::error::Error;
use crate::message::{FromDevice, ToDevice};

/// How far the sender's clock may be off, in microseconds.
const SKEW_US: u64 = 120_000_000;

/// The counters that were used.
#[derive(Default)]
pub(crate) struct Mailbox {
    last_sent: u64,
    seen: BTreeSet<(u64, VaultId, DeviceId)>,
}

impl Mailbox {
    /// A counter that this sender has not used: `random` tells apart two that send in the same millisecond.
    fn next_counter(&mut self, now_ms: u64, random: u64) -> u64 {
        self.last_sent = (now_ms * 1000 + random % 1000).max(self.last_sent + 1);
        self.last_sent
    }

    /// Checks that a message is of now and was not seen, and remembers it.
    fn take(&mut self, message: &Message, now_ms: u64) -> Result<(), Error> {
        let now = now_ms * 1000;
        if message.counter.abs_diff(now) > SKEW_US {
            return Err(Error::Message("it is late, or one of the clocks is wrong"));
        }
        self.seen.retain(|(counter, ..)| counter.abs_diff(now) <= SKEW_US);
        if self.seen.insert((message.counter, message.vault, message.device)) {
            Ok(())
        } else {
            Err(Error::Message("it was seen before"))
        }
    }
}

impl Account {
    /// Says something to a device, as one of its vaults' owner. Who is not there misses it.
    ///
    /// # Errors
    /// [`Error::Message`] for a vault without keys here.
    pub async fn send_to_device(
        &self,
        vault: VaultId,
        device: DeviceId,
        message: &ToDevice,
    ) -> Result<(), Error> {
        self.send_message(vault, device, Direction::ToDevice, message).await
    }

    /// Says something to the web app, as a device.
    ///
    /// # Errors
    /// [`Error::Message`] for the owner, and for a vault that is not the device's.
    pub async fn send_from_device(&self, vault: VaultId, message: &FromDevice) -> Result<(), Error> {
        let device = self.device().ok_or(Error::Message("only a device sends it"))?;
        self.send_message(vault, device, Direction::FromDevice, message).await
    }

    /// Opens a message to this device.
    ///
    /// # Errors
    /// [`Error::Message`], [`Error::Untrusted`]: it is ignored.
    pub async fn open_to_device(&self, message: &Message) -> Result<ToDevice, Error> {
        if message.direction != Direction::ToDevice || self.device() != Some(message.device) {
            return Err(Error::Message("it is for somebody else"));
        }
        self.open_message(message).await
    }

    /// Opens a message from a device.
    ///
    /// # Errors
    /// As [`Account::open_to_device`].
    pub async fn open_from_device(&self, message: &Message) -> Result<FromDevice, Error> {
        let state = self.newest_state();
        let certificate = state.device(&message.device);
        let is_its_vault = certificate.is_some_and(|certificate| certificate.vaults.contains(&message.vault));
        if message.direction != Direction::FromDevice || self.device().is_some() || !is_its_vault {
            return Err(Error::Message("it is for somebody else, or of no device of this vault"));
        }
        self.open_message(message).await
    }

    async fn send_message(
        &self,
        vault: VaultId,
        device: DeviceId,
        direction: Direction,
        said: &impl Serialize,
    ) -> Result<(), Error> {
        let platform = &self.client().platform;
        let keys = self.keys(&vault).ok_or(Error::Message("its vault is not known here"))?.get();
        let (epoch, epoch_keys) = keys.newest();
        let random = u64::from_be_bytes(platform.random());
        let counter = self.mailbox().borrow_mut().next_counter(platform.now_ms(), random);
        let context = LiveMessage { vault, device, direction, counter, epoch };
        let plaintext = serde_json::to_vec(said).expect("messages serialize");
        let sealed =
            seal::seal(&platform.backend(), &epoch_keys.commit, &context, &plaintext, platform.salt())
                .await?;
        let message = Message { vault, device, direction, counter, sealed: Base64(sealed) };
        self.client().send_message(&message).await
    }

    async fn open_message<T: DeserializeOwned>(&self, message: &Message) -> Result<T, Error> {
        let platform = &self.client().platform;
        let Message { vault, device, direction, counter, ref sealed } = *message;
        let keys = self.keys(&vault).ok_or(Error::Message("its vault is not known here"))?.get();
        // Only under the newest key: who was revoked has the others.
        let (epoch, epoch_keys) = keys.newest();
        let context = LiveMessage { vault, device, direction, counter, epoch };
        let plaintext = seal::open(&platform.backend(), &epoch_keys.commit, &context, &sealed.0).await?;
        // Counted only once it is known to be the sender's.
        self.mailbox().borrow_mut().take(message, platform.now_ms())?;
        serde_json::from_slice(&plaintext).map_err(|_| Error::Message("it is of another version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn message(counter: u64) -> Message {
        Message {
            vault: VaultId::from_bytes([1; 16]).expect("not zeros"),
            device: DeviceId::from_bytes([2; 16]).expect("not zeros"),
            direction: Direction::ToDevice,
            counter,
            sealed: Base64(Vec::new()),
        }
    }

    #[test]
    fn a_message_is_taken_once_and_within_two_minutes() {
        let mut mailbox = Mailbox::default();
        let now = NOW_MS * 1000;
        for counter in [now, now - SKEW_US, now + SKEW_US] {
            assert!(mailbox.take(&message(counter), NOW_MS).is_ok());
            assert!(mailbox.take(&message(counter), NOW_MS).is_err(), "again");
        }
        for counter in [0, now - SKEW_US - 1, now + SKEW_US + 1, u64::MAX] {
            assert!(mailbox.take(&message(counter), NOW_MS).is_err(), "{counter}");
        }
        // Forgotten only once it is too late for it anyhow.
        assert!(mailbox.take(&message(now + 1), NOW_MS + 1000).is_ok());
        assert!(mailbox.take(&message(now + SKEW_US), NOW_MS + 240_000).is_err());
    }

    #[test]
    fn a_sender_counts_on_even_if_its_clock_does_not() {
        let mut mailbox = Mailbox::default();
        let first = mailbox.next_counter(NOW_MS, 999);
        assert_eq!(first, NOW_MS * 1000 + 999);
        assert_eq!(mailbox.next_counter(NOW_MS, 5), first + 1);
        assert_eq!(mailbox.next_counter(NOW_MS - 5000, 5), first + 2);
        assert_eq!(mailbox.next_counter(NOW_MS + 1, 0), first + 3);
        assert_eq!(mailbox.next_counter(NOW_MS + 2, 7), NOW_MS * 1000 + 2007);
    }
}

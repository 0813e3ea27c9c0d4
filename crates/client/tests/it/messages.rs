//! Live messages and events between an owner and a device, over the streams of a real coordinator.

use client::message::{AgentStatus, FromDevice, ToDevice};
use client::{Account, Error, Role};
use futures_util::stream::StreamExt as _;
use protocol::events::Event;
use protocol::id::{SourceId, VaultId};
use protocol::messages::Message;
use testkit::cluster::Cluster;

use crate::devices::enrol;
use crate::native::Device;

/// The next message of a stream, other events passed over.
async fn next_message(
    events: &mut (impl futures_util::Stream<Item = Result<Event, Error>> + Unpin),
) -> Message {
    loop {
        if let Event::Message { message } = events.next().await.expect("goes on").expect("an event") {
            return message;
        }
    }
}

/// Until the coordinator knows that the device listens.
async fn wait_until_online(owner: &Account) {
    let online = async || owner.devices(&[]).await.expect("lists").iter().all(|device| device.online);
    testkit::wait_until("the device is online", online).await;
}

#[tokio::test]
async fn owner_and_device_talk_and_each_message_is_taken_once() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let device = agent.open(&cluster).await.expect("signs in");
    let vault: VaultId = agent.store.vaults[0].vault;
    let (mut to_device, mut to_owner) = (device.events(), owner.events());
    // A stream is opened when it is asked for the first time.
    let first = to_device.next().await.expect("goes on").expect("an event");
    assert!(matches!(first, Event::AccountState { .. } | Event::Head { .. }), "{first:?}");
    assert!(matches!(to_owner.next().await, Some(Ok(Event::Nodes { .. }))));
    wait_until_online(&owner).await;

    let sync = ToDevice::SyncNow { source: SourceId::from_bytes([1; 16]).expect("not zeros") };
    owner.send_to_device(vault, agent.store.device, &sync).await.expect("sends");
    let message = next_message(&mut to_device).await;
    assert_eq!(device.open_to_device(&message).await.expect("opens"), sync);
    assert!(matches!(device.open_to_device(&message).await, Err(Error::Message(_))), "seen before");
    let late = Message { counter: message.counter + 1, ..message.clone() };
    assert!(device.open_to_device(&late).await.is_err(), "a counter that was not sealed");
    assert!(owner.open_from_device(&message).await.is_err(), "it is not from the device");

    let status = FromDevice::Status(AgentStatus {
        host: "a-host".to_owned(),
        version: "1".to_owned(),
        folders: Vec::new(),
    });
    device.send_from_device(vault, &status).await.expect("sends");
    let message = next_message(&mut to_owner).await;
    assert_eq!(owner.open_from_device(&message).await.expect("opens"), status);
    assert!(matches!(owner.send_from_device(vault, &status).await, Err(Error::Message(_))));
}

#[tokio::test]
async fn a_stream_outlives_the_coordinator_and_ends_with_the_device() {
    let mut cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let device = agent.open(&cluster).await.expect("signs in");
    let mut events = device.events();
    events.next().await.expect("goes on").expect("an event");
    cluster.kill_coordinator();
    cluster.start_coordinator().await;
    loop {
        // What holds now comes again on the new stream.
        if let Event::AccountState { seq } = events.next().await.expect("goes on").expect("an event") {
            assert_eq!(seq, 1);
            break;
        }
    }
    owner.revoke(agent.store.device).await.expect("revokes");
    let end = loop {
        match events.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(Error::NotAdmitted(_)))), "{end:?}");
    assert!(events.next().await.is_none());
}

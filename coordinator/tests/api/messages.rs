//! Sealed messages between the web app and devices.

use protocol::bytes::Base64;
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::events::Event;
use protocol::limits::{MESSAGE_BYTES_MAX, MESSAGES_MAX};
use protocol::messages::{Direction, Message};
use protocol::routes::coordinator as routes;
use reqwest::StatusCode;

use crate::support::{Answer, Device, Events, Registered, Server};

fn message(device: &Device, direction: Direction, counter: u64) -> Message {
    Message { vault: device.vault, device: device.id, direction, counter, sealed: Base64(vec![7; 200]) }
}

async fn send(server: &Server, caller: &Registered, message: &Message) -> Answer {
    caller.send(server, routes::SEND_MESSAGE, &[&message.vault], message).await
}

async fn expect_passed_on(server: &Server, from: &Registered, to: &mut Events, message: Message) {
    send(server, from, &message).await.expect_status(StatusCode::NO_CONTENT);
    to.until_event(&Event::Message { message }).await;
}

#[tokio::test]
async fn messages_go_both_ways_to_whom_they_are_for_alone() {
    let (server, mut operator, _) = Server::with_zones(0).await;
    let stranger = server.register_member("stranger").await;
    let device = operator.admit(&server, Role::Append).await;
    let other = operator.admit(&server, Role::Full).await;
    let mut people = Events::open(&server, &operator).await;
    let mut strangers = Events::open(&server, &stranger).await;
    let mut devices = Events::open(&server, &device).await;
    let mut others = Events::open(&server, &other).await;
    let mut large = message(&device, Direction::FromDevice, 1);
    large.sealed = Base64(vec![7; MESSAGE_BYTES_MAX]);
    expect_passed_on(&server, &operator, &mut devices, message(&device, Direction::ToDevice, 2)).await;
    expect_passed_on(&server, &device, &mut people, large).await;
    // Announcements keep their order: up to one that is behind them, nobody else hears of those two.
    expect_passed_on(&server, &operator, &mut others, message(&other, Direction::ToDevice, 3)).await;
    assert_eq!(others_heard(&mut strangers, &server, &stranger).await, 0);
}

/// How many messages a person heard before a commit of their own.
async fn others_heard(events: &mut Events, server: &Server, person: &Registered) -> usize {
    let (seq, prev) = person.next(server).await;
    person.append_settings(server, person.settings(seq, prev)).await.expect_status(StatusCode::OK);
    let mut messages = 0;
    loop {
        match events.next_but_nodes().await {
            Event::Message { .. } => messages += 1,
            Event::Head { .. } => return messages,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_device_sends_as_itself_and_a_person_as_no_device() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    let other = operator.admit_to_own_vault(&server, Role::Full).await;
    for (caller, direction) in [
        (&*other, Direction::FromDevice),
        (&*other, Direction::ToDevice),
        (&*device, Direction::ToDevice),
        (&operator, Direction::FromDevice),
    ] {
        let message = message(&device, direction, 1);
        send(&server, caller, &message).await.expect_code(ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn a_message_fits_its_vault_its_device_and_its_limits() {
    let (server, mut operator, _) = Server::with_zones(0).await;
    let mut stranger = server.register_member("stranger").await;
    let foreign = stranger.admit(&server, Role::Append).await;
    let device = operator.admit(&server, Role::Append).await;
    let good = || message(&device, Direction::ToDevice, 1);
    let not_found = [
        Message { vault: operator.vault, ..good() },
        Message { device: foreign.id, ..good() },
        message(&foreign, Direction::ToDevice, 1),
    ];
    for message in not_found {
        send(&server, &operator, &message).await.expect_code(ErrorCode::NotFound);
    }
    let invalid = [
        Message { counter: u64::MAX, ..good() },
        Message { sealed: Base64(vec![7; MESSAGE_BYTES_MAX + 1]), ..good() },
        Message { sealed: Base64(vec![7; 91]), ..good() },
    ];
    for message in invalid {
        send(&server, &operator, &message).await.expect_code(ErrorCode::InvalidRequest);
    }
    let elsewhere = operator.send(&server, routes::SEND_MESSAGE, &[&operator.vault], &good()).await;
    elsewhere.expect_code(ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn messages_are_kept_for_a_moment_and_not_without_end() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let device = operator.admit(&server, Role::Append).await;
    let message = message(&device, Direction::ToDevice, 1);
    send(&server, &operator, &message).await.expect_status(StatusCode::NO_CONTENT);
    assert_eq!(MESSAGES_MAX, 1000);
    server
        .sql(
            "INSERT INTO messages (device_id, vault_id, to_device, counter, sealed)
             SELECT device_id, vault_id, to_device, n, sealed FROM messages, generate_series(2, 1000) n",
        )
        .await;
    send(&server, &operator, &message).await.expect_code(ErrorCode::TooManyRequests);
    server.sql("UPDATE messages SET sent_at = sent_at - interval '120 seconds'").await;
    send(&server, &operator, &message).await.expect_status(StatusCode::NO_CONTENT);
    assert_eq!(server.sql_value("SELECT count(*)::text FROM messages").await, "1");
}

//! The log of a vault.

use coordinator::random;
use protocol::bytes::Base64;
use protocol::commits::{AppendCommitRequest, split_envelopes};
use protocol::digest::sha256;
use protocol::envelope::commit::SnapshotFlags;
use protocol::id::IdempotencyKey;
use protocol::routes::coordinator as routes;
use protocol::uploads::CommitResponse;
use reqwest::StatusCode;

use crate::support::{Person, Registered, Server};

async fn list(server: &Server, person: &Registered, from: u64) -> Vec<Vec<u8>> {
    let answer = person.read_log(server, &person.vault, from).await.expect_status(StatusCode::OK);
    split_envelopes(&answer.body).unwrap()
}

#[tokio::test]
async fn the_log_is_read_from_any_number() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let genesis = list(&server, &operator, 0).await.remove(0);
    let second = operator.settings(1, sha256(&[&genesis]));
    operator.append_settings(&server, second.clone()).await.expect_status(StatusCode::OK);
    assert_eq!(list(&server, &operator, 0).await, [genesis, second.clone()]);
    assert_eq!(list(&server, &operator, 1).await, [second]);
    assert_eq!(list(&server, &operator, 2).await.len(), 0);
}

#[tokio::test]
async fn a_repeated_key_gets_the_same_answer() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let (seq, prev) = operator.next(&server).await;
    let key = random::id(IdempotencyKey::from_bytes);
    let request =
        AppendCommitRequest { envelope: Base64(operator.settings(seq, prev)), key, list: None, staged: None };
    let send = async || -> CommitResponse {
        operator.send(&server, routes::APPEND_COMMIT, &[&operator.vault], &request).await.json()
    };
    let (first, second) = tokio::join!(send(), send());
    assert_eq!(first, second);
    assert_eq!(send().await, first);
    assert_eq!(operator.next(&server).await.0, 2);
}

#[tokio::test]
async fn of_two_next_commits_at_once_one_wins() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let (seq, prev) = operator.next(&server).await;
    let [a, b] = [operator.settings(seq, prev), operator.settings(seq, prev)];
    let (a, b) = tokio::join!(operator.append_settings(&server, a), operator.append_settings(&server, b));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
}

#[tokio::test]
async fn what_does_not_continue_the_chain_is_refused() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let (seq, prev) = operator.next(&server).await;
    let mut forged = operator.settings(seq, prev);
    *forged.last_mut().unwrap() ^= 1;
    let mut stranger = Person::new("stranger");
    stranger.vault = operator.vault;
    let mut refusals = Vec::new();
    let envelopes = [
        operator.settings(seq + 1, prev),
        operator.settings(seq, [1; 32]),
        forged,
        stranger.settings(seq, prev),
        Person::new("another-vault").settings(seq, prev),
        operator.snapshot(seq, prev, SnapshotFlags::default(), &[]),
    ];
    for envelope in envelopes {
        refusals.push(operator.append_settings(&server, envelope).await.refusal());
    }
    operator.person.account_state_seq = 1;
    refusals.push(operator.append_settings(&server, operator.settings(seq, prev)).await.refusal());
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "ChainConflict: not the next commit; read the newest and try again",
        "ChainConflict: not the next commit; read the newest and try again",
        "InvalidEnvelope: the signature does not verify",
        "InvalidEnvelope: the signature does not verify",
        "InvalidEnvelope: it names another vault",
        "InvalidRequest: a snapshot is committed through an upload",
        "ChainConflict: the account has another newest state; read it and try again",
    ]
    "#);
    assert_eq!(operator.next(&server).await, (seq, prev));
}

//! The chain of account states.

use coordinator::random;
use protocol::accounts::AppendAccountStateRequest;
use protocol::bytes::Base64;
use protocol::digest::sha256;
use protocol::envelope::account_state::{self, AccountStateBody, VaultKeyRow};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, VaultId};
use protocol::routes::coordinator as routes;
use reqwest::StatusCode;

use crate::support::{Admission, Answer, Registered, Server};

async fn append(
    server: &Server,
    person: &Registered,
    seq: u64,
    prev: [u8; 32],
    body: &AccountStateBody,
) -> Answer {
    let state = account_state::issue(&person.identity, person.account, seq, &prev, body);
    let request = AppendAccountStateRequest { account_state: Base64(state) };
    person.send(server, routes::APPEND_ACCOUNT_STATE, &[], &request).await
}

#[tokio::test]
async fn the_chain_grows_by_the_next_state_alone() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let first = operator.get(&server, routes::ACCOUNT_STATE, &[&0]).await.expect_status(StatusCode::OK);
    assert_eq!(first.body, operator.first_state());
    let hash = sha256(&[&first.body]);
    let mut body = operator.state_body.clone();
    body.vault_keys.push(VaultKeyRow { vault: random::id(VaultId::from_bytes), epoch: 1, digest: [1; 32] });
    append(&server, &operator, 2, hash, &body).await.expect_code(ErrorCode::ChainConflict);
    append(&server, &operator, 1, [9; 32], &body).await.expect_code(ErrorCode::ChainConflict);
    append(&server, &operator, 1, hash, &body).await.expect_status(StatusCode::CREATED);
    append(&server, &operator, 1, hash, &body).await.expect_code(ErrorCode::ChainConflict);
    operator.get(&server, routes::ACCOUNT_STATE, &[&1]).await.expect_status(StatusCode::OK);
    operator.get(&server, routes::ACCOUNT_STATE, &[&2]).await.expect_code(ErrorCode::NotFound);
    operator.get(&server, routes::ACCOUNT_STATE, &[&u64::MAX]).await.expect_code(ErrorCode::NotFound);
}

#[tokio::test]
async fn a_state_takes_nothing_back() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let hash = sha256(&[&operator.first_state()]);
    let refuse = async |change: &dyn Fn(&mut AccountStateBody)| {
        let mut body = operator.state_body.clone();
        change(&mut body);
        append(&server, &operator, 1, hash, &body).await.refusal()
    };
    let refusals = [
        refuse(&|body| body.vault_keys.clear()).await,
        refuse(&|body| body.vault_keys[0].digest = [0; 32]).await,
        refuse(&|body| body.kdf.iterations += 1).await,
        refuse(&|body| body.kdf.account_salt = [0; 32]).await,
        refuse(&|body| body.recovery_wrap_hash = [0; 32]).await,
        refuse(&|body| body.revoked.push(random::id(DeviceId::from_bytes))).await,
        refuse(&|body| body.certificates = Admission::new(&operator, Role::Full, false).body.certificates)
            .await,
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "InvalidEnvelope: breaks a rule: a vault key changed or disappeared",
        "InvalidEnvelope: breaks a rule: a vault key changed or disappeared",
        "InvalidEnvelope: only a change of the password or recovery key may change what describes them",
        "InvalidEnvelope: only a change of the password or recovery key may change what describes them",
        "InvalidEnvelope: only a change of the password or recovery key may change what describes them",
        "InvalidEnvelope: devices come by enrolment and go by revocation",
        "InvalidEnvelope: devices come by enrolment and go by revocation",
    ]
    "#);
}

#[tokio::test]
async fn of_two_next_states_at_once_one_wins() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let hash = sha256(&[&operator.first_state()]);
    let [mut a, mut b] = [operator.state_body.clone(), operator.state_body.clone()];
    a.extensions.push((64, protocol::cbor::Value::Uint(1)));
    b.extensions.push((64, protocol::cbor::Value::Uint(2)));
    let (a, b) =
        tokio::join!(append(&server, &operator, 1, hash, &a), append(&server, &operator, 1, hash, &b));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
}

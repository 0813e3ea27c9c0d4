//! Vaults and their wrapped keys.

use protocol::accounts::AppendAccountStateRequest;
use protocol::bytes::Base64;
use protocol::digest::sha256;
use protocol::envelope::account_state;
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::routes::coordinator as routes;
use protocol::vaults::{VaultsResponse, WrappedKey};
use reqwest::StatusCode;

use crate::support::{Answer, Person, Registered, Server, seal};

async fn put(server: &Server, person: &Registered, vault: VaultId, epoch: u32, wrap: Vec<u8>) -> Answer {
    let key = WrappedKey { epoch, wrap: Base64(wrap) };
    person.send(server, routes::PUT_VAULT_KEY, &[&vault], &key).await
}

/// Lists further keys in the next account state.
async fn list_keys(server: &Server, person: &Registered, keys: &[(VaultId, u32)]) {
    let mut body = person.state_body.clone();
    for (vault, epoch) in keys {
        body.vault_keys.push(account_state::VaultKeyRow { vault: *vault, epoch: *epoch, digest: [1; 32] });
    }
    let prev = sha256(&[&person.first_state()]);
    let state = account_state::issue(&person.identity, person.account, 1, &prev, &body);
    let request = AppendAccountStateRequest { account_state: Base64(state) };
    person.send(server, routes::APPEND_ACCOUNT_STATE, &[], &request).await.expect_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_is_stored_once_its_state_lists_it_and_never_replaced() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let wrap = seal(2);
    put(&server, &operator, operator.vault, 2, wrap.clone()).await.expect_code(ErrorCode::InvalidEnvelope);
    list_keys(&server, &operator, &[(operator.vault, 2)]).await;
    for _ in 0..2 {
        put(&server, &operator, operator.vault, 2, wrap.clone()).await.expect_status(StatusCode::NO_CONTENT);
    }
    put(&server, &operator, operator.vault, 2, seal(2)).await.expect_code(ErrorCode::ChainConflict);
    put(&server, &operator, operator.vault, 0, seal(0)).await.expect_code(ErrorCode::InvalidEnvelope);
    let vaults: VaultsResponse = operator.get(&server, routes::VAULTS, &[]).await.json();
    let epochs: Vec<_> = vaults.vaults[0].keys.iter().map(|key| key.epoch).collect();
    assert_eq!(epochs, [1, 2]);
    assert_eq!(vaults.vaults[0].keys[1].wrap.0, wrap);
}

#[tokio::test]
async fn another_accounts_vault_cannot_be_found_or_taken() {
    let (server, operator, _) = Server::with_zones(0).await;
    let other = server.register_member("other").await;
    list_keys(&server, &other, &[(operator.vault, 1)]).await;
    put(&server, &other, operator.vault, 1, seal(1)).await.expect_code(ErrorCode::InvalidRequest);
    other.read_log(&server, &operator.vault, 0).await.expect_code(ErrorCode::NotFound);
    let mine: VaultsResponse = other.get(&server, routes::VAULTS, &[]).await.json();
    assert_eq!(mine.vaults.iter().map(|entry| entry.vault).collect::<Vec<_>>(), [other.vault]);
}

#[tokio::test]
async fn epoch_1_makes_a_vault_that_its_genesis_opens() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let second = Person::new("unused").vault;
    list_keys(&server, &operator, &[(second, 1)]).await;
    put(&server, &operator, second, 1, seal(1)).await.expect_status(StatusCode::NO_CONTENT);
    let listed: VaultsResponse = operator.get(&server, routes::VAULTS, &[]).await.json();
    assert_eq!(listed.vaults.len(), 1, "a vault without a genesis is not listed");
    operator.person.vault = second;
    operator.person.account_state_seq = 1;
    let genesis = operator.settings(0, [0; 32]);
    operator.append_settings(&server, genesis).await.expect_status(StatusCode::OK);
    assert_eq!(operator.next(&server).await.0, 1);
}

//! Each check of a grant: what it refuses, and that its own counter counts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pasetors::keys::AsymmetricSecretKey;
use pasetors::version4::PublicToken;
use protocol::error::ErrorCode;
use protocol::grant::{Grant, Operation};
use protocol::id::NodeId;
use protocol::limits::{CLOCK_SKEW_SECONDS, GRANT_BYTES_MAX};
use protocol::signature::SigningKey;
use server::clock::Clock;
use server::grants::GrantIssuer;

use crate::media::on_all_media_async;
use crate::support::{Blob, Coordinator, Medium, Node, Setup, refusal};

on_all_media_async!(
    a_token_longer_than_any_grant,
    a_token_of_another_form,
    a_token_under_another_key,
    a_token_whose_signature_does_not_verify,
    a_token_of_the_same_key_that_is_no_grant,
    a_grant_for_another_node,
    a_grant_before_and_after_its_time,
    a_grant_for_another_operation,
    a_grant_for_another_list_or_with_other_totals,
    a_disk_that_is_full_up_to_its_reserve,
    a_grant_that_was_used_too_often,
    more_grants_than_are_remembered_and_room_again_when_they_expired,
    no_token_at_all,
);

struct Case {
    node: Node,
    blob: Blob,
}

impl Case {
    async fn on(medium: &Medium) -> Self {
        Self::with(Setup { medium, ..Setup::default() }).await
    }

    async fn with(setup: Setup<'_>) -> Self {
        let node = Node::start(&Coordinator::start().await, setup).await;
        Self { node, blob: Blob::random(1, 5000) }
    }

    fn claims(&self) -> Grant {
        self.node.coordinator.claims(self.node.id, Operation::Put, &[self.blob.stored])
    }

    fn token(&self, change: impl FnOnce(&mut Grant)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        self.node.coordinator.issue(&claims)
    }

    /// The put is refused with 403 by this check and no other.
    async fn refused_by(&self, check: &str, token: &str) {
        let before = self.all_refusals().await;
        let answer = refusal(self.node.put_with(&self.blob, token).await).await;
        assert_eq!(answer, (403, ErrorCode::InvalidGrant), "{check}");
        let counted = self.node.refusals(check).await;
        assert_eq!(self.all_refusals().await, before + 1, "{check}");
        assert!(counted > 0, "{check}");
        assert_eq!(self.node.ready().await.1["blobs"], 0);
    }

    async fn all_refusals(&self) -> u64 {
        let ready = self.node.ready().await.1;
        ready["refusals"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    }

    async fn accepted(&self, token: &str) {
        assert_eq!(self.node.put_with(&self.blob, token).await.status(), 200);
    }
}

async fn a_token_longer_than_any_grant(medium: &Medium) {
    let case = Case::on(medium).await;
    let token = case.token(|_| {});
    let at_limit = format!("{token}{}", "A".repeat(GRANT_BYTES_MAX - token.len()));
    case.refused_by("token_too_long", &format!("{at_limit}A")).await;
    // At the limit it is the next check that refuses.
    case.refused_by("token_form", &at_limit).await;
    case.accepted(&token).await;
    case.node.stop().await;
}

async fn a_token_of_another_form(medium: &Medium) {
    let case = Case::on(medium).await;
    let token = case.token(|_| {});
    for other in ["x", &token.replace("v4.public.", "v4.local."), &token.replace("v4.public.", "v3.public.")]
    {
        case.refused_by("token_form", other).await;
    }
    case.node.stop().await;
}

async fn a_token_under_another_key(medium: &Medium) {
    let case = Case::on(medium).await;
    let other = GrantIssuer::new(&SigningKey::from_bytes(&[8; 32])).issue(&case.claims());
    case.refused_by("key_id", &other).await;
    // Without a key id.
    let token = case.token(|_| {});
    case.refused_by("key_id", token.rsplit_once('.').unwrap().0).await;
    case.node.stop().await;
}

async fn a_token_whose_signature_does_not_verify(medium: &Medium) {
    let case = Case::on(medium).await;
    let token = case.token(|_| {});
    let other = GrantIssuer::new(&SigningKey::from_bytes(&[8; 32])).issue(&case.claims());
    let key_id = token.rsplit_once('.').unwrap().1;
    let forged = format!("{}.{key_id}", other.rsplit_once('.').unwrap().0);
    case.refused_by("signature", &forged).await;
    // Two claims changed in place.
    let mut bytes = token.into_bytes();
    bytes.swap(40, 41);
    let changed = String::from_utf8(bytes).unwrap();
    case.refused_by("signature", &changed).await;
    case.node.stop().await;
}

async fn a_token_of_the_same_key_that_is_no_grant(medium: &Medium) {
    let case = Case::on(medium).await;
    let issued = case.token(|_| {});
    let key_id = {
        use base64_url::decode;
        decode(issued.rsplit_once('.').unwrap().1)
    };
    let key = SigningKey::from_bytes(&[7; 32]);
    let secret = AsymmetricSecretKey::from(&key.to_keypair_bytes()).unwrap();
    let assertion = Some(&b"triplicate/v1/grant"[..]);
    let other = PublicToken::sign(&secret, b"{\"sub\":\"x\"}", Some(&key_id), assertion).unwrap();
    case.refused_by("content", &other).await;
    let claims = serde_json::to_vec(&case.claims()).unwrap();
    let no_assertion = PublicToken::sign(&secret, &claims, Some(&key_id), None).unwrap();
    case.refused_by("signature", &no_assertion).await;
    case.node.stop().await;
}

mod base64_url {
    use protocol::bytes::Base64;

    /// The protocol's base64 reads what PASETO writes, after a change of alphabet.
    pub(crate) fn decode(text: &str) -> Vec<u8> {
        let mut text = text.replace('-', "+").replace('_', "/");
        text.push_str(&"=".repeat((4 - text.len() % 4) % 4));
        serde_json::from_value::<Base64>(text.into()).unwrap().0
    }
}

async fn a_grant_for_another_node(medium: &Medium) {
    let case = Case::on(medium).await;
    let token = case.token(|claims| claims.aud = NodeId::from_bytes([1; 16]).unwrap());
    case.refused_by("audience", &token).await;
    case.node.stop().await;
}

async fn a_grant_before_and_after_its_time(medium: &Medium) {
    let time = Arc::new(AtomicU64::new(0));
    let case =
        Case::with(Setup { clock: Clock::Manual(Arc::clone(&time)), medium, ..Setup::default() }).await;
    let (iat, exp) = (1_000_000, 1_000_600);
    let token = case.token(|claims| (claims.iat, claims.exp) = (iat, exp));
    let at = |seconds: u64| time.store(seconds * 1000, Ordering::Relaxed);

    at(iat - CLOCK_SKEW_SECONDS - 1);
    case.refused_by("early", &token).await;
    at(exp + CLOCK_SKEW_SECONDS);
    case.refused_by("expired", &token).await;
    for inside in [iat - CLOCK_SKEW_SECONDS, exp + CLOCK_SKEW_SECONDS - 1] {
        at(inside);
        case.accepted(&token).await;
    }
    case.node.stop().await;
}

async fn a_grant_for_another_operation(medium: &Medium) {
    let case = Case::on(medium).await;
    case.refused_by("operation", &case.token(|claims| claims.op = Operation::Get)).await;
    case.accepted(&case.token(|_| {})).await;
    let put = case.node.coordinator.grant(case.node.id, Operation::Put, &[case.blob.stored]);
    let response = case.node.get_with(&case.blob, &put).await;
    assert_eq!(refusal(response).await, (403, ErrorCode::InvalidGrant));
    assert_eq!(case.node.refusals("operation").await, 2);
    case.node.stop().await;
}

async fn a_grant_for_another_list_or_with_other_totals(medium: &Medium) {
    let case = Case::on(medium).await;
    let other = Blob::random(2, 5000);
    let wrong = case.node.coordinator.grant(case.node.id, Operation::Put, &[other.stored]);
    case.refused_by("list", &wrong).await;
    case.refused_by("list", &case.token(|claims| claims.count += 1)).await;
    case.refused_by("list", &case.token(|claims| claims.bytes += 1)).await;
    let next_generation = case.blob.clone().at_generation(2);
    let response = case.node.put_with(&next_generation, &case.token(|_| {})).await;
    assert_eq!(refusal(response).await, (403, ErrorCode::InvalidGrant));
    case.node.stop().await;
}

async fn a_disk_that_is_full_up_to_its_reserve(medium: &Medium) {
    let case = Case::with(Setup { options: &["--reserve-percent=100"], medium, ..Setup::default() }).await;
    let response = case.node.put_with(&case.blob, &case.token(|_| {})).await;
    assert_eq!(refusal(response).await, (507, ErrorCode::InsufficientStorage));
    assert_eq!(case.node.refusals("disk_full").await, 1);
    case.node.stop().await;
}

async fn a_grant_that_was_used_too_often(medium: &Medium) {
    let case = Case::with(Setup { options: &["--grant-budget=2"], medium, ..Setup::default() }).await;
    let token = case.token(|_| {});
    case.accepted(&token).await;
    case.accepted(&token).await;
    let response = case.node.put_with(&case.blob, &token).await;
    assert_eq!(refusal(response).await, (429, ErrorCode::TooManyRequests));
    assert_eq!(case.node.refusals("budget").await, 1);
    case.accepted(&case.token(|_| {})).await;
    case.node.stop().await;
}

async fn more_grants_than_are_remembered_and_room_again_when_they_expired(medium: &Medium) {
    let time = Arc::new(AtomicU64::new(1_000_000_000));
    let clock = Clock::Manual(Arc::clone(&time));
    let case = Case::with(Setup { options: &["--grants-max=1"], clock, medium, ..Setup::default() }).await;
    let at = |iat: u64| move |claims: &mut Grant| (claims.iat, claims.exp) = (iat, iat + 600);
    case.accepted(&case.token(at(1_000_000))).await;
    let response = case.node.put_with(&case.blob, &case.token(at(1_000_000))).await;
    assert_eq!(refusal(response).await, (503, ErrorCode::Unavailable));
    assert_eq!(case.node.refusals("crowded").await, 1);
    time.fetch_add(660_000, Ordering::Relaxed);
    case.accepted(&case.token(at(1_000_660))).await;
    case.node.stop().await;
}

async fn no_token_at_all(medium: &Medium) {
    let case = Case::on(medium).await;
    for authorization in [None, Some("Basic eDp5"), Some("Bearer")] {
        let mut request = case.node.http.put(case.node.blob_url(case.blob.stored.id));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = request.body(case.blob.bytes.clone()).send().await.unwrap();
        assert_eq!(refusal(response).await, (403, ErrorCode::InvalidGrant));
    }
    case.node.stop().await;
}

//! Forgetting snapshots and purging blobs: who may, what may not go, and what goes.

use coordinator::random;
use protocol::bytes::Base64;
use protocol::commits::AppendCommitRequest;
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{IdempotencyKey, SourceId};
use protocol::purge;
use protocol::snapshots::SnapshotId;
use reqwest::StatusCode;

use crate::garbage::{AT_ONCE, cycle, server_with_nodes};
use crate::support::{Registered, Server, blob_id, references};

const OTHER_LIST: &str = "the list is not the one that the commit names";
const NOT_HELD: &str = "the vault does not hold one of these blobs";
const NEEDED: &str = "the newest snapshot of a source needs one of these blobs";

/// The numbers of the kept snapshots of the caller's source.
async fn kept(server: &Server, person: &Registered) -> Vec<u64> {
    let sources = person.snapshots(server).await.sources;
    let own = sources.into_iter().find(|of| of.source == person.source);
    own.map_or_else(Vec::new, |of| of.kept.into_iter().map(|snapshot| snapshot.seq).collect())
}

#[tokio::test]
async fn all_but_the_newest_snapshot_of_an_open_source_can_be_forgotten() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    for number in 1..=3 {
        operator.back_up(&server, &nodes, &[(number, 1)]).await;
    }
    let source = operator.source;
    assert_eq!(kept(&server, &operator).await, [1, 2, 3]);
    let newest = operator.forget(&server, &[(source, 1), (source, 3)]).await;
    insta::assert_snapshot!(newest.refusal(), @"InvalidEnvelope: the newest snapshot of a source that takes more is kept");
    assert_eq!(kept(&server, &operator).await, [1, 2, 3], "all or nothing");
    operator.forget(&server, &[(source, 1), (source, 2)]).await.expect_status(StatusCode::OK);
    assert_eq!(kept(&server, &operator).await, [3]);
    // A policy may have been faster.
    operator.forget(&server, &[(source, 1)]).await.expect_status(StatusCode::OK);

    operator.append(&server, Kind::SourceClosed, source).await.expect_status(StatusCode::OK);
    operator.forget(&server, &[(source, 3)]).await.expect_status(StatusCode::OK);
    assert_eq!(kept(&server, &operator).await, Vec::<u64>::new());
    assert_eq!(cycle(&server, &AT_ONCE).await.condemned, 3);
}

#[tokio::test]
async fn only_snapshots_of_the_vault_can_be_forgotten() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let member = server.register_member("member").await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    member.back_up(&server, &nodes, &[(1, 1)]).await;
    member.back_up(&server, &nodes, &[(1, -1)]).await;
    let nobodys = SourceId::from_bytes([9; 16]).unwrap();
    for foreign in [(member.source, 1), (nobodys, 1), (operator.source, 0), (operator.source, u64::MAX)] {
        let refused = operator.forget(&server, &[foreign]).await.refusal();
        assert_eq!(refused, "InvalidEnvelope: one of them is no snapshot of this vault");
    }
    assert_eq!(kept(&server, &member).await, [1, 2]);
}

#[tokio::test]
async fn the_list_must_be_the_one_that_was_signed() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    for number in 1..=3 {
        operator.back_up(&server, &nodes, &[(number, 1)]).await;
    }
    let first = [SnapshotId { source: operator.source, seq: 1 }];
    let second = [SnapshotId { source: operator.source, seq: 2 }];
    let pack = |list: &[SnapshotId]| Some(protocol::snapshots::pack(list));
    let next = operator.next(&server).await;
    let envelope = operator.digest_commit(Kind::Forget, next, protocol::snapshots::digest(&first));
    let other = operator.append_list(&server, envelope.clone(), pack(&second)).await;
    assert_eq!(other.refusal(), "InvalidEnvelope: the list is not the one that the commit names");
    let none = operator.append_list(&server, envelope.clone(), None).await;
    assert_eq!(none.refusal(), "InvalidRequest: the list is missing");
    let twice = operator.append_list(&server, envelope.clone(), pack(&[first, first].concat())).await;
    assert_eq!(twice.refusal(), "InvalidRequest: not a list of snapshots: not strictly ascending");
    let needless = operator.settings(next.0, next.1);
    operator.append_list(&server, needless, pack(&first)).await.expect_code(ErrorCode::InvalidRequest);
    assert_eq!(kept(&server, &operator).await, [1, 2, 3]);
    operator.append_list(&server, envelope, pack(&first)).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn no_device_forgets_or_purges() {
    let (server, mut operator, nodes) = server_with_nodes(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1)]).await;
    for by_device in
        [device.forget(&server, &[(operator.source, 1)]).await, device.purge(&server, &[1]).await]
    {
        assert_eq!(
            by_device.refusal(),
            "InvalidEnvelope: breaks a rule: only the identity forgets and purges"
        );
    }
    // Nor is what a device signed taken from its owner.
    let list = [SnapshotId { source: operator.source, seq: 1 }];
    let next = operator.next(&server).await;
    let signed = device.digest_commit(Kind::Forget, next, protocol::snapshots::digest(&list));
    let sent = operator.append_list(&server, signed, Some(protocol::snapshots::pack(&list))).await;
    assert_eq!(sent.refusal(), "InvalidEnvelope: breaks a rule: only the identity forgets and purges");
    // What the owner signed is the owner's to send.
    let list = [SnapshotId { source: operator.source, seq: 1 }];
    let next = operator.next(&server).await;
    let signed = operator.digest_commit(Kind::Forget, next, protocol::snapshots::digest(&list));
    let sent = device.append_list(&server, signed, Some(protocol::snapshots::pack(&list))).await;
    sent.expect_code(ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_purge_takes_blobs_out_of_all_history() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 1), (9, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1), (2, -1)]).await;
    operator.purge(&server, &[1]).await.expect_status(StatusCode::OK);
    assert_eq!(kept(&server, &operator).await, [1, 2], "the snapshots stay");
    assert_eq!(cycle(&server, &AT_ONCE).await.condemned, 1);
    let located = operator.locate(&server, &[blob_id(1), blob_id(2)]).await;
    assert_eq!(located.missing.0, blob_id(1).as_bytes());
    // Afterwards the id is like any other: the same bytes may come again.
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    assert_eq!(operator.locate(&server, &[blob_id(1)]).await.missing.0, Vec::<u8>::new());
}

#[tokio::test]
async fn what_is_needed_or_another_vaults_cannot_be_purged() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let member = server.register_member("member").await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 1)]).await;
    operator.back_up(&server, &nodes, &[(2, -1)]).await;
    member.back_up(&server, &nodes, &[(3, 1)]).await;
    let refusal = async |blobs: &[u16]| operator.purge(&server, blobs).await.refusal();
    assert_eq!(
        refusal(&[1]).await,
        "InvalidEnvelope: the newest snapshot of a source needs one of these blobs"
    );
    let foreign = refusal(&[2, 3]).await;
    assert_eq!(foreign, "InvalidEnvelope: the vault does not hold one of these blobs");
    assert_eq!(refusal(&[4]).await, foreign, "one that nobody holds is told no otherwise");
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &[blob_id(2)]).await;
    assert_eq!(refusal(&[2]).await, "InvalidEnvelope: an upload under way may need one of these blobs");
    operator
        .try_commit(&server, upload, SnapshotFlags::default(), &references(&[]))
        .await
        .expect_status(StatusCode::OK);
    operator.purge(&server, &[2]).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn what_takes_out_of_history_needs_a_fresh_proof_of_the_passphrase() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1)]).await;
    server.sql("UPDATE sessions SET proven_at = now() - interval '5 minutes'").await;
    operator.forget(&server, &[(operator.source, 1)]).await.expect_code(ErrorCode::StepUpRequired);
    operator.purge(&server, &[1]).await.expect_code(ErrorCode::StepUpRequired);
    operator.purge_staged(&server, &[&[1]], &[1]).await.expect_code(ErrorCode::StepUpRequired);
    assert_eq!(kept(&server, &operator).await, [1, 2]);
    assert_eq!(operator.locate(&server, &[blob_id(1)]).await.missing.0, Vec::<u8>::new());
    // All other commits go on as before.
    let (seq, prev) = operator.next(&server).await;
    operator.append_settings(&server, operator.settings(seq, prev)).await.expect_status(StatusCode::OK);
    operator.step_up(&server, operator.auth_key).await.expect_status(StatusCode::NO_CONTENT);
    operator.purge(&server, &[1]).await.expect_status(StatusCode::OK);
    operator.forget(&server, &[(operator.source, 1)]).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_staged_list_is_purged_as_a_short_one_is() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let member = server.register_member("member").await;
    let all: Vec<_> = (1..=6).map(|number| (number, 1)).collect();
    operator.back_up(&server, &nodes, &all).await;
    operator.back_up(&server, &nodes, &[(1, -1), (2, -1), (3, -1), (4, -1)]).await;
    member.back_up(&server, &nodes, &[(9, 1)]).await;
    let refused = [
        (operator.purge_staged(&server, &[&[1, 2], &[3]], &[1, 2]).await, OTHER_LIST),
        (operator.purge_staged(&server, &[&[1], &[2]], &[1, 2, 3]).await, OTHER_LIST),
        (operator.purge_staged(&server, &[&[2], &[1]], &[1, 2]).await, "the pages' ids do not ascend"),
        (operator.purge_staged(&server, &[&[1], &[9]], &[1, 9]).await, NOT_HELD),
        (operator.purge_staged(&server, &[&[1], &[5]], &[1, 5]).await, NEEDED),
        (operator.purge_staged(&server, &[], &[1]).await, OTHER_LIST),
    ];
    for (answer, why) in refused {
        assert_eq!(answer.refusal(), format!("InvalidEnvelope: {why}"));
    }
    let ids: Vec<_> = (1..=6).map(blob_id).collect();
    assert_eq!(operator.locate(&server, &ids).await.missing.0, Vec::<u8>::new(), "all or nothing");
    operator.purge_staged(&server, &[&[1, 2], &[3]], &[1, 2, 3]).await.expect_status(StatusCode::OK);
    let missing: Vec<u8> = ids[..3].iter().flat_map(|id| *id.as_bytes()).collect();
    assert_eq!(operator.locate(&server, &ids).await.missing.0, missing);
}

#[tokio::test]
async fn staging_a_purge_begins_anew_and_is_its_owners_alone() {
    let (server, mut operator, nodes) = server_with_nodes(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    let member = server.register_member("member").await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1), (2, -1)]).await;
    let upload = operator.open(&server).await;
    let ids = [blob_id(1), blob_id(2)];
    member.stage_purge(&server, upload, 0, &ids).await.expect_code(ErrorCode::UploadExpired);
    device.stage_purge(&server, upload, 0, &ids).await.expect_code(ErrorCode::Unauthenticated);
    operator.stage_purge(&server, upload, 0, &[]).await.expect_code(ErrorCode::InvalidRequest);
    operator.stage_purge(&server, upload, 1000, &ids).await.expect_code(ErrorCode::TooLarge);
    for (page, ids) in [(0, &ids[..1]), (1, &ids[1..]), (0, &ids[..1])] {
        let staged = operator.stage_purge(&server, upload, page, ids).await;
        staged.expect_status(StatusCode::NO_CONTENT);
    }
    let envelope =
        operator.digest_commit(Kind::Purge, operator.next(&server).await, purge::digest(&ids[..1]));
    let key = random::id(IdempotencyKey::from_bytes);
    let request = AppendCommitRequest { envelope: Base64(envelope), key, list: None, staged: Some(upload) };
    // The answer may be lost: the same again is answered alike, though the session has ended by it.
    for _ in 0..2 {
        operator.append_with(&server, request.clone()).await.expect_status(StatusCode::OK);
    }
    assert_eq!(operator.locate(&server, &ids).await.missing.0, ids[0].as_bytes());
}

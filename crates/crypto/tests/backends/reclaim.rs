//! Commits that take something out of history, against known answers.

use crypto::commit::{Body, NewBody, NewCommit, PurgedPath, open_commit, seal_commit};
use crypto::sign::Author;
use crypto::{Backend, Salt};
use protocol::envelope::commit::CommitEnvelope;

use crate::support::{Vectors, on_every_backend};

on_every_backend! { forget_and_purge }

async fn forget_and_purge(backend: Backend) {
    let (golden, reclaim) = (Vectors::load(), Vectors::load_reclaim());
    let (keys, identity) = (golden.vault_keys(), golden.identity());
    for name in ["forget", "purge"] {
        let pointer = |field: &str| format!("/{name}/{field}");
        let envelope = CommitEnvelope::parse(reclaim.bytes(&pointer("envelope"))).expect("a commit");
        envelope.verify(&golden.account_state(), &identity.public()).expect("it verifies");
        let opened = open_commit(&backend, &keys, &envelope).await.expect("it opens");
        let body = match (&opened, name) {
            (Body::Forget, "forget") => NewBody::Forget,
            (Body::Purge(purge), "purge") => {
                let path = PurgedPath {
                    source: golden.text("/ids/source").parse().expect("an id"),
                    path: b"letters/secret.txt".to_vec(),
                };
                assert_eq!((&purge.paths, purge.purged_ms), (&vec![path], 1_700_000_000_000));
                NewBody::Purge(purge)
            }
            other => panic!("{name} opens as {other:?}"),
        };
        let head = &envelope.head;
        let (seq, prev, digest) = (head.seq, head.prev, head.digest);
        let commit = NewCommit { body, seq, prev, digest, account_state_seq: head.account_state_seq };
        let salt = Salt::from_random(reclaim.array(&pointer("salt")));
        let again =
            seal_commit(&backend, &keys, Author::Identity(&identity), &commit, salt).await.expect("sealed");
        assert_eq!(hex::encode(again), reclaim.text(&pointer("envelope")), "{name}");
    }
}

//! The logs of the vaults.

use protocol::bytes::Base64Array;
use protocol::commits::push_envelope;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::id::{IdempotencyKey, VaultId};
use protocol::limits::COMMITS_ANSWER_BYTES_MAX;
use protocol::uploads::CommitResponse;
use sqlx::PgConnection;

use super::{AccountKey, DbError, SourceKey, VaultKey, stored, unsigned};

/// Rows read at once: enough for an answer of small commits.
const ANSWER_COMMITS_MAX: i64 = 10_000;

/// Adds a commit; returns when it was received, in Unix milliseconds. The caller holds the head's lock.
pub async fn insert(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: Option<SourceKey>,
    envelope: &CommitEnvelope,
    key: Option<&IdempotencyKey>,
) -> Result<u64, DbError> {
    let kind: i16 = match envelope.head.kind {
        Kind::Snapshot(_) => 1,
        Kind::SourceClosed => 2,
        Kind::Settings => 3,
        Kind::Forget => 4,
        Kind::Purge => 5,
        Kind::SourceSettings => 7,
    };
    let received_ms = sqlx::query_scalar!(
        r#"INSERT INTO commits (vault_id, seq, kind, source_id, device, hash, envelope, idempotency_key)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           RETURNING (extract(epoch FROM received_at) * 1000)::bigint AS "received_ms!""#,
        vault.0,
        stored(i64::try_from(envelope.head.seq), "commits.seq")?,
        kind,
        source.map(|source| source.0),
        envelope.head.device.as_ref().map(|device| device.as_bytes().as_slice()),
        &envelope.hash,
        envelope.as_bytes(),
        key.map(|key| key.as_bytes().as_slice()),
    )
    .fetch_one(conn)
    .await?;
    unsigned(received_ms, "commits.received_at")
}

/// The answer that this key got before, in the account's vault of this id.
pub async fn find_answer(
    conn: &mut PgConnection,
    account: AccountKey,
    vault: &VaultId,
    key: &IdempotencyKey,
) -> Result<Option<CommitResponse>, DbError> {
    let row = sqlx::query!(
        r#"SELECT c.seq, c.hash, (extract(epoch FROM c.received_at) * 1000)::bigint AS "received_ms!"
           FROM commits c JOIN vaults v ON v.id = c.vault_id
           WHERE v.account_id = $1 AND v.public_id = $2 AND c.idempotency_key = $3"#,
        account.0,
        vault.as_bytes(),
        key.as_bytes(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(CommitResponse {
            seq: unsigned(row.seq, "commits.seq")?,
            hash: Base64Array(stored(row.hash.try_into(), "commits.hash")?),
            received_ms: unsigned(row.received_ms, "commits.received_at")?,
        })
    })
    .transpose()
}

/// Envelopes from a number on, packed, until the answer is large enough; at least one if there is one.
pub async fn list(conn: &mut PgConnection, vault: VaultKey, from: i64) -> Result<Vec<u8>, DbError> {
    let max = i64::try_from(COMMITS_ANSWER_BYTES_MAX).expect("a few MiB");
    let envelopes = sqlx::query_scalar!(
        r#"SELECT envelope AS "envelope!" FROM (
               SELECT seq, envelope, sum(octet_length(envelope)) OVER (ORDER BY seq) AS bytes
               FROM (SELECT seq, envelope FROM commits WHERE vault_id = $1 AND seq >= $2 ORDER BY seq LIMIT $4) page
           ) counted
           WHERE bytes - octet_length(envelope) < $3 ORDER BY seq"#,
        vault.0,
        from,
        max,
        ANSWER_COMMITS_MAX,
    )
    .fetch_all(conn)
    .await?;
    let mut out = Vec::new();
    for envelope in &envelopes {
        push_envelope(&mut out, envelope);
    }
    Ok(out)
}

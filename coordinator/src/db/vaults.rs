//! Vaults, their wrapped keys and heads.

use protocol::bytes::{Base64, Base64Array};
use protocol::envelope::EnvelopeHash;
use protocol::id::VaultId;
use protocol::vaults::{VaultEntry, WrappedKey};
use sqlx::PgConnection;

use super::{AccountKey, DbError, VaultKey, broken_constraint, changed_one, stored, unsigned};

/// The newest commit of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number; `None` before the genesis.
    pub seq: Option<u64>,
    /// Its hash, zeros before the genesis: what the next commit names.
    pub hash: EnvelopeHash,
}

/// Adds a vault without commits. `None` if the id is taken.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountKey,
    vault: &VaultId,
) -> Result<Option<VaultKey>, DbError> {
    let inserted = sqlx::query_scalar!(
        "INSERT INTO vaults (account_id, public_id) VALUES ($1, $2) RETURNING id",
        account.0,
        vault.as_bytes()
    )
    .fetch_one(conn)
    .await;
    match inserted {
        Ok(id) => Ok(Some(VaultKey(id))),
        Err(error) if broken_constraint(&error) == Some("vaults_public_id_key") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The account's vault of this id; another account's is not found.
pub async fn find(
    conn: &mut PgConnection,
    account: AccountKey,
    vault: &VaultId,
) -> Result<Option<VaultKey>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM vaults WHERE account_id = $1 AND public_id = $2",
        account.0,
        vault.as_bytes()
    );
    Ok(id.fetch_optional(conn).await?.map(VaultKey))
}

/// The account's vaults that have a genesis.
pub async fn list(conn: &mut PgConnection, account: AccountKey) -> Result<Vec<VaultEntry>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT v.public_id, v.head_seq, v.head_hash AS "head_hash!",
                  array_agg(k.epoch ORDER BY k.epoch) AS "epochs!", array_agg(k.wrap ORDER BY k.epoch) AS "wraps!"
           FROM vaults v JOIN vault_keys k ON k.vault_id = v.id
           WHERE v.account_id = $1 AND v.head_hash IS NOT NULL
           GROUP BY v.id ORDER BY v.id"#,
        account.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let keys = row.epochs.into_iter().zip(row.wraps).map(|(epoch, wrap)| {
                Ok(WrappedKey { epoch: stored(epoch.try_into(), "vault_keys.epoch")?, wrap: Base64(wrap) })
            });
            Ok(VaultEntry {
                vault: stored(VaultId::from_slice(&row.public_id), "vaults.public_id")?,
                keys: keys.collect::<Result<_, DbError>>()?,
                head_seq: unsigned(row.head_seq, "vaults.head_seq")?,
                head_hash: Base64Array(stored(row.head_hash.try_into(), "vaults.head_hash")?),
            })
        })
        .collect()
}

/// Stores the wrapped key of an epoch. False if another is there.
pub async fn insert_key(
    conn: &mut PgConnection,
    vault: VaultKey,
    epoch: i32,
    wrap: &[u8],
) -> Result<bool, DbError> {
    sqlx::query!(
        "INSERT INTO vault_keys (vault_id, epoch, wrap) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        vault.0,
        epoch,
        wrap
    )
    .execute(&mut *conn)
    .await?;
    let same = sqlx::query_scalar!(
        r#"SELECT wrap = $3 AS "same!" FROM vault_keys WHERE vault_id = $1 AND epoch = $2"#,
        vault.0,
        epoch,
        wrap
    );
    Ok(same.fetch_one(conn).await?)
}

/// The vault's head, locked: whoever appends waits for whoever appended before. What else refers to the vault, like
/// receipts, goes on meanwhile.
pub async fn lock_head(conn: &mut PgConnection, vault: VaultKey) -> Result<Head, DbError> {
    let row = sqlx::query!("SELECT head_seq, head_hash FROM vaults WHERE id = $1 FOR NO KEY UPDATE", vault.0)
        .fetch_one(conn)
        .await?;
    let hash = row.head_hash.unwrap_or_else(|| vec![0; 32]);
    Ok(Head { seq: u64::try_from(row.head_seq).ok(), hash: stored(hash.try_into(), "vaults.head_hash")? })
}

/// Moves the head on. The caller holds its lock.
pub async fn set_head(
    conn: &mut PgConnection,
    vault: VaultKey,
    seq: i64,
    hash: &EnvelopeHash,
) -> Result<(), DbError> {
    let written =
        sqlx::query!("UPDATE vaults SET head_seq = $2, head_hash = $3 WHERE id = $1", vault.0, seq, hash)
            .execute(conn)
            .await?;
    changed_one(&written, "vaults")
}

//! Commits that take something out of history: snapshots that are forgotten, and blobs that are purged. What they name
//! stands in clear beside them.

use protocol::bytes::Base64;
use protocol::envelope::commit::{CommitHead, Kind};
use protocol::id::BlobId;
use protocol::purge::PagedDigest;
use protocol::snapshots::{self, SnapshotId};
use protocol::{purge, refs};
use sqlx::PgConnection;

use crate::auth::StepUpProof;
use crate::caller::Caller;
use crate::db::purge::Unpurgeable;
use crate::db::snapshots::Unforgettable;
use crate::db::{self, UploadKey, VaultKey};
use crate::error::{ApiResult, broken_rule, invalid};

const OTHER_LIST: &str = "the list is not the one that the commit names";

/// Refuses a commit that names more than the empty list, of those that have no other.
pub(super) fn check_no_list(head: &CommitHead) -> ApiResult<()> {
    if head.digest == refs::digest(&[]) { Ok(()) } else { Err(broken_rule("only a snapshot has references")) }
}

/// What stands beside a commit.
#[derive(Debug)]
pub(super) enum Listed {
    /// The empty list, which is not sent.
    Nothing,
    /// Snapshots to forget.
    Forgotten(Vec<SnapshotId>, StepUpProof),
    /// Blobs to purge.
    Purged(Vec<BlobId>, StepUpProof),
    /// Blobs to purge, staged in an upload session: what they are is judged as they are read.
    Staged(UploadKey, [u8; 32], StepUpProof),
}

impl Listed {
    /// Reads the list that the head names, of somebody who may bring one.
    pub(super) fn read(
        caller: &Caller,
        head: &CommitHead,
        list: Option<&Base64>,
        staged: Option<UploadKey>,
    ) -> ApiResult<Self> {
        let (listed, digest) = match (head.kind, list, staged) {
            (Kind::Forget, Some(list), None) => {
                let list = snapshots::unpack(list).map_err(invalid)?;
                let digest = snapshots::digest(&list);
                (Self::Forgotten(list, caller.check_stepped_up()?), digest)
            }
            (Kind::Purge, Some(list), None) => {
                let list = purge::unpack(&list.0).map_err(invalid)?;
                let digest = purge::digest(&list);
                (Self::Purged(list, caller.check_stepped_up()?), digest)
            }
            (Kind::Purge, None, Some(upload)) => {
                (Self::Staged(upload, head.digest, caller.check_stepped_up()?), head.digest)
            }
            (Kind::Forget | Kind::Purge, None, None) => return Err(invalid("the list is missing")),
            (_, None, None) => {
                check_no_list(head)?;
                return Ok(Self::Nothing);
            }
            _ => return Err(invalid("a list that this commit does not have")),
        };
        if digest == head.digest { Ok(listed) } else { Err(broken_rule(OTHER_LIST)) }
    }

    /// Does what the commit says. The caller holds the vault's head and has verified the commit.
    pub(super) async fn apply(&self, conn: &mut PgConnection, vault: VaultKey) -> ApiResult<()> {
        match self {
            Self::Nothing => {}
            Self::Forgotten(snapshots, _) => {
                if let Some(why) = db::snapshots::find_unforgettable(conn, vault, snapshots).await? {
                    return Err(broken_rule(match why {
                        Unforgettable::Unknown => "one of them is no snapshot of this vault",
                        Unforgettable::Newest => "the newest snapshot of a source that takes more is kept",
                    }));
                }
                db::snapshots::forget(conn, vault, snapshots).await?;
            }
            Self::Purged(blobs, _) => purge_blobs(conn, vault, blobs).await?,
            Self::Staged(upload, digest, _) => purge_staged(conn, vault, *upload, digest).await?,
        }
        Ok(())
    }
}

async fn purge_blobs(conn: &mut PgConnection, vault: VaultKey, blobs: &[BlobId]) -> ApiResult<()> {
    if let Some(why) = db::purge::find_unpurgeable(conn, vault, blobs).await? {
        return Err(broken_rule(match why {
            Unpurgeable::NotHeld => "the vault does not hold one of these blobs",
            Unpurgeable::Needed => "the newest snapshot of a source needs one of these blobs",
            Unpurgeable::Uploading => "an upload under way may need one of these blobs",
        }));
    }
    Ok(db::purge::purge(conn, vault, blobs).await?)
}

/// Page by page; the transaction is of no use if they turn out not to be what was signed. The session ends by it.
async fn purge_staged(
    conn: &mut PgConnection,
    vault: VaultKey,
    upload: UploadKey,
    signed: &[u8; 32],
) -> ApiResult<()> {
    let count = db::purge::count_staged(conn, upload).await?;
    let mut digest = PagedDigest::new(u32::try_from(count).map_err(invalid)?);
    let (mut number, mut last) = (-1, None);
    while let Some((page, bytes)) = db::purge::next_page(conn, upload, number).await? {
        let blobs =
            purge::unpack(&bytes).map_err(|error| anyhow::Error::new(error).context("a staged page"))?;
        if blobs.first().copied() <= last {
            return Err(broken_rule("the pages' ids do not ascend"));
        }
        digest.add(&blobs);
        purge_blobs(conn, vault, &blobs).await?;
        (number, last) = (page, blobs.last().copied());
    }
    if digest.finish() != *signed {
        return Err(broken_rule(OTHER_LIST));
    }
    Ok(db::uploads::delete(conn, upload).await?)
}

//! Uploads of the same blobs race with garbage collection without any grace, on the database's real functions.
//!
//! Each uploader plans blobs of a small pool, relies on the answer "there already", commits, and needs others in its
//! next round, so that blobs become unneeded and needed again all the time. What it planned must stay live until its
//! commit, and what it committed afterwards.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use coordinator::copies::Copies;
use coordinator::db::receipts::ProvenCopy;
use coordinator::db::refs::{Applied, Applying};
use coordinator::db::{self, BlobKey, NodeKey, SourceKey, VaultKey};
use coordinator::jobs::garbage;
use coordinator::random;
use futures_util::future::join_all;
use protocol::blob_list::{SizedBlob, StoredBlob};
use protocol::id::{IdempotencyKey, SourceId, UploadId};
use protocol::limits::BLOB_BYTES_MIN;
use protocol::refs::{Reference, pack};
use protocol::uploads::OpenUploadRequest;
use sqlx::PgPool;

use crate::garbage::AT_ONCE;
use crate::support::{Dice, Disk, Registered, Server, blob_id, references};

const UPLOADERS: u64 = 6;
const POOL: u64 = 40;
const TREE: u64 = 10;

struct Race {
    pool: PgPool,
    vault: VaultKey,
    node: NodeKey,
    disk: Disk,
    racing: AtomicUsize,
    /// Blobs that cycles gave up.
    given_up: AtomicU64,
    broken: Mutex<Vec<String>>,
}

impl Race {
    async fn prepare(server: &Server, owner: &Registered) -> Self {
        let pool = server.state.pool.clone();
        let vault: i64 = sqlx::query_scalar("SELECT id FROM vaults WHERE public_id = $1")
            .bind(owner.vault.as_bytes().as_slice())
            .fetch_one(&pool)
            .await
            .unwrap();
        let node: i64 = sqlx::query_scalar("SELECT id FROM nodes").fetch_one(&pool).await.unwrap();
        Self {
            pool,
            vault: VaultKey(vault),
            node: NodeKey(node),
            disk: Disk::default(),
            racing: AtomicUsize::new(UPLOADERS as usize),
            given_up: AtomicU64::new(0),
            broken: Mutex::default(),
        }
    }

    fn report(&self, what: String) {
        self.broken.lock().unwrap().push(what);
    }

    fn is_broken(&self) -> bool {
        !self.broken.lock().unwrap().is_empty()
    }

    /// So many rounds, and more until as many blobs came and went.
    async fn upload(&self, number: u64, rounds: u64, until_broken: bool) {
        let mut conn = self.pool.acquire().await.unwrap();
        let source = random::id(SourceId::from_bytes);
        let source = db::sources::insert(&mut conn, self.vault, &source).await.unwrap().key;
        drop(conn);
        let mut dice = Dice::new(number);
        let mut tree = BTreeSet::new();
        for round in 1.. {
            let is_enough = round > rounds && self.given_up.load(Ordering::Relaxed) > rounds;
            if is_enough || until_broken && self.is_broken() {
                break;
            }
            let next: BTreeSet<u16> = (0..TREE).map(|_| 1 + dice.roll(POOL) as u16).collect();
            self.back_up(source, round.cast_signed(), &tree, &next).await;
            tree = next;
        }
        self.racing.fetch_sub(1, Ordering::Relaxed);
    }

    /// One round: from one tree to another, of which nothing but the newest is kept.
    async fn back_up(&self, source: SourceKey, seq: i64, from: &BTreeSet<u16>, to: &BTreeSet<u16>) {
        let mut tx = self.pool.begin().await.unwrap();
        let (key, fresh) = (random::id(IdempotencyKey::from_bytes), random::id(UploadId::from_bytes));
        let wanted = OpenUploadRequest { key, removes: false };
        db::uploads::open(&mut tx, self.vault, &wanted, &fresh).await.unwrap();
        tx.commit().await.unwrap();
        let upload = self.upload_key(&fresh).await;

        let wanted: Vec<_> =
            to.iter().map(|number| SizedBlob { id: blob_id(*number), size: BLOB_BYTES_MIN }).collect();
        let mut tx = self.pool.begin().await.unwrap();
        let planned = db::blobs::plan(&mut tx, upload, &wanted).await.unwrap();
        let keys: Vec<BlobKey> = planned.iter().map(|blob| blob.key).collect();
        let have = db::blobs::list_durable(&mut tx, self.vault, &keys, 1).await.unwrap();
        tx.commit().await.unwrap();
        let sent: Vec<_> = planned.iter().filter(|blob| !have.contains(&blob.key)).collect();
        self.disk.put(&sent.iter().map(|blob| blob.blob).collect::<Vec<StoredBlob>>());
        self.check("planned", to).await;

        let mut tx = self.pool.begin().await.unwrap();
        let locked = db::receipts::lock_blobs(&mut tx, &keys).await.unwrap();
        let copies: Vec<_> = sent
            .iter()
            .filter(|sent| locked[&sent.key].generation == sent.blob.generation)
            .map(|sent| ProvenCopy {
                blob: sent.key,
                size: sent.blob.size,
                generation: sent.blob.generation,
                node: self.node,
                store_epoch: 1,
            })
            .collect();
        db::receipts::record(&mut tx, self.vault, &copies, 1).await.unwrap();
        tx.commit().await.unwrap();

        let delta = |number: u16| i32::from(to.contains(&number)) - i32::from(from.contains(&number));
        let changes: Vec<_> = from.union(to).map(|number| (*number, delta(*number))).collect();
        let changes: Vec<Reference> =
            references(&changes).into_iter().filter(|reference| reference.delta != 0).collect();
        let copies = Copies { replicas: 1, write_zones: 1 };
        let applying = Applying { vault: self.vault, source, upload, seq, copies };
        let mut tx = self.pool.begin().await.unwrap();
        let missing = db::refs::list_missing(&mut tx, applying, &changes).await.unwrap();
        if !missing.is_empty() {
            self.report(format!("planned, and missing at the commit: {missing:?}"));
        }
        let applied = db::refs::apply(&mut tx, applying, &changes).await.unwrap();
        assert!(matches!(applied, Applied::Done), "{} references", pack(&changes).len() / 36);
        db::refs::close_unreferenced(&mut tx, source, seq).await.unwrap();
        db::uploads::delete(&mut tx, upload).await.unwrap();
        tx.commit().await.unwrap();
        self.check("committed", to).await;
        sqlx::query("DELETE FROM ref_history WHERE source_id = $1")
            .bind(source.0)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn upload_key(&self, upload: &UploadId) -> db::UploadKey {
        let key = sqlx::query_scalar("SELECT id FROM uploads WHERE public_id = $1");
        db::UploadKey(key.bind(upload.as_bytes().as_slice()).fetch_one(&self.pool).await.unwrap())
    }

    /// The blobs are live, and the node has their present generation.
    async fn check(&self, when: &str, blobs: &BTreeSet<u16>) {
        let ids: Vec<Vec<u8>> = blobs.iter().map(|number| blob_id(*number).as_bytes().to_vec()).collect();
        let rows: Vec<(Vec<u8>, String, i32)> =
            sqlx::query_as("SELECT sha256, state, generation FROM blobs WHERE sha256 = ANY ($1)")
                .bind(&ids)
                .fetch_all(&self.pool)
                .await
                .unwrap();
        assert_eq!(rows.len(), blobs.len());
        for (sha256, state, generation) in rows {
            let id = protocol::id::BlobId::from_slice(&sha256).unwrap();
            let stored = self.disk.generation(&id);
            if state != "live" || stored != u32::try_from(generation).ok() {
                self.report(format!("{when}, and {state} at {generation}, stored at {stored:?}"));
            }
        }
    }

    /// Collects, and does what the node is told, as long as anybody uploads.
    async fn collect(&self, cycle: impl AsyncFn(&PgPool) -> u64) {
        while self.racing.load(Ordering::Relaxed) > 0 {
            self.given_up.fetch_add(cycle(&self.pool).await, Ordering::Relaxed);
            loop {
                let mut tx = self.pool.begin().await.unwrap();
                let jobs = db::delete_jobs::take(&mut tx, self.node, AT_ONCE.gc_retry).await.unwrap();
                tx.commit().await.unwrap();
                if jobs.is_empty() {
                    break;
                }
                for job in &jobs {
                    self.disk.delete(&job.blob);
                }
                let mut tx = self.pool.begin().await.unwrap();
                db::delete_jobs::finish(&mut tx, self.node, &jobs).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    }

    async fn run(&self, rounds: u64, until_broken: bool, cycle: impl AsyncFn(&PgPool) -> u64) -> Vec<String> {
        let uploaders = join_all((0..UPLOADERS).map(|number| self.upload(number, rounds, until_broken)));
        futures_util::future::join(uploaders, self.collect(cycle)).await;
        self.broken.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn no_upload_loses_a_blob_to_a_collection_at_the_same_time() {
    let (server, operator, _nodes) = Server::with_zones(1).await;
    let race = Race::prepare(&server, &operator).await;
    let rounds = testkit::long::scale(25, 2500);
    let broken = race
        .run(rounds, false, async |pool| {
            garbage::collect(pool, &AT_ONCE).await.unwrap().map_or(0, |cycle| cycle.given_up)
        })
        .await;
    assert_eq!(broken, Vec::<String>::new());
}

/// The same with condemning and giving up in one statement each, which looks for roots before it waits for the lock:
/// the race that the two statements are there for must show, or this test sees nothing.
#[tokio::test]
async fn with_one_statement_instead_of_two_an_upload_does_lose_a_blob() {
    if testkit::long::scale(0, 1) == 0 {
        return;
    }
    let (server, operator, _nodes) = Server::with_zones(1).await;
    let race = Race::prepare(&server, &operator).await;
    let broken = race.run(100_000, true, collect_in_one_statement).await;
    assert_ne!(broken, Vec::<String>::new());
}

async fn collect_in_one_statement(pool: &PgPool) -> u64 {
    // None that anybody counts: it ends when something is broken.
    const NO_ROOTS: &str = "NOT EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
        AND NOT EXISTS (SELECT FROM ref_history r WHERE r.blob_id = b.id)
        AND NOT EXISTS (SELECT FROM upload_blobs r WHERE r.blob_id = b.id)";
    let give_up = format!(
        "WITH given_up AS (
             UPDATE blobs b SET state = 'deleting', generation = generation + 1
             WHERE state = 'condemned' AND {NO_ROOTS} RETURNING id, generation
         ), let_go AS (
             DELETE FROM vault_blobs WHERE blob_id IN (SELECT id FROM given_up)
         )
         INSERT INTO delete_jobs (node_id, blob_id, generation)
         SELECT n.id, g.id, g.generation - 1 FROM given_up g, nodes n
         ON CONFLICT (node_id, blob_id) DO UPDATE SET generation = excluded.generation"
    );
    let condemn = format!("UPDATE blobs b SET state = 'condemned' WHERE state = 'live' AND {NO_ROOTS}");
    for statement in [give_up, condemn] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
    0
}

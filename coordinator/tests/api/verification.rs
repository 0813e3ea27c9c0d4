//! Copies are not believed but looked at: audits, comparisons of inventories, and proofs before a copy is taken away.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use coordinator::garbage::Reclaim;
use coordinator::jobs::deletes;
use coordinator::upkeep::Upkeep;
use protocol::grant::Operation;
use protocol::id::BootId;
use protocol::nodes::{HeartbeatRequest, NodeState};
use reqwest::StatusCode;

use crate::garbage::cycle;
use crate::support::{Cluster, Options, content, id_of, soon, stored};

/// An audit of every blob of every node, again and again.
fn audited() -> Options {
    let options = soon();
    let upkeep = Upkeep { audit_period: Duration::from_millis(300), audit_blobs: 256, ..options.upkeep };
    Options { upkeep, ..options }
}

/// A cluster whose nodes were compared when they joined: what they lose from now on, that did not find.
async fn start(options: Options, zones: &[&str]) -> Cluster {
    let cluster = Cluster::start(options, zones).await;
    cluster.wait_for_comparisons().await;
    cluster
}

#[tokio::test]
async fn an_audit_finds_what_a_node_lost_or_changed_without_a_word() {
    let cluster = start(audited(), &["a", "b", "c"]).await;
    cluster.back_up(0..20).await;
    cluster.nodes[0].shelf.forget(&id_of(3));
    cluster.nodes[1].shelf.damage(&id_of(4));
    cluster
        .wait_for("both are whole again", async || {
            cluster.holders(3) == [0, 1, 2] && cluster.holders(4) == [0, 1, 2]
        })
        .await;
    assert!(cluster.status().await.nodes.iter().all(|node| node.reason.is_none()));
}

#[tokio::test]
async fn a_node_that_cannot_prove_much_is_emptied_and_says_why() {
    let cluster = start(audited(), &["a", "b", "c", "d"]).await;
    cluster.back_up(0..30).await;
    // Three of the four have the blobs, and which, placement decides.
    let liar = cluster.holders(0)[0];
    for number in (0..30).filter(|number| cluster.holders(*number).contains(&liar)) {
        cluster.nodes[liar].shelf.forget(&id_of(number));
    }
    cluster.wait_for_sql("SELECT count(*)::text FROM nodes WHERE drained", "1").await;
    cluster.wait_for_rest().await;
    for number in 0..30 {
        let holders = cluster.holders(number);
        assert!(
            (0..4).all(|node| node == liar || holders.contains(&node)),
            "blob {number} is on {holders:?}"
        );
    }
    let status = cluster.status().await;
    let liar = status.nodes.iter().find(|node| node.node == cluster.nodes[liar].id).unwrap();
    assert_eq!(liar.state, NodeState::Drained);
    assert!(liar.reason.as_ref().unwrap().starts_with("could not prove to have"));
}

#[tokio::test]
async fn a_node_that_does_not_answer_an_audit_loses_nothing_by_it() {
    let cluster = start(audited(), &["a", "b", "c"]).await;
    cluster.back_up(0..5).await;
    let audits = cluster.nodes[0].shelf.count(Operation::Audit);
    cluster.nodes[1].shelf.die();
    cluster
        .wait_for("more audits", async || cluster.nodes[0].shelf.count(Operation::Audit) > audits + 2)
        .await;
    assert_eq!(cluster.server.sql_value("SELECT count(*)::text FROM replicas").await, "15");
}

impl Cluster {
    /// The node starts anew: what it has is compared with what it should have.
    async fn restart(&self, node: usize) {
        self.begin_anew(node).await;
        self.wait_for_comparisons().await;
    }

    async fn begin_anew(&self, node: usize) {
        let boot = coordinator::random::id(BootId::from_bytes);
        let heartbeat = HeartbeatRequest { boot, ..self.nodes[node].next_heartbeat() };
        self.nodes[node].heartbeat(&self.server, &heartbeat).await.expect_status(StatusCode::OK);
    }

    async fn wait_for_comparisons(&self) {
        let due = "SELECT count(*)::text FROM nodes WHERE inventory_due_at < now() + interval '1 hour'";
        self.wait_for_sql(due, "0").await;
    }
}

#[tokio::test]
async fn a_node_that_comes_back_with_an_old_disk_is_compared_and_made_whole() {
    let cluster = start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..20).await;
    cluster.nodes[2].shelf.forget(&id_of(5));
    cluster.nodes[2].shelf.forget(&id_of(6));
    cluster.restart(2).await;
    cluster.wait_for_rest().await;
    assert_eq!((cluster.holders(5), cluster.holders(6)), (vec![0, 1, 2], vec![0, 1, 2]));
    // Nothing differs any more: no part is listed.
    let listed = cluster.nodes[2].shelf.count(Operation::Inventory);
    cluster.restart(2).await;
    assert_eq!(cluster.nodes[2].shelf.count(Operation::Inventory), listed + 1);
}

#[tokio::test]
async fn a_comparison_that_fails_is_made_again_soon() {
    let cluster = start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..5).await;
    cluster.nodes[2].shelf.forget(&id_of(3));
    cluster.nodes[2].shelf.die();
    cluster.begin_anew(2).await;
    let (changes, last) = (Cell::new(0), RefCell::new(String::new()));
    cluster
        .wait_for("it is asked again and again", async || {
            let due =
                cluster.server.sql_value("SELECT inventory_due_at::text FROM nodes WHERE zone = 'c'").await;
            changes.set(changes.get() + u32::from(last.replace(due.clone()) != due));
            changes.get() > 4
        })
        .await;
    cluster.nodes[2].shelf.revive();
    cluster.wait_for("the lost copy is made again", async || cluster.holders(3) == [0, 1, 2]).await;
}

#[tokio::test]
async fn copies_that_nobody_knew_count_and_those_that_were_given_up_are_deleted() {
    let cluster = start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..3).await;
    let deleted = "DELETE FROM replicas WHERE (node_id, blob_id) IN
                   (SELECT n.id, b.id FROM nodes n, blobs b WHERE n.zone = 'a' ORDER BY b.sha256, n.id LIMIT 1)";
    cluster.server.sql(deleted).await;
    // One that was deleted from the cluster, and is still there in its old generation.
    let old = stored(9);
    cluster.nodes[0].shelf.put(old, content(9));
    let mut conn = cluster.server.state.connection().await.unwrap();
    sqlx::query("INSERT INTO blobs (sha256, size, generation, state, state_since) VALUES ($1, 4160, 2, 'deleted', now())")
        .bind(old.id.as_bytes().to_vec())
        .execute(&mut *conn)
        .await
        .unwrap();
    // And one that the database never heard of.
    cluster.nodes[0].shelf.put(stored(10), content(10));
    cluster.restart(0).await;
    assert_eq!(cluster.server.sql_value("SELECT count(*)::text FROM replicas").await, "9");
    let has = |number| cluster.nodes[0].shelf.get(&id_of(number)).is_some();
    assert_eq!((has(9), has(10)), (false, true));
}

/// Four copies of each blob, one too many.
async fn with_surplus() -> Cluster {
    with_surplus_in(soon()).await
}

async fn with_surplus_in(options: Options) -> Cluster {
    let cluster = start(options, &["a", "b", "c", "d"]).await;
    cluster.set_state(3, "down").await;
    cluster.back_up(0..10).await;
    for number in 0..10 {
        cluster.nodes[3].shelf.put(stored(number), content(number));
    }
    cluster
}

#[tokio::test]
async fn a_copy_too_many_is_taken_away_once_the_others_were_proven() {
    let cluster = with_surplus().await;
    cluster.beat(3).await;
    cluster.restart(3).await;
    cluster.wait_for_rest().await;
    for number in 0..10 {
        assert_eq!(cluster.holders(number).len(), 3);
    }
    assert_eq!(cluster.server.sql_value("SELECT count(*)::text FROM replicas").await, "30");
    assert!(cluster.nodes.iter().all(|node| node.shelf.count(Operation::Audit) > 0));
}

#[tokio::test]
async fn no_copy_is_taken_away_while_another_does_not_prove_itself() {
    let cluster = with_surplus().await;
    for node in 0..3 {
        cluster.nodes[node].shelf.damage(&id_of(node as u16));
    }
    cluster.beat(3).await;
    cluster.restart(3).await;
    cluster
        .wait_for_sql("SELECT count(*)::text FROM repairs WHERE attempts > 1 AND waiting = 'node'", "3")
        .await;
    for number in 0..10_u16 {
        let good = cluster.holders(number).len();
        assert_eq!(good, 3, "blob {number}: of four, one is damaged or was taken away");
    }
    assert_eq!(cluster.server.sql_value("SELECT count(*)::text FROM replicas").await, "33");
}

#[tokio::test]
async fn a_blob_of_an_open_upload_keeps_all_its_copies() {
    let cluster = with_surplus().await;
    let upload = cluster.operator.open(&cluster.server).await;
    cluster.operator.plan(&cluster.server, upload, &[id_of(0)]).await;
    cluster.beat(3).await;
    cluster.restart(3).await;
    cluster.wait_for_sql("SELECT count(*)::text FROM replicas", "31").await;
    cluster
        .wait_for_sql("SELECT count(*)::text FROM repairs WHERE attempts > 1 AND waiting = 'node'", "1")
        .await;
    assert_eq!(cluster.holders(0), [0, 1, 2, 3]);
}

#[tokio::test]
async fn what_a_node_is_to_delete_counts_for_nothing_until_uploads_that_may_have_sent_it_ended() {
    let by_hand = Duration::from_hours(1);
    let reclaim = Reclaim { delete_every: by_hand, gc_retry: Duration::ZERO, ..Reclaim::default() };
    let cluster = with_surplus_in(Options { reclaim, ..soon() }).await;
    cluster.beat(3).await;
    cluster.restart(3).await;
    cluster.wait_for_sql("SELECT count(*)::text FROM repairs", "0").await;
    let orders = "SELECT count(*)::text FROM delete_jobs";
    assert_eq!(cluster.server.sql_value(orders).await, "10");
    // Somebody sends the same blobs, also to the nodes that are to delete them.
    let member = cluster.server.register_member("member").await;
    let upload = member.open(&cluster.server).await;
    cluster.store(&member, upload, 0..10).await;
    let both = "SELECT count(*)::text FROM replicas JOIN delete_jobs USING (node_id, blob_id)";
    assert_eq!(cluster.server.sql_value(both).await, "0");
    assert_eq!(deletes::deliver(&cluster.server.state).await.unwrap(), 0, "a late receipt may be on its way");
    assert_eq!(cluster.server.sql_value(orders).await, "10");
    for number in 0..10 {
        assert_eq!(cluster.counted(number).await, cluster.holders(number));
    }
    cluster.server.sql("UPDATE uploads SET expires_at = now() - interval '1 second'").await;
    cycle(&cluster.server, &reclaim).await;
    assert_eq!(deletes::deliver(&cluster.server.state).await.unwrap(), 10);
    for number in 0..10 {
        assert_eq!(cluster.counted(number).await, cluster.holders(number));
        assert_eq!(cluster.holders(number).len(), 3);
    }
}

//! More packs than the process may have files open.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use storage_node::store::{GroupLimits, Store, StoreOptions};

use crate::recovery::{options, put, small};
use crate::support::{Blob, Coordinator, Node, Setup, data, packs};

const PACKS: usize = 1201;
/// For connections and reads of [`AT_ONCE`] requests, and for what every process has open.
const FILES: &str = "--nofile=256";
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_many_packs_opens_and_reads_with_few_files() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let store_id = node.store_id();
    let folder = node.stop().await;
    let blobs: Vec<_> = (0..PACKS as u64).map(small).collect();
    let path = data(&folder);
    let (filled, all) = (path.clone(), blobs.clone());
    let fill = move || {
        // So small that each group takes a pack of its own.
        let group = GroupLimits { wait: Duration::ZERO, ..options().group };
        let store =
            Store::open(&filled, store_id, StoreOptions { pack_bytes: 1, group, ..options() }).unwrap();
        for blob in all {
            put(&store, &[blob]);
        }
        store.close().unwrap();
    };
    tokio::task::spawn_blocking(fill).await.unwrap();
    assert_eq!(packs(&path).len(), PACKS);

    for rebuilt in [false, true] {
        if rebuilt {
            fs::remove_file(path.join("index.redb")).unwrap();
        }
        let setup = Setup { run_by: &["prlimit", FILES], folder: folder.clone(), ..Setup::default() };
        let node = Node::start_process(&coordinator, setup).await;
        for chunk in blobs.chunks(AT_ONCE) {
            let has = join_all(chunk.iter().map(|blob| node.has(blob))).await;
            assert!(has.iter().all(|has| *has), "rebuilt: {rebuilt}");
        }
        let new = Blob::random(PACKS as u64 + u64::from(rebuilt), 5000);
        assert_eq!(node.put(&new).await.status(), 200);
        assert!(node.has(&new).await);
        node.stop().await;
    }
}

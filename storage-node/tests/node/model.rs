//! The store against a map: any order of puts, reads, clean stops, crashes, torn writes and lost indexes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use proptest::prelude::*;
use protocol::id::BlobId;
use storage_node::store::Store;
use testkit::tempdir;

use crate::recovery::{has, open, put};
use crate::support::{Blob, packs};

#[derive(Debug, Clone)]
enum Step {
    /// A batch of blobs by number, all at one generation.
    Put {
        blobs: Vec<u64>,
        generation: u32,
    },
    StopCleanly,
    Crash,
    /// A crash in the middle of a write that nobody was told of: these bytes lie behind the log's end.
    CrashWhileWriting {
        torn: Vec<u8>,
    },
    LoseIndex,
    GarbleIndex {
        at: proptest::sample::Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let put = (prop::collection::vec(0..40_u64, 1..6), 1..4_u32);
    prop_oneof![
        6 => put.prop_map(|(blobs, generation)| Step::Put { blobs, generation }),
        1 => Just(Step::StopCleanly),
        1 => Just(Step::Crash),
        1 => prop::collection::vec(any::<u8>(), 1..300).prop_map(|torn| Step::CrashWhileWriting { torn }),
        1 => Just(Step::LoseIndex),
        1 => any::<proptest::sample::Index>().prop_map(|at| Step::GarbleIndex { at }),
    ]
}

fn blob(number: u64) -> Blob {
    Blob::random(number, 1 + (number * 677) as usize % 9000)
}

fn tear(folder: &Path, torn: &[u8]) {
    let Some(newest) = packs(folder).pop() else { return };
    let bytes = fs::read(&newest).unwrap();
    // Behind the padding of the last record; its payload may end in zeros, but not in eight of them.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = end.next_multiple_of(8) as u64 + 8;
    fs::File::options().write(true).open(newest).unwrap().write_all_at(torn, end).unwrap();
}

fn apply(step: &Step, store: Store, folder: &Path, model: &mut HashMap<BlobId, (Blob, u32)>) -> Store {
    let index = folder.join("index.redb");
    match step {
        Step::Put { blobs, generation } => {
            let blobs: Vec<_> = blobs.iter().map(|number| blob(*number).at_generation(*generation)).collect();
            put(&store, &blobs);
            for blob in blobs {
                let held = model.get(&blob.stored.id).map_or(0, |(_, generation)| *generation);
                model.insert(blob.stored.id, (blob, held.max(*generation)));
            }
            return store;
        }
        Step::StopCleanly => store.close().unwrap(),
        Step::Crash => {}
        Step::CrashWhileWriting { torn } => {
            drop(store);
            tear(folder, torn);
            return open(folder);
        }
        Step::LoseIndex => {
            drop(store);
            fs::remove_file(index).unwrap();
            return open(folder);
        }
        Step::GarbleIndex { at } => {
            drop(store);
            let mut bytes = fs::read(&index).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = !bytes[at];
            fs::write(index, bytes).unwrap();
            return open(folder);
        }
    }
    drop(store);
    open(folder)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_store_holds_what_a_map_would(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempdir().unwrap();
        let mut store = open(folder.path());
        let mut model = HashMap::new();
        for step in &steps {
            store = apply(step, store, folder.path(), &mut model);
            let totals = store.status().totals;
            prop_assert_eq!(totals.blobs, model.len() as u64, "{:?}", step);
            let bytes: u64 = model.values().map(|(blob, _)| u64::from(blob.stored.size)).sum();
            prop_assert_eq!(totals.bytes, bytes);
            for (id, (blob, generation)) in &model {
                prop_assert!(has(&store, blob), "{:?} lost {}", step, id);
                prop_assert_eq!(store.find(id).unwrap().unwrap().generation, *generation);
            }
            prop_assert_eq!(store.recovered().damaged_ranges, 0);
        }
    }
}

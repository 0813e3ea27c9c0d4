//! The store against a map: any order of puts, deletions, compactions, damage, clean stops, crashes, torn writes and lost
//! indexes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use storage_node::store::{Store, StoreError};
use testkit::long::scale;
use testkit::tempdir;

use crate::compaction::compact_all;
use crate::inventory::digests;
use crate::media::on_all_media;
use crate::recovery::{delete, has, try_put};
use crate::scrub::{PERIOD_MS as SCRUB_PERIOD_MS, scrub_all};
use crate::support::{Blob, Medium, damage, list, packs};

#[derive(Debug, Clone)]
enum Step {
    /// A batch of blobs by number, all at one generation.
    Put {
        blobs: Vec<u64>,
        generation: u32,
    },
    /// The same of deletions.
    Delete {
        blobs: Vec<u64>,
        generation: u32,
    },
    /// And the compacted packs are gone at once.
    Compact,
    /// All records of a blob rot, and scrubbing finds the one that stands.
    DamageAndScrub {
        blob: u64,
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
    let delete = (prop::collection::hash_set(0..40_u64, 1..12), 1..4_u32);
    prop_oneof![
        6 => put.prop_map(|(blobs, generation)| Step::Put { blobs, generation }),
        3 => delete.prop_map(|(blobs, generation)| {
            Step::Delete { blobs: blobs.into_iter().collect(), generation }
        }),
        2 => Just(Step::Compact),
        1 => (1..40_u64).prop_map(|blob| Step::DamageAndScrub { blob }),
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

/// What the store must hold.
#[derive(Default)]
struct Model {
    held: HashMap<BlobId, (Blob, u32)>,
    /// The highest generation of each blob that was deleted and did not come back.
    deleted: HashMap<BlobId, u32>,
    /// A deletion is forgotten at some time after what it hides is gone.
    compacted: bool,
    damaged: bool,
    rounds: u64,
}

impl Model {
    fn put(&mut self, store: &Store, blobs: &[Blob]) {
        let hidden = |blob: &Blob| {
            let StoredBlob { id, generation, .. } = blob.stored;
            let held = self.held.get(&id).is_some_and(|(_, held)| *held >= generation);
            !held && self.deleted.get(&id).is_some_and(|deleted| *deleted > generation)
        };
        let hidden = blobs.iter().any(hidden);
        match try_put(store, blobs) {
            Ok(()) => {
                assert!(!hidden || self.compacted, "acknowledged what was deleted");
                for blob in blobs {
                    let held = self.held.get(&blob.stored.id).map_or(0, |(_, generation)| *generation);
                    let generation = held.max(blob.stored.generation);
                    self.held.insert(blob.stored.id, (blob.clone(), generation));
                    self.deleted.remove(&blob.stored.id);
                }
            }
            Err(StoreError::Deleted(_)) => assert!(hidden, "refused what was not deleted"),
            Err(error) => panic!("{error}"),
        }
    }

    fn delete(&mut self, store: &Store, blobs: &[Blob]) {
        delete(store, blobs);
        for StoredBlob { id, generation, .. } in list(blobs) {
            if self.held.get(&id).is_none_or(|(_, held)| *held <= generation) {
                self.held.remove(&id);
                let deleted = self.deleted.entry(id).or_default();
                *deleted = generation.max(*deleted);
            }
        }
    }

    fn compact(&mut self, store: &Store) {
        self.compacted |= compact_all(store) > 0;
        store.empty_trash(u64::MAX, 0).unwrap();
    }

    fn damage_and_scrub(&mut self, store: &Store, packs: &Path, blob: &Blob) {
        damage(packs, blob);
        (self.damaged, self.rounds) = (true, self.rounds + 1);
        scrub_all(store, self.rounds * SCRUB_PERIOD_MS);
        self.held.remove(&blob.stored.id);
    }

    fn check(&self, store: &Store, step: &Step) {
        let totals = store.status().totals;
        assert_eq!(totals.blobs, self.held.len() as u64, "{step:?}");
        let bytes: u64 = self.held.values().map(|(blob, _)| u64::from(blob.stored.size)).sum();
        assert_eq!(totals.bytes, bytes, "{step:?}");
        for (id, (blob, generation)) in &self.held {
            assert!(has(store, blob), "{step:?} lost {id}");
            assert_eq!(store.find(id).unwrap().unwrap().generation, *generation);
        }
        let held = self.held.values().map(|(blob, generation)| blob.clone().at_generation(*generation));
        let held: Vec<_> = held.map(|blob| blob.stored).collect();
        assert_eq!(store.inventory().unwrap().concat(), digests(&held), "{step:?}");
        assert!(self.damaged || store.recovered().damaged_ranges == 0, "{step:?}");
    }
}

fn at_generation(numbers: &[u64], generation: u32) -> Vec<Blob> {
    numbers.iter().map(|number| blob(*number).at_generation(generation)).collect()
}

fn apply(step: &Step, store: Store, folder: &Path, medium: &Medium, model: &mut Model) -> Store {
    let index = folder.join("index.redb");
    match step {
        Step::Put { blobs, generation } => {
            model.put(&store, &at_generation(blobs, *generation));
            return store;
        }
        Step::Delete { blobs, generation } => {
            model.delete(&store, &at_generation(blobs, *generation));
            return store;
        }
        Step::Compact => {
            model.compact(&store);
            return store;
        }
        Step::DamageAndScrub { blob: number } => {
            model.damage_and_scrub(&store, &medium.folder(folder), &blob(*number));
            return store;
        }
        Step::StopCleanly => store.close().unwrap(),
        Step::Crash => {}
        Step::CrashWhileWriting { torn } => {
            drop(store);
            // Objects are whole or not there.
            if medium.is_disk() {
                tear(folder, torn);
            }
            return medium.open(folder);
        }
        Step::LoseIndex => {
            drop(store);
            fs::remove_file(index).unwrap();
            return medium.open(folder);
        }
        Step::GarbleIndex { at } => {
            drop(store);
            let mut bytes = fs::read(&index).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = !bytes[at];
            fs::write(index, bytes).unwrap();
            return medium.open(folder);
        }
    }
    drop(store);
    medium.open(folder)
}

on_all_media!(the_store_holds_what_a_map_would);

fn the_store_holds_what_a_map_would(medium: &Medium) {
    let cases = u32::try_from(scale(32, 800)).unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let steps = prop::collection::vec(step(), 1..30);
    let outcome = runner.run(&steps, |steps| {
        let folder = tempdir().unwrap();
        let mut store = medium.open(folder.path());
        let mut model = Model::default();
        for step in &steps {
            store = apply(step, store, folder.path(), medium, &mut model);
            model.check(&store, step);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

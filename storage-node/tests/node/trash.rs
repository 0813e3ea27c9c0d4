//! Packs that were compacted, until they are removed.

use std::fs;

use storage_node::store::Pace;
use testkit::disk::{Disk, fill, may_mount};

use crate::compaction::{DEAD_PERCENT, NOW_MS, assert_holds, compact_all, half_dead, in_trash};
use crate::recovery::open;

const HOUR_MS: u64 = 3_600_000;

#[test]
fn the_trash_is_kept_for_its_time_and_emptied_oldest_first() {
    let (folder, kept, gone) = half_dead();
    let store = open(folder.path());
    for hours in [0, 30] {
        let pack = store.pack_to_compact(DEAD_PERCENT).unwrap().unwrap();
        store.compact(pack, &Pace::unlimited(), NOW_MS + hours * HOUR_MS).unwrap();
    }
    let empty_at = |hours: u64| store.empty_trash(NOW_MS + hours * HOUR_MS, 72 * HOUR_MS).unwrap();
    let left = || in_trash(folder.path()).len();
    assert_eq!((empty_at(71), left()), (0, 2));
    assert_eq!((empty_at(72), left()), (1, 1));
    assert_eq!((empty_at(101), left()), (0, 1));
    assert_eq!((empty_at(102), left()), (1, 0));
    assert_eq!(fs::read_dir(folder.path().join("trash")).unwrap().count(), 0);
    assert_holds(&store, &kept, &gone, "afterwards");
}

#[test]
fn a_full_disk_empties_the_trash_early() {
    if !may_mount() {
        return;
    }
    let (folder, kept, gone) = half_dead();
    let disk = Disk::tmpfs(8 << 20);
    let copied =
        std::process::Command::new("cp").arg("-a").arg(folder.path().join(".")).arg(disk.path()).status();
    assert!(copied.unwrap().success());
    let store = open(disk.path());
    assert_eq!(compact_all(&store), 2);
    assert_eq!(store.empty_trash(NOW_MS, 72 * HOUR_MS).unwrap(), 0);
    let filler = fill(disk.path(), 10_000);
    assert_eq!(store.empty_trash(NOW_MS, 72 * HOUR_MS).unwrap(), 1, "one makes room enough");
    fs::remove_file(filler).unwrap();
    assert_holds(&store, &kept, &gone, "afterwards");
    drop(store);
    disk.unmount();
}

//! Big directories: when they are cut, where, and what readers make of wrong cuts.

use backup::{
    Change, Directory, Entry, NewDirectory, PageIndex, PageRow, TreeError, edit, find, read_directory,
};
use crypto::blob::BlobKind;
use protocol::digest::sha256;
use protocol::id::BlobId;

use crate::store::{Store, inline, name, ready};

fn entries(count: usize, len: usize) -> Vec<Entry> {
    (0..count).map(|number| inline(format!("{number:06}"), &vec![b'x'; len])).collect()
}

fn index(store: &Store, tree: &BlobId) -> Option<PageIndex> {
    let (kind, raw) = store.raw(tree);
    (kind == BlobKind::PageIndex).then(|| PageIndex::decode(&raw).unwrap())
}

fn is_boundary(entry: &Entry) -> bool {
    let digest = sha256(&[entry.name.as_bytes()]);
    u16::from_be_bytes([digest[0], digest[1]]).trailing_zeros() >= 9
}

fn encoded_len(entry: &Entry) -> usize {
    let alone = Directory { entries: vec![entry.clone()], extensions: Vec::new() };
    alone.encode().unwrap().len() - Directory::default().encode().unwrap().len()
}

#[test]
fn a_directory_is_cut_from_1025_entries_on() {
    let store = Store::default();
    assert!(index(&store, &store.write(entries(1024, 1)).tree).is_none());
    assert!(index(&store, &store.write(entries(1025, 1)).tree).is_some());
}

#[test]
fn a_directory_is_cut_from_more_than_256_kib_on() {
    let store = Store::default();
    let len = encoded_len(&entries(1, 1000)[0]);
    let most = 256 * 1024 / len;
    assert!(index(&store, &store.write(entries(most, 1000)).tree).is_none());
    assert!(index(&store, &store.write(entries(most + 1, 1000)).tree).is_some());
}

#[test]
fn pages_end_after_boundary_names_or_before_they_would_be_too_big() {
    let store = Store::default();
    for (count, len) in [(6000, 1), (3000, 700)] {
        let all = entries(count, len);
        let index = index(&store, &store.write(all.clone()).tree).unwrap();
        let mut rest = all.as_slice();
        for row in &index.rows {
            let (page, after) = rest.split_at(row.entries as usize);
            assert_eq!(row.first_name, page[0].name);
            assert_eq!(Directory::decode(&store.raw(&row.page).1).unwrap().entries, page);
            let (last, inner) = page.split_last().unwrap();
            assert!(!inner.iter().any(is_boundary), "a boundary within a page");
            if let (Some(next), false) = (after.first(), is_boundary(last)) {
                let bytes: usize = page.iter().chain([next]).map(encoded_len).sum();
                assert!(page.len() == 1024 || bytes > 256 * 1024, "a page ended too early");
            }
            rest = after;
        }
        assert!(rest.is_empty());
        assert_eq!(ready(read_directory(&store, &store.write(all.clone()).tree)).unwrap(), all);
    }
}

#[test]
fn an_insert_writes_one_page_and_the_index() {
    let store = Store::default();
    let old = store.write(entries(6000, 1));
    store.writes.set(0);
    let put = Change::Put { parents: Vec::new(), entry: Box::new(inline("003000-inserted", b"")) };
    let mut sink = &store;
    let new_directory = NewDirectory { mode: 0o755, mtime_ns: 0 };
    let new = ready(edit(&store, &mut sink, Some(old.tree), vec![put], new_directory)).unwrap();
    assert_eq!(store.writes.get(), 2);
    assert_eq!(new.totals.sum().files, 6001);
}

#[test]
fn an_entry_is_found_by_reading_one_page() {
    let store = Store::default();
    let all = entries(6000, 1);
    let tree = store.write(all.clone()).tree;
    for entry in [&all[0], &all[2999], &all[5999]] {
        store.reads.set(0);
        assert_eq!(
            ready(find(&store, &tree, std::slice::from_ref(&entry.name))).unwrap().as_ref(),
            Some(entry)
        );
        assert_eq!(store.reads.get(), 2);
    }
    for missing in ["!", "003000-", "~"] {
        assert_eq!(ready(find(&store, &tree, &[name(missing)])).unwrap(), None);
    }
}

/// Writes an index over pages of these entries, as another writer might have cut them.
fn forge(store: &Store, pages: &[&[Entry]]) -> PageIndex {
    let row = |page: &&[Entry]| {
        let raw = Directory { entries: page.to_vec(), extensions: Vec::new() }.encode().unwrap();
        let id = store.insert(BlobKind::Directory, raw);
        PageRow { first_name: page[0].name.clone(), page: id, entries: page.len() as u32 }
    };
    PageIndex { rows: pages.iter().map(row).collect(), extensions: Vec::new() }
}

fn read(store: &Store, index: &PageIndex) -> Result<Vec<Entry>, String> {
    let tree = store.insert(BlobKind::PageIndex, index.encode().unwrap());
    ready(read_directory(store, &tree)).map_err(|error| match error {
        TreeError::Malformed { source, .. } => source.to_string(),
        other => panic!("{other}"),
    })
}

#[test]
fn wrong_cuts_are_refused() {
    let store = Store::default();
    let all = entries(3000, 1);
    let index = index(&store, &store.write(all.clone()).tree).unwrap();
    let mut rest = all.as_slice();
    let right: Vec<&[Entry]> = index
        .rows
        .iter()
        .map(|row| {
            let (page, after) = rest.split_at(row.entries as usize);
            rest = after;
            page
        })
        .collect();
    assert_eq!(read(&store, &forge(&store, &right)), Ok(all.clone()));

    let wrong = "a directory is not cut into pages where it should be";
    let middle = right[0].len() / 2;
    let split_page: Vec<_> =
        [&right[0][..middle], &right[0][middle..]].into_iter().chain(right[1..].iter().copied()).collect();
    assert_eq!(read(&store, &forge(&store, &split_page)), Err(wrong.into()));
    assert_eq!(
        read(&store, &forge(&store, &[&all[..10], &all[10..20]])),
        Err("a small directory is cut into pages".into())
    );
}

#[test]
fn an_index_that_misstates_its_pages_is_refused() {
    let store = Store::default();
    let all = entries(3000, 1);
    let right = index(&store, &store.write(all).tree).unwrap();

    let mut count = right.clone();
    count.rows[1].entries -= 1;
    assert!(read(&store, &count).unwrap_err().contains("as many entries"));

    let mut first = right.clone();
    first.rows[1].first_name = name(format!("{}-", right.rows[0].first_name));
    assert!(read(&store, &first).is_err());

    let mut swapped = right.clone();
    swapped.rows[1].page = right.rows[0].page;
    swapped.rows[1].entries = right.rows[0].entries;
    assert!(read(&store, &swapped).unwrap_err().contains("begin with the name"));

    let mut overlap = right.clone();
    overlap.rows.insert(
        1,
        PageRow { first_name: name(format!("{}-", right.rows[0].first_name)), ..right.rows[1].clone() },
    );
    assert!(read(&store, &overlap).unwrap_err().contains("reaches into the next"));
}

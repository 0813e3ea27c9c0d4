//! Walks through trees, and totals that are not those of what lies beneath.

use backup::{Category, Change, Entry, NewDirectory, Node, Tally, Totals, TreeError, Walk, WrittenDirectory};
use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::store::{Store, chunked, chunks, inline, name, path, ready, symlink};

const NEW_DIRECTORY: NewDirectory = NewDirectory { mode: 0o755, mtime_ns: 3 };

fn sample(store: &Store) -> WrittenDirectory {
    let empty = store.write(Vec::new());
    let photos = store.write(vec![chunked(store, "b.jpg", chunks([1, 2])), inline("a.txt", b"hello")]);
    store.write(vec![
        symlink("link", "photos/b.jpg"),
        photos.into_entry(name("photos"), 0o755, 0),
        empty.into_entry(name("empty"), 0o755, 0),
        inline("main.rs", b"fn main() {}"),
    ])
}

#[test]
fn a_walk_gives_directories_before_what_is_in_them_and_names_in_order() {
    let store = Store::default();
    let mut walk = Walk::new(&store, sample(&store).tree);
    let mut seen = Vec::new();
    while let Some((above, entry)) = ready(walk.next()).unwrap() {
        let parts: Vec<_> = above.iter().chain([&entry.name]).map(ToString::to_string).collect();
        seen.push(parts.join("/"));
    }
    assert_eq!(seen, ["empty", "link", "main.rs", "photos", "photos/a.txt", "photos/b.jpg"]);
}

/// 150 directories, and one of so many entries that it has pages.
fn wide(store: &Store) -> BlobId {
    let directories = (0..150).map(|number| {
        let content = store.write(vec![inline("file", format!("{number}").as_bytes())]);
        content.into_entry(name(format!("{number:03}")), 0o755, 0)
    });
    let large = store.write((0..20_000).map(|number| inline(format!("{number:05}"), b"some text")).collect());
    let (kind, _) = store.raw(&large.tree);
    assert_eq!(kind, BlobKind::PageIndex);
    store.write(directories.chain([large.into_entry(name("large"), 0o755, 0)]).collect()).tree
}

#[test]
fn all_that_is_read_but_the_root_is_announced() {
    let store = Store::default();
    let root = wide(&store);
    let mut walk = Walk::new(&store, root);
    while ready(walk.next()).unwrap().is_some() {}
    assert_eq!(store.surprises.get(), 1, "walking, {} reads", store.reads.get());

    let store = Store::default();
    let root = wide(&store);
    let put =
        |parent: String| Change::Put { parents: path(&parent), entry: Box::new(inline("another", b"text")) };
    let changes = (0..150).map(|number| format!("{number:03}")).chain(["large".to_owned()]).map(put);
    let edited = ready(backup::edit(&store, &mut &store, Some(root), changes.collect(), NEW_DIRECTORY));
    assert_eq!(store.surprises.get(), 1, "editing, {} reads", store.reads.get());

    let new = edited.unwrap().tree;
    ready(backup::diff(&store, Some(&root), &new)).unwrap();
    assert_eq!(store.surprises.get(), 1, "comparing, {} reads", store.reads.get());
}

#[test]
fn totals_add_up_by_category() {
    let totals = sample(&Store::default()).totals;
    assert_eq!(totals.get(Category::Images), Tally { files: 1, bytes: 2 << 20 });
    assert_eq!(totals.get(Category::Documents), Tally { files: 1, bytes: 5 });
    assert_eq!(totals.get(Category::Code), Tally { files: 1, bytes: 12 });
    assert_eq!(totals.sum(), Tally { files: 3, bytes: (2 << 20) + 17 });
}

#[test]
fn an_entry_is_found_by_its_path() {
    let store = Store::default();
    let root = sample(&store).tree;
    let found = |text: &str| ready(backup::find(&store, &root, &path(text))).unwrap();
    assert_eq!(found("photos/a.txt"), Some(inline("a.txt", b"hello")));
    assert!(matches!(found("photos").unwrap().node, Node::Directory { .. }));
    for missing in ["", "nothing", "photos/nothing", "main.rs/beneath", "nothing/beneath", "link/a.txt"] {
        assert_eq!(found(missing), None, "{missing}");
    }
}

#[test]
fn totals_that_are_not_those_beneath_are_refused() {
    let store = Store::default();
    let honest = store.write(vec![inline("a.txt", b"hello")]);
    for (category, bytes) in [(Category::Documents, 6), (Category::Code, 5)] {
        let totals = Totals::of_file(category, bytes);
        let lie = WrittenDirectory { totals, ..honest }.into_entry(name("d"), 0o755, 0);
        let root = store.write(vec![lie]).tree;
        let mut walk = Walk::new(&store, root);
        assert!(ready(walk.next()).unwrap().is_some(), "the directory itself");
        assert!(matches!(ready(walk.next()), Err(TreeError::Malformed { id, .. }) if id == honest.tree));
    }
}

#[test]
fn two_entries_of_one_name_are_not_written() {
    let store = Store::default();
    let mut sink = &store;
    let twice: Vec<Entry> = vec![inline("a", b"1"), inline("a", b"2")];
    assert!(matches!(ready(backup::write_directory(&mut sink, twice)), Err(TreeError::Unwritable(_))));
}

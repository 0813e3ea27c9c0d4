//! Comparisons of two trees, against one that looks at every path.

use std::collections::{BTreeMap, BTreeSet};

use backup::{
    Change, Comparison, Content, Difference, Entry, Metadata, Name, NewDirectory, Node, StoredContent, Walk,
    edit, find,
};
use proptest::prelude::*;
use protocol::id::BlobId;
use sha2::{Digest as _, Sha256};

use crate::store::{Store, chunked, chunks, name, path, ready, symlink};

const NEW_DIRECTORY: NewDirectory = NewDirectory { mode: 0o755, mtime_ns: 3 };

fn file(text: &str, bytes: &[u8], mtime_ns: i64) -> Entry {
    let content = Content::Inline(bytes.to_vec());
    let hash = Sha256::digest(bytes).into();
    let node = Node::File { size: bytes.len() as u64, content, hash, changed: false };
    Entry::new(name(text), 0o644, mtime_ns, node)
}

fn apply(store: &Store, root: Option<BlobId>, changes: Vec<Change>) -> BlobId {
    let mut sink = store;
    ready(edit(store, &mut sink, root, changes, NEW_DIRECTORY)).unwrap().tree
}

fn put(at: &str, make: impl Fn(&str) -> Entry) -> Change {
    let mut parents = path(at);
    let last = parents.pop().unwrap();
    Change::Put { parents, entry: Box::new(make(&last.to_string())) }
}

fn remove(at: &str) -> Change {
    let mut parents = path(at);
    let name = parents.pop().unwrap();
    Change::Remove { parents, name }
}

fn compare(store: &Store, old: Option<BlobId>, new: Option<BlobId>) -> Vec<Difference> {
    let mut comparison = Comparison::new(store, old, new);
    let mut out = Vec::new();
    while let Some(difference) = ready(comparison.next()).unwrap() {
        out.push(difference);
    }
    out
}

/// A path with what became of it, as a comparison of every single path would say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Added(String),
    Removed(String),
    Content(String),
    Metadata(String),
}

fn joined(parents: &[Name], last: &Name) -> String {
    let names: Vec<_> = parents.iter().chain([last]).map(ToString::to_string).collect();
    names.join("/")
}

fn flat(store: &Store, root: Option<BlobId>) -> BTreeMap<String, Entry> {
    let mut out = BTreeMap::new();
    let Some(root) = root else { return out };
    let mut walk = Walk::new(store, root);
    while let Some((parents, entry)) = ready(walk.next()).unwrap() {
        out.insert(joined(parents, &entry.name), entry);
    }
    out
}

fn naive(old: &BTreeMap<String, Entry>, new: &BTreeMap<String, Entry>) -> BTreeSet<Fate> {
    let mut fates = BTreeSet::new();
    for at in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(at), new.get(at));
        let (Some(before), Some(after)) = (before, after) else {
            fates.extend(before.map(|_| Fate::Removed(at.clone())));
            fates.extend(after.map(|_| Fate::Added(at.clone())));
            continue;
        };
        let content_differs = match (&before.node, &after.node) {
            (Node::File { hash: a, .. }, Node::File { hash: b, .. }) => a != b,
            (Node::Directory { .. }, Node::Directory { .. }) => false,
            (Node::Symlink { target: a }, Node::Symlink { target: b }) => a != b,
            _ => {
                fates.extend([Fate::Removed(at.clone()), Fate::Added(at.clone())]);
                continue;
            }
        };
        if content_differs {
            fates.insert(Fate::Content(at.clone()));
        } else if (before.mode, before.mtime_ns) != (after.mode, after.mtime_ns) {
            fates.insert(Fate::Metadata(at.clone()));
        }
    }
    fates
}

/// The same as the differences say, a directory's with all that is beneath it.
fn told(
    old: &BTreeMap<String, Entry>,
    new: &BTreeMap<String, Entry>,
    differences: &[Difference],
) -> Vec<Fate> {
    let beneath = |tree: &BTreeMap<String, Entry>, at: String| -> Vec<String> {
        let prefix = format!("{at}/");
        let inside = tree.range(prefix.clone()..).map(|(path, _)| path.clone());
        let inside = inside.take_while(|path| path.starts_with(&prefix));
        std::iter::once(at).chain(inside).collect()
    };
    let added = |parents: &[Name], entry: &Entry| {
        beneath(new, joined(parents, &entry.name)).into_iter().map(Fate::Added).collect::<Vec<_>>()
    };
    let removed = |parents: &[Name], entry: &Entry| {
        beneath(old, joined(parents, &entry.name)).into_iter().map(Fate::Removed).collect::<Vec<_>>()
    };
    let tell = |difference: &Difference| match difference {
        Difference::Added { parents, entry } => added(parents, entry),
        Difference::Removed { parents, entry } => removed(parents, entry),
        Difference::Changed { parents, after, content: true, .. } => {
            vec![Fate::Content(joined(parents, &after.name))]
        }
        Difference::Changed { parents, after, .. } => vec![Fate::Metadata(joined(parents, &after.name))],
        Difference::Moved { from, before, to, after } => [removed(from, before), added(to, after)].concat(),
    };
    differences.iter().flat_map(tell).collect()
}

/// What something is recognised by elsewhere, if it is worth looking for.
fn identity(entry: &Entry) -> Option<Vec<u8>> {
    match &entry.node {
        Node::File { size: 0, .. } | Node::Symlink { .. } => None,
        Node::File { hash, .. } => Some(hash.to_vec()),
        Node::Directory { totals, tree } => (totals.sum().files > 0).then(|| tree.as_bytes().to_vec()),
    }
}

fn check(store: &Store, old: Option<BlobId>, new: Option<BlobId>) -> Vec<Difference> {
    let differences = compare(store, old, new);
    let (old, new) = (flat(store, old), flat(store, new));
    let mut told = told(&old, &new, &differences);
    told.sort();
    assert_eq!(told, naive(&old, &new).into_iter().collect::<Vec<_>>());
    for difference in &differences {
        if let Difference::Moved { before, after, .. } = difference {
            assert!(identity(before).is_some() && identity(before) == identity(after), "{difference:?}");
        }
    }
    differences
}

#[derive(Debug, Clone)]
enum Op {
    Put(String, u8, i64),
    Link(String, u8),
    Bulk(String, u16),
    Remove(String),
    Copy(String, String),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = || prop::collection::vec("[a-c]", 1..4).prop_map(|parts| parts.join("/"));
    let op = prop_oneof![
        4 => (at(), 0..6u8, 0..2i64).prop_map(|(at, byte, mtime)| Op::Put(at, byte, mtime)),
        1 => (at(), 0..2u8).prop_map(|(at, byte)| Op::Link(at, byte)),
        1 => (at(), 1000..1100u16).prop_map(|(at, count)| Op::Bulk(at, count)),
        3 => at().prop_map(Op::Remove),
        3 => (at(), at()).prop_map(|(from, to)| Op::Copy(from, to)),
    ];
    prop::collection::vec(op, 1..8)
}

/// Applies what can be applied: nothing is put beneath a file.
fn run(store: &Store, mut root: Option<BlobId>, ops: &[Op]) -> Option<BlobId> {
    for op in ops {
        let changes = match op {
            // Byte 0 makes an empty file.
            Op::Put(at, byte, mtime) => {
                vec![put(at, |name| file(name, &[*byte; 3][..usize::from(*byte).min(3)], *mtime))]
            }
            Op::Link(at, byte) => vec![put(at, |name| symlink(name, &byte.to_string()))],
            Op::Bulk(at, count) => (0..*count)
                .map(|number| put(&format!("{at}/{number}"), |name| file(name, &number.to_be_bytes(), 1)))
                .collect(),
            Op::Remove(at) => vec![remove(at)],
            Op::Copy(from, to) => {
                let found = root.and_then(|root| ready(find(store, &root, &path(from))).unwrap());
                found
                    .map(|entry| put(to, |text| Entry { name: name(text), ..entry.clone() }))
                    .into_iter()
                    .collect()
            }
        };
        let mut sink = store;
        if let Ok(written) = ready(edit(store, &mut sink, root, changes, NEW_DIRECTORY)) {
            root = Some(written.tree);
        }
    }
    root
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_comparison_says_what_a_look_at_every_path_says(first in ops(), then in ops()) {
        let store = Store::default();
        let old = run(&store, None, &first);
        let new = run(&store, old, &then);
        let differences = check(&store, old, new);
        check(&store, new, old);
        check(&store, None, new);

        // Nothing that could be told as moved is told as removed and added.
        let mut halves = [BTreeSet::new(), BTreeSet::new()];
        for difference in &differences {
            match difference {
                Difference::Removed { entry, .. } => halves[0].extend(identity(entry)),
                Difference::Added { entry, .. } => halves[1].extend(identity(entry)),
                Difference::Changed { .. } | Difference::Moved { .. } => {}
            }
        }
        prop_assert!(differences.len() > 4000 || halves[0].is_disjoint(&halves[1]));
    }
}

#[test]
fn a_folder_gets_a_mode_and_keeps_what_is_in_it() {
    let store = Store::default();
    let metadata = Metadata { mode: 0o700, mtime_ns: 9, xattrs: [(b"user.a".to_vec(), vec![1])].into() };
    let set = |at: &str| {
        let mut parents = path(at);
        let name = parents.pop().unwrap();
        Change::PutDirectory { parents, name, metadata: metadata.clone() }
    };
    let root = apply(
        &store,
        None,
        vec![put("a/x", |name| file(name, b"x", 1)), put("f", |name| symlink(name, "x"))],
    );
    // Set before or after what is put into it, on what exists, on what does not, and in place of a link.
    let changes = vec![
        set("a"),
        put("a/y", |name| file(name, b"y", 1)),
        set("b/c"),
        put("f/z", |name| file(name, b"z", 1)),
        set("f"),
    ];
    let root = apply(&store, Some(root), changes);
    let seen = flat(&store, Some(root));
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["a", "a/x", "a/y", "b", "b/c", "f", "f/z"]);
    for at in ["a", "b/c", "f"] {
        let entry = &seen[at];
        assert_eq!((entry.mode, entry.mtime_ns, &entry.xattrs), (0o700, 9, &metadata.xattrs), "{at}");
    }
    assert_eq!(seen["b"].mode, NEW_DIRECTORY.mode);
    // After a removal it is a new and empty one.
    let root = apply(&store, Some(root), vec![remove("a"), set("a")]);
    assert!(flat(&store, Some(root)).keys().all(|at| !at.starts_with("a/")));
}

#[test]
fn stored_content_reads_back_as_it_was_kept() {
    let store = Store::default();
    for entry in [
        file("inline", b"abc", 1),
        chunked(&store, "chunks", chunks(0..3)),
        chunked(&store, "lists", chunks(0..70)),
    ] {
        let Node::File { size, hash, content, .. } = entry.node else { panic!("files") };
        let stored = StoredContent { size, hash, content };
        assert_eq!(StoredContent::decode(&stored.encode()).unwrap(), stored);
        // What lists hold is judged where they are read.
        let in_lists = matches!(stored.content, Content::Lists(_));
        let longer = StoredContent { size: size + 1, ..stored };
        assert_eq!(StoredContent::decode(&longer.encode()).is_ok(), in_lists);
    }
    assert!(StoredContent::decode(b"").is_err());
}

#[test]
fn a_renamed_folder_is_one_move_and_is_not_read() {
    let store = Store::default();
    let files = (0..50).map(|n| put(&format!("photos/{n}"), |name| file(name, &[n], 1)));
    let old = apply(&store, None, files.chain([put("other/x", |name| file(name, b"x", 1))]).collect());
    let photos = ready(find(&store, &old, &path("photos"))).unwrap().unwrap();
    let renamed = put("pictures", |text| Entry { name: name(text), ..photos.clone() });
    let new = apply(&store, Some(old), vec![remove("photos"), renamed]);
    store.reads.set(0);
    let differences = compare(&store, Some(old), Some(new));
    assert!(matches!(&differences[..], [Difference::Moved { before, after, .. }]
        if before.name == name("photos") && after.name == name("pictures")));
    assert_eq!(store.reads.get(), 2, "both roots");
    assert_eq!(compare(&store, Some(new), Some(new)), []);
}

#[test]
fn what_moves_within_the_window_is_told_so_and_farther_away_is_removed_and_added() {
    let moved = |count: u32| {
        let store = Store::default();
        let many = |prefix: &str| {
            let one = |n: u32| put(&format!("{prefix}{n:05}"), |name| file(name, &n.to_be_bytes(), 1));
            apply(&store, None, (0..count).map(one).collect())
        };
        let differences = check(&store, Some(many("a")), Some(many("b")));
        differences.iter().filter(|it| matches!(it, Difference::Moved { .. })).count()
    };
    assert_eq!(moved(3000), 3000);
    assert_eq!(moved(6000), 0);
}

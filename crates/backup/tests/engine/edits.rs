//! Random edits of a tree, against a model in memory: what the tree holds, which bytes it has, what it references.

use std::collections::BTreeMap;

use backup::{
    Category, Change, Content, Directory, Entry, Name, NewDirectory, Node, PageIndex, Totals, TreeError,
    Walk, WrittenDirectory, baseline, diff, edit,
};
use crypto::blob::BlobKind;
use proptest::prelude::*;
use protocol::id::BlobId;
use protocol::refs::Reference;

use crate::store::{Result, Store, chunked, chunks, inline, name, path, ready, symlink};

const NEW_DIRECTORY: NewDirectory = NewDirectory { mode: 0o755, mtime_ns: 3 };

fn apply(store: &Store, root: Option<BlobId>, changes: Vec<Change>) -> Result<BlobId> {
    let mut sink = store;
    Ok(ready(edit(store, &mut sink, root, changes, NEW_DIRECTORY))?.tree)
}

fn put(parents: &str, entry: Entry) -> Change {
    Change::Put { parents: path(parents), entry: Box::new(entry) }
}

fn remove(parents: &str, text: &str) -> Change {
    Change::Remove { parents: path(parents), name: name(text) }
}

/// What a tree holds, in memory.
#[derive(Clone, Default)]
struct Model(BTreeMap<Name, Item>);

#[derive(Clone)]
enum Item {
    Leaf(Box<Entry>),
    Directory(Model),
}

impl Model {
    /// The directory at `parents`, created where it is missing; `None` if something else is in the way.
    fn make(&mut self, parents: &[Name]) -> Option<&mut Model> {
        let Some((first, rest)) = parents.split_first() else { return Some(self) };
        match self.0.entry(first.clone()).or_insert_with(|| Item::Directory(Model::default())) {
            Item::Directory(child) => child.make(rest),
            Item::Leaf(_) => None,
        }
    }

    fn get(&self, parents: &[Name]) -> Option<&Model> {
        let Some((first, rest)) = parents.split_first() else { return Some(self) };
        match self.0.get(first)? {
            Item::Directory(child) => child.get(rest),
            Item::Leaf(_) => None,
        }
    }

    /// Writes everything anew.
    fn write(&self, store: &Store) -> WrittenDirectory {
        let entries = self.0.iter().map(|(name, item)| match item {
            Item::Leaf(entry) => Entry::clone(entry),
            Item::Directory(child) => {
                child.write(store).into_entry(name.clone(), NEW_DIRECTORY.mode, NEW_DIRECTORY.mtime_ns)
            }
        });
        store.write(entries.collect())
    }

    fn leaves(&self, above: &[Name], out: &mut Vec<(Vec<Name>, Entry)>) {
        for (name, item) in &self.0 {
            match item {
                Item::Leaf(entry) => out.push((above.to_vec(), Entry::clone(entry))),
                Item::Directory(child) => child.leaves(&[above, std::slice::from_ref(name)].concat(), out),
            }
        }
    }
}

/// Every reference of every path, one by one, without any of the engine's shortcuts.
fn recount(store: &Store, tree: &BlobId, count: &mut BTreeMap<BlobId, i32>) {
    *count.entry(*tree).or_default() += 1;
    let (kind, raw) = store.raw(tree);
    if kind == BlobKind::PageIndex {
        return PageIndex::decode(&raw).unwrap().rows.iter().for_each(|row| recount(store, &row.page, count));
    }
    for entry in Directory::decode(&raw).unwrap().entries {
        match entry.node {
            Node::Directory { tree, .. } => recount(store, &tree, count),
            Node::File { content: Content::Chunks(chunks), .. } => {
                for chunk in chunks {
                    *count.entry(chunk.id).or_default() += 1;
                }
            }
            Node::File { content: Content::Lists(lists), .. } => {
                for list in lists {
                    *count.entry(list).or_default() += 1;
                    for chunk in backup::ChunkList::decode(&store.raw(&list).1).unwrap().chunks {
                        *count.entry(chunk.id).or_default() += 1;
                    }
                }
            }
            Node::File { content: Content::Inline(_), .. } | Node::Symlink { .. } => {}
        }
    }
}

fn references(counts: BTreeMap<BlobId, i32>) -> Vec<Reference> {
    counts
        .into_iter()
        .filter(|(_, delta)| *delta != 0)
        .map(|(blob, delta)| Reference { blob, delta })
        .collect()
}

fn recounted_diff(store: &Store, old: Option<&BlobId>, new: &BlobId) -> Vec<Reference> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    if let Some(old) = old {
        recount(store, old, &mut before);
    }
    recount(store, new, &mut after);
    for (blob, count) in before {
        *after.entry(blob).or_default() -= count;
    }
    references(after)
}

fn walk(store: &Store, root: BlobId) -> Result<Vec<(Vec<Name>, Entry)>> {
    let mut walk = Walk::new(store, root);
    let mut out = Vec::new();
    while let Some((above, entry)) = ready(walk.next())? {
        out.push((above.to_vec(), entry));
    }
    Ok(out)
}

#[derive(Debug, Clone)]
enum Op {
    Inline(String, u8),
    Chunked(String, u64, u64),
    /// A file of one chunk many times over, in chunk lists.
    Repeated(String, u64, u64),
    Link(String),
    Bulk(String, u16),
    Remove(String),
    /// Puts a copy of the first directory at the second path.
    Copy(String, String),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = || prop::collection::vec("[a-d]", 1..4).prop_map(|parts| parts.join("/"));
    let op = prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Op::Inline(at, byte)),
        3 => (at(), 0..20u64, 1..6u64).prop_map(|(at, from, count)| Op::Chunked(at, from, count)),
        1 => (at(), 0..5u64, 64..68u64).prop_map(|(at, chunk, count)| Op::Repeated(at, chunk, count)),
        1 => at().prop_map(Op::Link),
        1 => (at(), 900..1200u16).prop_map(|(at, count)| Op::Bulk(at, count)),
        3 => at().prop_map(Op::Remove),
        2 => (at(), at()).prop_map(|(from, to)| Op::Copy(from, to)),
    ];
    prop::collection::vec(op, 1..6)
}

/// Applies one operation to the model and gives the changes that do the same to the tree.
fn model_op(store: &Store, model: &mut Model, root: Option<BlobId>, op: &Op) -> Vec<Change> {
    let split = |at: &str| {
        let mut parents = path(at);
        let name = parents.pop().unwrap();
        (parents, name)
    };
    let mut put_leaf = |at: &str, make: &dyn Fn(&str) -> Entry| {
        let (parents, name) = split(at);
        let entry = Box::new(make(&name.to_string()));
        let Some(parent) = model.make(&parents) else { return Vec::new() };
        parent.0.insert(name, Item::Leaf(entry.clone()));
        vec![Change::Put { parents, entry }]
    };
    match op {
        Op::Inline(at, byte) => put_leaf(at, &|name| inline(name, &[*byte])),
        Op::Chunked(at, from, count) => {
            put_leaf(at, &|name| chunked(store, name, chunks(*from..from + count)))
        }
        Op::Repeated(at, chunk, count) => {
            put_leaf(at, &|name| chunked(store, name, chunks((0..*count).map(|_| *chunk))))
        }
        Op::Link(at) => put_leaf(at, &|name| symlink(name, "target")),
        Op::Bulk(at, count) => (0..*count)
            .flat_map(|number| put_leaf(&format!("{at}/{number}"), &|name| inline(name, &[1])))
            .collect(),
        Op::Remove(at) => {
            let (parents, name) = split(at);
            if model.get(&parents).is_some() {
                model.make(&parents).unwrap().0.remove(&name);
            }
            vec![Change::Remove { parents, name }]
        }
        Op::Copy(from, to) => copy(store, model, root, &path(from), split(to)),
    }
}

fn copy(
    store: &Store,
    model: &mut Model,
    root: Option<BlobId>,
    from: &[Name],
    (parents, name): (Vec<Name>, Name),
) -> Vec<Change> {
    let Some(subtree) = model.get(from).cloned() else { return Vec::new() };
    let stored = root.and_then(|root| ready(backup::find(store, &root, from)).unwrap());
    let Some(entry) = stored.filter(|entry| matches!(entry.node, Node::Directory { .. })) else {
        return Vec::new();
    };
    let Some(parent) = model.make(&parents) else { return Vec::new() };
    parent.0.insert(name.clone(), Item::Directory(subtree));
    vec![Change::Put { parents, entry: Box::new(Entry { name, ..entry }) }]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn edited_trees_are_those_written_anew_and_deltas_those_of_a_full_recount(
        rounds in prop::collection::vec(ops(), 1..5),
    ) {
        let store = Store::default();
        let mut model = Model::default();
        let mut root = None;
        for ops in rounds {
            let mut batch = Vec::new();
            for op in ops {
                // A copy takes a directory as it is stored, so what was batched comes first.
                if matches!(op, Op::Copy(..)) && !batch.is_empty() {
                    root = Some(apply(&store, root, std::mem::take(&mut batch)).unwrap());
                }
                batch.extend(model_op(&store, &mut model, root, &op));
            }
            let old = root;
            let new = apply(&store, root, batch).unwrap();
            root = Some(new);

            prop_assert_eq!(new, model.write(&store).tree);
            prop_assert_eq!(ready(diff(&store, old.as_ref(), &new)).unwrap(), recounted_diff(&store, old.as_ref(), &new));
            prop_assert_eq!(ready(baseline(&store, &new)).unwrap(), recounted_diff(&store, None, &new));
        }
        let root = root.unwrap();
        let mut expected = Vec::new();
        model.leaves(&[], &mut expected);
        let walked = walk(&store, root).unwrap();
        let leaves = walked.iter().filter(|(_, entry)| !matches!(entry.node, Node::Directory { .. }));
        prop_assert_eq!(leaves.cloned().collect::<Vec<_>>(), expected);
        for (above, entry) in walked.into_iter().step_by(50) {
            let at = [above, vec![entry.name.clone()]].concat();
            prop_assert_eq!(ready(backup::find(&store, &root, &at)).unwrap(), Some(entry));
        }
    }
}

#[test]
fn only_touched_directories_are_read_and_written() {
    let store = Store::default();
    let mut changes = Vec::new();
    for directory in 0..20 {
        changes.extend((0..20).map(|file| put(&format!("{directory}/sub"), inline(format!("{file}"), b"x"))));
    }
    let root = apply(&store, None, changes).unwrap();
    store.reads.set(0);
    store.writes.set(0);

    let edited =
        apply(&store, Some(root), vec![put("7/sub", inline("new", b"y")), remove("7/sub", "3")]).unwrap();
    assert_eq!((store.reads.get(), store.writes.get()), (3, 3), "the root, 7 and 7/sub");

    store.reads.set(0);
    let deltas = ready(diff(&store, Some(&root), &edited)).unwrap();
    assert_eq!(store.reads.get(), 6, "the same three, old and new");
    let mut counts: Vec<_> = deltas.iter().map(|reference| reference.delta).collect();
    counts.sort_unstable();
    assert_eq!(counts, [-1, -1, -1, 1, 1, 1]);
}

#[test]
fn an_unchanged_tree_keeps_its_root_and_has_no_deltas() {
    let store = Store::default();
    let root = apply(&store, None, vec![put("a/b", inline("f", b"x"))]).unwrap();
    store.writes.set(0);
    let same = vec![
        put("a/b", inline("f", b"x")),
        remove("a", "missing"),
        remove("no/such", "path"),
        remove("a/b/f", "x"),
    ];
    assert_eq!(apply(&store, Some(root), same).unwrap(), root);
    assert_eq!(store.writes.get(), 0);
    store.reads.set(0);
    assert_eq!(ready(diff(&store, Some(&root), &root)).unwrap(), []);
    assert_eq!(store.reads.get(), 0);
}

#[test]
fn the_last_change_of_a_path_holds() {
    let store = Store::default();
    let files = |root| {
        let found = walk(&store, root).unwrap().into_iter();
        let found = found.filter(|(_, entry)| matches!(entry.node, Node::File { .. }));
        found.map(|(_, entry)| entry.name.to_string()).collect::<Vec<_>>()
    };
    let root = apply(&store, None, vec![put("d", inline("old", b"")), put("d", inline("f", b""))]).unwrap();
    let replaced = apply(&store, Some(root), vec![remove("", "d"), put("d", inline("new", b""))]).unwrap();
    assert_eq!(files(replaced), ["new"]);
    let removed = apply(&store, Some(root), vec![put("d", inline("new", b"")), remove("", "d")]).unwrap();
    assert_eq!(files(removed), [""; 0]);
    let file_for_directory = apply(&store, Some(root), vec![put("", inline("d", b""))]).unwrap();
    assert_eq!(files(file_for_directory), ["d"]);
}

#[test]
fn nothing_is_put_beneath_a_file() {
    let store = Store::default();
    let root = apply(&store, None, vec![put("", inline("f", b""))]).unwrap();
    let error = apply(&store, Some(root), vec![put("f/sub", inline("g", b""))]).unwrap_err();
    assert!(matches!(error, TreeError::NotADirectory(found) if found == name("f")));
}

#[test]
fn an_empty_tree_is_a_root_too() {
    let store = Store::default();
    let root = apply(&store, None, Vec::new()).unwrap();
    assert_eq!(walk(&store, root).unwrap(), []);
    assert_eq!(ready(baseline(&store, &root)).unwrap(), [Reference { blob: root, delta: 1 }]);
}

#[test]
fn paths_have_at_most_256_components() {
    let store = Store::default();
    let deep = |count: usize| vec![put(&"d/".repeat(count), inline("f", b""))];
    let root = apply(&store, None, deep(255)).unwrap();
    assert_eq!(walk(&store, root).unwrap().len(), 256);
    assert!(matches!(apply(&store, None, deep(256)), Err(TreeError::TooDeep)));

    // The trees of another writer, one and two levels deeper.
    let totals = Totals::of_file(Category::Other, 0);
    let around =
        |tree| store.write(vec![WrittenDirectory { tree, totals }.into_entry(name("d"), 0o755, 0)]).tree;
    let deeper = around(root);
    assert!(matches!(walk(&store, deeper), Err(TreeError::TooDeep)));
    assert!(matches!(ready(baseline(&store, &around(deeper))), Err(TreeError::TooDeep)));
}

#[test]
fn counting_is_bounded_where_a_tree_shares_itself() {
    // Each directory holds the one before it twice, until its size has no room in 64 bits.
    let store = Store::default();
    let file = chunked(&store, "f", chunks([1]));
    let mut entries = vec![Entry { name: name("a"), ..file.clone() }, Entry { name: name("b"), ..file }];
    let mut last = store.write(entries);
    let error = loop {
        entries = ["a", "b"].map(|text| last.into_entry(name(text), 0o755, 0)).to_vec();
        let mut sink = &store;
        match ready(backup::write_directory(&mut sink, entries)) {
            Ok(written) => last = written,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TreeError::Unwritable(_)), "sizes no longer fit 64 bits");
    assert!(matches!(ready(baseline(&store, &last.tree)), Err(TreeError::TooManyReferences(_))));
}

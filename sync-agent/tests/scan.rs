//! What a scan says of real folders.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use sync_agent::index::{FolderState, Index, Record, RowChange, StoredContent, StoredFile};
use sync_agent::scan::{
    Compare, Difference, Exclude, Item, Kind, Reason, Root, TreePath, Walk, dry_run, read_xattrs,
};
use testkit::{TempDir, tempdir};

const NOW_NS: i64 = i64::MAX;

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempdir().unwrap());
        for (path, content) in files {
            folder.write(path, content);
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn root(&self, exclude: &[&str]) -> Root {
        Root::open(self.path(), Exclude::parse(exclude).unwrap(), &[]).unwrap()
    }

    /// Paths of what a backup takes, in its order.
    fn entries(&self, exclude: &[&str]) -> Vec<String> {
        let root = self.root(exclude);
        let items = Walk::new(&root, &TreePath::default()).unwrap();
        items
            .filter_map(|item| if let Item::Entry(path, _) = item { Some(path.to_string()) } else { None })
            .collect()
    }
}

fn path(text: &str) -> TreePath {
    TreePath::from_relative(text.as_ref()).unwrap()
}

#[test]
fn a_walk_goes_on_after_any_path_whether_it_is_still_there_or_not() {
    let folder = Folder::new(&[("a/b/x", b""), ("a/b/z", b""), ("a/c", b""), ("a!", b""), ("b", b"")]);
    let all = folder.entries(&[]);
    for after in ["a", "a/b", "a/b/x", "a/b/y", "a/b/z", "a/c", "a/d/e", "a!", "b", "c"] {
        let root = folder.root(&[]);
        let rest = Walk::after(&root, path(after)).unwrap().filter_map(|item| match item {
            Item::Entry(path, _) => Some(path.to_string()),
            _ => None,
        });
        let expected = all.iter().filter(|entry| path(entry) > path(after));
        assert!(rest.eq(expected.cloned()), "after {after}");
    }
}

#[test]
fn entries_come_in_the_order_of_their_paths_and_links_are_kept_not_followed() {
    let folder = Folder::new(&[("b/z", b""), ("b/a/x", b""), ("b!", b""), ("a", b"")]);
    symlink("b", folder.path().join("link")).unwrap();
    symlink("/nowhere", folder.path().join("b/broken")).unwrap();
    assert_eq!(folder.entries(&[]), ["a", "b", "b/a", "b/a/x", "b/broken", "b/z", "b!", "link"]);
    let root = folder.root(&[]);
    let kinds = Walk::new(&root, &path("link")).unwrap().next();
    assert!(matches!(kinds, Some(Item::Entry(_, meta)) if meta.kind == Kind::Symlink));
    assert_eq!(root.read_link(&path("b/broken")).unwrap(), b"/nowhere");
}

#[test]
fn what_a_killed_restore_leaves_is_not_backed_up() {
    let folder = Folder::new(&[("a", b""), ("d/.triplicate-restore-0123456789abcdef", b"half")]);
    assert_eq!(folder.entries(&[]), ["a", "d"]);
}

#[test]
fn names_that_are_not_utf8_and_names_of_255_bytes_are_kept() {
    let folder = Folder::new(&[]);
    let raw = b"caf\xe9-\xff".to_vec();
    fs::write(folder.path().join(std::ffi::OsString::from_vec(raw.clone())), b"x").unwrap();
    fs::write(folder.path().join("n".repeat(255)), b"x").unwrap();
    let root = folder.root(&[]);
    let names: Vec<Vec<u8>> = Walk::new(&root, &TreePath::default())
        .unwrap()
        .map(|item| if let Item::Entry(path, _) = item { path.name().unwrap().to_vec() } else { Vec::new() })
        .collect();
    assert_eq!(names, [raw, vec![b'n'; 255]]);
}

#[test]
fn a_large_folder_is_asked_for_in_parallel_and_comes_in_order() {
    let folder = Folder::new(&[]);
    for number in 0..5000 {
        fs::write(folder.path().join(format!("{number:05}")), b"").unwrap();
    }
    let expected: Vec<String> = (0..5000).map(|number| format!("{number:05}")).collect();
    assert_eq!(folder.entries(&[]), expected);
}

#[test]
fn paths_longer_than_the_system_takes_are_walked_and_256_names_are_the_limit() {
    let folder = Folder::new(&[]);
    let name = "d".repeat(40);
    let mut directory = rustix::fs::open(folder.path(), OFLAGS, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..257 {
        rustix::fs::mkdirat(&directory, &name, rustix::fs::Mode::RWXU).unwrap();
        directory = rustix::fs::openat(&directory, &name, OFLAGS, rustix::fs::Mode::empty()).unwrap();
    }
    let root = folder.root(&[]);
    let items: Vec<Item> = Walk::new(&root, &TreePath::default()).unwrap().collect();
    assert_eq!(items.len(), 256);
    assert!(matches!(&items[254], Item::Entry(path, _) if path.depth() == 255));
    assert!(matches!(&items[255], Item::Note(note) if note.reason == Reason::TooDeep));
}

const OFLAGS: rustix::fs::OFlags = rustix::fs::OFlags::DIRECTORY;

#[test]
fn sockets_and_pipes_are_noted_and_hard_links_are_files_each() {
    let folder = Folder::new(&[("file", b"x")]);
    fs::hard_link(folder.path().join("file"), folder.path().join("link")).unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    let root = folder.root(&[]);
    let items: Vec<Item> = Walk::new(&root, &TreePath::default()).unwrap().collect();
    let [Item::Entry(_, file), Item::Entry(_, link), Item::Note(note)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!((file.kind, file.inode), (Kind::File, link.inode));
    assert_eq!(note.to_string(), "socket: skipped: a socket, pipe or device");
}

#[test]
fn patterns_sizes_and_cache_tags_leave_out_and_the_tag_itself_does_not_hide_the_folder() {
    const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n";
    let folder = Folder::new(&[
        ("keep", b"x"),
        ("large", &[0; 2000]),
        ("target/out", b"x"),
        ("cache/CACHEDIR.TAG", TAG),
        ("cache/thing", b"x"),
        ("no-cache/CACHEDIR.TAG", b"something else, and long enough to be read"),
    ]);
    assert_eq!(folder.entries(&["/target"]), ["cache", "keep", "large", "no-cache", "no-cache/CACHEDIR.TAG"]);
    let small = Exclude::default().with_limits(Some(1999), false);
    let root = Root::open(folder.path(), small, &[]).unwrap();
    let item = Walk::new(&root, &path("large")).unwrap().next();
    assert!(matches!(item, Some(Item::Excluded(..))), "{item:?}");
    folder.write("CACHEDIR.TAG", TAG);
    assert!(folder.entries(&[]).contains(&"keep".to_owned()), "the folder itself was asked for");
}

#[test]
fn our_own_state_and_nodes_stores_are_never_backed_up() {
    let folder =
        Folder::new(&[("state/index", b""), ("n/node.json", b""), ("n/packs/1", b""), ("m/node.json", b"")]);
    let own = [folder.path().join("state")];
    let root = Root::open(folder.path(), Exclude::default(), &own).unwrap();
    let items: Vec<String> = Walk::new(&root, &TreePath::default())
        .unwrap()
        .map(|item| match item {
            Item::Entry(path, _) => path.to_string(),
            Item::Note(note) => format!("{} {:?}", note.path, note.reason),
            Item::Excluded(..) => panic!("nothing is excluded"),
        })
        .collect();
    assert_eq!(items, ["m", "m/node.json", "n", "n OurOwn", "state OurOwn"]);
}

#[test]
fn extended_attributes_are_read_up_to_their_limit() {
    let folder = Folder::new(&[("file", b"x")]);
    let file = fs::File::open(folder.path().join("file")).unwrap();
    rustix::fs::fsetxattr(&file, "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    let xattrs = read_xattrs(&file).unwrap();
    assert_eq!(xattrs.kept.get(&b"user.note"[..]).unwrap(), b"kept");
    assert!(!xattrs.cut_short);
}

#[test]
fn a_dry_run_counts_what_each_pattern_leaves_out() {
    let folder =
        Folder::new(&[("a.tmp", b"12"), ("d/b.tmp", b"345"), ("build/x/y", b"6789"), ("keep", b"0")]);
    let out = dry_run(&folder.root(&["*.tmp", "/build/"]), &folder.root(&[])).unwrap();
    assert_eq!((out.files, out.bytes), (1, 1));
    let tmp = &out.excluded["*.tmp"];
    assert_eq!((tmp.files, tmp.bytes, tmp.examples.len()), (2, 5, 2));
    let build = &out.excluded["/build/"];
    assert_eq!((build.files, build.bytes), (1, 4));
}

#[test]
fn a_missing_folder_is_an_error_and_not_an_empty_folder() {
    let folder = Folder::new(&[]);
    let missing: PathBuf = folder.path().join("gone");
    assert!(Root::open(&missing, Exclude::default(), &[]).is_err());
}

/// An index, and what it says of a folder in one line per difference.
struct Compared {
    folder: Folder,
    index: Index,
    _data: TempDir,
}

impl Compared {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let data = tempdir().unwrap();
        let index = Index::open(&data.path().join("index")).unwrap();
        Self { folder: Folder::new(files), index, _data: data }
    }

    fn source() -> protocol::id::SourceId {
        protocol::id::SourceId::from_bytes([7; 16]).unwrap()
    }

    fn differences(&self, within: &str, exclude: &[&str]) -> Vec<Difference> {
        let root = self.folder.root(exclude);
        let within = path(within);
        let rows = self.index.rows(&Self::source(), &within).unwrap();
        Compare::new(Walk::new(&root, &within).unwrap(), rows).map(Result::unwrap).collect()
    }

    fn words(&self, within: &str, exclude: &[&str]) -> Vec<String> {
        let words = |difference| match difference {
            Difference::Same(path, _) => format!("same {path}"),
            Difference::New(path, _) => format!("new {path}"),
            Difference::Changed(path, ..) => format!("changed {path}"),
            Difference::Removed(path, _) => format!("removed {path}"),
            Difference::LeftOut(path, _) => format!("left out {path}"),
            Difference::Kept(path, _) => format!("kept {path}"),
            Difference::Note(note) => format!("note {}", note.path),
        };
        self.differences(within, exclude).into_iter().map(words).collect()
    }

    /// Takes everything in as it is now, read long after it last changed.
    fn take_in(&self) {
        let mut changes = Vec::new();
        for difference in self.differences("", &[]) {
            match difference {
                Difference::New(path, meta) | Difference::Changed(path, meta, _) => {
                    let content = StoredContent::InEntry;
                    let file = StoredFile { hash: [0; 32], changed: false, content };
                    let file = (meta.kind == Kind::File).then_some(file);
                    changes.push(RowChange::Put(path, Record::new(meta, file, NOW_NS)));
                }
                Difference::Removed(path, _) => changes.push(RowChange::Remove(path)),
                _ => {}
            }
        }
        self.index.apply(&Self::source(), &changes, &FolderState::default()).unwrap();
    }
}

#[test]
fn what_changed_is_found_and_what_did_not_is_the_same() {
    let it = Compared::new(&[("a", b"1"), ("b", b"2"), ("d/c", b"3"), ("d/e", b"4")]);
    assert_eq!(it.words("", &[]), ["new a", "new b", "new d", "new d/c", "new d/e"]);
    it.take_in();
    assert_eq!(it.words("", &[]), ["same a", "same b", "same d", "same d/c", "same d/e"]);
    it.folder.write("a", b"11");
    fs::set_permissions(it.folder.path().join("b"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(it.folder.path().join("d/c"), it.folder.path().join("d/cc")).unwrap();
    it.folder.write("f", b"5");
    assert_eq!(
        it.words("", &[]),
        ["changed a", "changed b", "changed d", "removed d/c", "new d/cc", "same d/e", "new f"]
    );
    assert_eq!(it.words("d", &[]), ["changed d", "removed d/c", "new d/cc", "same d/e"]);
}

#[test]
fn a_folder_that_is_gone_or_left_out_by_now_is_removed_with_all_that_was_in_it() {
    let it = Compared::new(&[("d/a", b"1"), ("d/b/c", b"2"), ("d!", b"3")]);
    it.take_in();
    let removed = ["removed d", "removed d/a", "removed d/b", "removed d/b/c"];
    let left_out = ["left out d", "left out d/a", "left out d/b", "left out d/b/c"];
    assert_eq!(it.words("", &["/d"])[..4], left_out);
    assert_eq!(it.words("d/b", &["/d"]), ["removed d/b", "removed d/b/c"]);
    fs::remove_dir_all(it.folder.path().join("d")).unwrap();
    assert_eq!(it.words("", &[]), [&removed[..], &["same d!"]].concat());
    assert_eq!(it.words("d/a", &[]), ["removed d/a"]);
}

#[test]
fn a_file_becomes_a_folder_and_back() {
    let it = Compared::new(&[("x", b"1")]);
    it.take_in();
    fs::remove_file(it.folder.path().join("x")).unwrap();
    it.folder.write("x/y", b"2");
    assert_eq!(it.words("", &[]), ["changed x", "new x/y"]);
    it.take_in();
    fs::remove_dir_all(it.folder.path().join("x")).unwrap();
    it.folder.write("x", b"3");
    assert_eq!(it.words("", &[]), ["changed x", "removed x/y"]);
}

#[test]
fn a_file_that_moved_is_known_by_its_inode_and_one_that_only_looks_like_it_is_not() {
    let it = Compared::new(&[("d/a", b"1"), ("b", b"1")]);
    it.take_in();
    fs::rename(it.folder.path().join("d"), it.folder.path().join("e")).unwrap();
    let root = it.folder.root(&[]);
    let meta_of = |name: &str| match Walk::new(&root, &path(name)).unwrap().next() {
        Some(Item::Entry(_, meta)) => meta,
        other => panic!("{other:?}"),
    };
    let moved = it.index.moved(&meta_of("e/a")).unwrap();
    assert_eq!(moved.unwrap().meta, meta_of("e/a"));
    it.folder.write("e/a", b"2");
    assert_eq!(it.index.moved(&meta_of("e/a")).unwrap(), None, "its time is another");
}

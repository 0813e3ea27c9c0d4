//! How long it takes to find that nothing changed: makes a folder of 100,000 files (or as many as the first argument
//! says), takes it into an index, and compares both three times. Prints times and the most memory that it ever used;
//! judges nothing.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use protocol::id::SourceId;
use sync_agent::index::{FolderState, Index, Record, StoredContent, StoredFile};
use sync_agent::scan::{Compare, Difference, Exclude, Kind, Root, TreePath, Walk};

const FILES_IN_A_FOLDER: usize = 100;
/// Rows that are staged at a time.
const BATCH: usize = 10_000;

fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse::<usize>())?;
    let folder = tempfile::tempdir()?;
    for number in 0..count {
        let directory = folder.path().join(format!("d{:05}", number / FILES_IN_A_FOLDER));
        if number % FILES_IN_A_FOLDER == 0 {
            fs::create_dir(&directory)?;
        }
        fs::write(directory.join(format!("f{number:07}")), b"")?;
    }
    let data = tempfile::tempdir()?;
    let index = Index::open(&data.path().join("index"))?;
    let source = SourceId::from_bytes([1; 16])?;
    let root = Root::open(folder.path(), Exclude::parse(&["*.tmp", "/cache/"])?, &[])?;
    let compare = || -> Result<_> {
        let rows = index.rows(&source, &TreePath::default())?;
        Ok(Compare::new(Walk::new(&root, &TreePath::default())?, rows))
    };
    let mut rows = Vec::new();
    for difference in compare()? {
        if let Difference::New(path, meta) = difference? {
            let file = StoredFile { hash: [0; 32], changed: false, content: StoredContent::InEntry };
            rows.push((path, Record::new(meta, (meta.kind == Kind::File).then_some(file), i64::MAX)));
        }
        if rows.len() == BATCH {
            index.stage(&source, &std::mem::take(&mut rows))?;
        }
    }
    index.stage(&source, &rows)?;
    index.replace_by_staged(&source, &FolderState::default())?;
    drop(rows);
    println!("{count} files taken in, {} MB at most", peak_memory()?);
    for _ in 0..3 {
        let started = Instant::now();
        let mut same = 0;
        for difference in compare()? {
            same += usize::from(matches!(difference?, Difference::Same(..)));
        }
        println!("{same} entries unchanged: {} ms", started.elapsed().as_millis());
    }
    println!("{} MB at most", peak_memory()?);
    Ok(())
}

fn peak_memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a peak")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? / 1000)
}

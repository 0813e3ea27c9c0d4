//! What each measured row is to reach. Explained in docs/PERFORMANCE.md.

/// A bound of a figure.
#[derive(Clone, Copy)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

use Target::{AtLeast, AtMost};

/// Rows by how their names begin, and by their unit.
const TARGETS: [(&str, &str, Target); 12] = [
    ("PUT of 64 KiB", "blobs/s", AtLeast(4000.0)),
    ("PUT of 64 KiB", "p99 ms", AtMost(25.0)),
    ("GET of 64 KiB", "blobs/s", AtLeast(10_000.0)),
    ("PUT of 1024 KiB", "MB/s", AtLeast(300.0)),
    ("GET of 1024 KiB", "MB/s", AtLeast(1200.0)),
    ("large file up, R=3", "MB/s", AtLeast(80.0)),
    ("large file up, R=2", "MB/s", AtLeast(110.0)),
    ("large file back", "MB/s", AtLeast(100.0)),
    ("small files up", "files/s", AtLeast(500.0)),
    ("large file up", "MB of browser", AtMost(512.0)),
    ("large file up", "MB of tab", AtMost(512.0)),
    ("large file up", "% more", AtMost(3.0)),
];

pub(super) fn target_of(work: &str, unit: &str) -> Option<Target> {
    TARGETS.iter().find(|(start, of, _)| work.starts_with(start) && unit == *of).map(|(_, _, target)| *target)
}

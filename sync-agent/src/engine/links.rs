//! Files with several names. The system tells of the name that a file was changed by, and not of its others.

use super::plan::Step;
use crate::scan::{Kind, Root};

/// Whether one of the files that changed has another name. Blocks.
pub(super) fn are_among(steps: &[Step], root: &Root) -> bool {
    steps.iter().any(|step| match step {
        Step::Put(path, meta, _) if meta.kind == Kind::File => {
            root.stat(path).is_ok_and(|stat| stat.is_some_and(|stat| stat.st_nlink > 1))
        }
        _ => false,
    })
}

//! How safe the files are now, in plain words.

use protocol::sources::SourcesResponse;

use crate::words::{count, grouped};

/// How safe, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Nothing is backed up.
    Empty,
    /// Every part has all the copies it should have.
    Protected,
    /// Every part survives the loss of a place, and copies are being added.
    Durable,
    /// Some part has fewer copies than a durable write needs.
    AtRisk,
}

/// What to tell about the copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// How safe.
    pub safety: Safety,
    /// One sentence.
    pub sentence: String,
    /// What it means, or what happens next.
    pub explanation: String,
}

/// Judges all sources together; `files` is how many they hold.
pub fn judge(status: &SourcesResponse, files: u64) -> Copies {
    let all = || status.sources.iter().flat_map(|source| &source.copies).filter(|count| count.blobs > 0);
    let Some(fewest) = all().map(|count| count.copies).min() else {
        return Copies {
            safety: Safety::Empty,
            sentence: "Nothing is backed up yet.".to_owned(),
            explanation: "Drop files or folders on the Files page.".to_owned(),
        };
    };
    let parts = all().map(|count| count.blobs).sum();
    if fewest >= status.replicas {
        return protected(status, files);
    }
    let short = |below: u32| all().filter(|count| count.copies < below).map(|count| count.blobs).sum::<u64>();
    if fewest >= status.write_zones {
        return Copies {
            safety: Safety::Durable,
            sentence: format!("{} at least {}.", all_have(files), copies_word(fewest)),
            explanation: format!(
                "{} of {} get another copy as soon as enough nodes are up.",
                parts_word(short(status.replicas)),
                grouped(parts)
            ),
        };
    }
    let lost = all().filter(|count| count.copies == 0).map(|count| count.blobs).sum::<u64>();
    let out_of_reach = match lost {
        0 => String::new(),
        lost => format!(" {} cannot be read until their nodes are back.", parts_word(lost)),
    };
    Copies {
        safety: Safety::AtRisk,
        sentence: format!(
            "At risk: {} of {} have too few copies now.",
            parts_word(short(status.write_zones)),
            grouped(parts)
        ),
        explanation: format!("Bring the nodes that are down back; look at the Nodes page.{out_of_reach}"),
    }
}

/// Old versions are kept when the last file is deleted.
fn all_have(files: u64) -> String {
    match files {
        0 => "Everything that is kept has".to_owned(),
        1 => "Your file has".to_owned(),
        files => format!("All {} have", files_word(files)),
    }
}

fn protected(status: &SourcesResponse, files: u64) -> Copies {
    let place = if status.single_machine { ", all on this machine" } else { "" };
    let explanation = match (status.replicas, status.single_machine) {
        (1, _) => "A single copy does not survive a lost disk. Add nodes in other places.",
        (_, true) => {
            "This is good for trying things out. For a real backup, put the nodes on different machines."
        }
        (_, false) => "Each copy is in another place. Losing one loses nothing.",
    };
    Copies {
        safety: Safety::Protected,
        sentence: format!("{} {}{place}.", all_have(files), copies_word(status.replicas)),
        explanation: explanation.to_owned(),
    }
}

fn files_word(files: u64) -> String {
    count(files, "file", "files")
}

fn parts_word(parts: u64) -> String {
    count(parts, "part", "parts")
}

fn copies_word(copies: u32) -> String {
    count(u64::from(copies), "copy", "copies")
}

#[cfg(test)]
mod tests {
    use protocol::id::SourceId;
    use protocol::sources::{CopiesCount, SourceStatus};

    use super::*;

    fn status(copies: &[(u32, u64)], single_machine: bool) -> SourcesResponse {
        let copies: Vec<_> = copies.iter().map(|&(copies, blobs)| CopiesCount { copies, blobs }).collect();
        let source = SourceStatus {
            source: SourceId::from_bytes([1; 16]).expect("not zero"),
            since_ms: 0,
            newest: None,
            proven_ms: None,
            overdue: false,
            closed: false,
            snapshots: 1,
            blobs: copies.iter().map(|count| count.blobs).sum(),
            stored_bytes: 0,
            copies,
        };
        SourcesResponse { sources: vec![source], replicas: 3, write_zones: 2, single_machine }
    }

    #[test]
    fn all_copies_there_is_said_with_the_number_of_files() {
        let copies = judge(&status(&[(3, 90), (4, 2)], false), 52);
        assert_eq!(copies.safety, Safety::Protected);
        assert_eq!(copies.sentence, "All 52 files have 3 copies.");
        assert_eq!(judge(&status(&[(3, 2)], false), 1).sentence, "Your file has 3 copies.");
        let deleted = judge(&status(&[(3, 2)], false), 0);
        assert_eq!(deleted.sentence, "Everything that is kept has 3 copies.");
    }

    #[test]
    fn copies_on_one_machine_are_never_praised_as_more() {
        let copies = judge(&status(&[(3, 90)], true), 52);
        assert_eq!(copies.sentence, "All 52 files have 3 copies, all on this machine.");
        assert!(copies.explanation.contains("different machines"));
    }

    #[test]
    fn a_missing_copy_is_no_danger_and_not_hidden() {
        let copies = judge(&status(&[(2, 1), (3, 1999)], false), 52);
        assert_eq!(copies.safety, Safety::Durable);
        assert_eq!(copies.sentence, "All 52 files have at least 2 copies.");
        assert_eq!(copies.explanation, "1 part of 2,000 get another copy as soon as enough nodes are up.");
    }

    #[test]
    fn too_few_copies_are_a_danger_and_zero_copies_are_said() {
        let copies = judge(&status(&[(0, 1), (1, 3), (2, 5), (3, 1)], true), 52);
        assert_eq!(copies.safety, Safety::AtRisk);
        assert_eq!(copies.sentence, "At risk: 4 parts of 10 have too few copies now.");
        assert!(copies.explanation.contains("1 part cannot be read"));
    }

    #[test]
    fn nothing_backed_up_teaches() {
        assert_eq!(judge(&status(&[], false), 0).safety, Safety::Empty);
        assert_eq!(judge(&status(&[(3, 0)], false), 0).safety, Safety::Empty);
    }
}

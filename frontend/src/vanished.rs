//! What is asked about a folder that so much is gone from that its device waits for an answer.

use client::message::Vanished;

use crate::message::WatchedFolder;
use crate::words;

/// What is gone, in a sentence.
pub fn happened(vanished: Vanished) -> String {
    match vanished {
        Vanished::Files { removed, files } => {
            format!("{} of {} are gone.", words::grouped(removed), words::count(files, "file", "files"))
        }
        Vanished::Folder => {
            "The folder is not there, or another one is in its place: is its disk connected?".to_owned()
        }
    }
}

/// The question that a folder waits for an answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Names the folder.
    pub title: String,
    /// What a yes does.
    pub verb: String,
    /// What happens then.
    pub consequence: String,
    /// What to do else.
    pub otherwise: &'static str,
}

/// Asks whether what is gone was meant to go.
pub fn question(folder: &WatchedFolder, vanished: Vanished) -> Question {
    let name = &folder.rules.name;
    let gone = match vanished {
        Vanished::Files { removed, .. } => removed,
        Vanished::Folder => folder.tally.files,
    };
    let gone = words::count(gone, "file", "files");
    let (title, recorded, otherwise) = match vanished {
        Vanished::Files { .. } => (
            format!("“{name}”: {gone} are gone. Was that meant?"),
            gone.clone(),
            "If it was not meant, close this and put the files back, for example from the Snapshots page; then choose \
             Sync now. Until then nothing in this folder is backed up, new files neither.",
        ),
        Vanished::Folder => (
            format!("“{name}” is not where it was. Was that meant?"),
            format!("what is not there any more, up to {gone},"),
            "If its disk is only not connected, close this and connect it; then choose Sync now. If the folder is gone \
             for good, choose Remove instead: its snapshots stay.",
        ),
    };
    Question {
        title,
        verb: format!(
            "Yes, record {} as deleted",
            if vanished == Vanished::Folder { "it".to_owned() } else { gone }
        ),
        consequence: format!(
            "The next backup of “{name}” records {recorded} as deleted. All earlier snapshots keep the files, and they \
             can be restored from there at any time."
        ),
        otherwise,
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::{DeviceId, SourceId};

    use super::*;
    use crate::message::{FolderRules, Tally};

    #[test]
    fn what_vanished_is_asked_about_with_its_number_and_what_a_yes_does() {
        let papers = WatchedFolder {
            source: SourceId::from_bytes([2; 16]).expect("not zero"),
            device: DeviceId::from_bytes([1; 16]).expect("not zero"),
            rules: FolderRules { name: "Papers".to_owned(), ..FolderRules::default() },
            tally: Tally { files: 1300, bytes: 1 },
            newest_ms: None,
            proven_ms: None,
            overdue: false,
        };
        let vanished = Vanished::Files { removed: 1200, files: 1300 };
        assert_eq!(happened(vanished), "1,200 of 1,300 files are gone.");
        let asked = question(&papers, vanished);
        assert_eq!(asked.title, "“Papers”: 1,200 files are gone. Was that meant?");
        assert_eq!(asked.verb, "Yes, record 1,200 files as deleted");
        assert!(asked.consequence.starts_with("The next backup of “Papers” records 1,200 files as deleted."));
        let asked = question(&papers, Vanished::Folder);
        assert_eq!(asked.title, "“Papers” is not where it was. Was that meant?");
        assert!(asked.consequence.contains("up to 1,300 files, as deleted"));
    }
}

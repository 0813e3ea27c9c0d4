//! A place in the backup: of which source, at which moment, in which folder.

use protocol::id::SourceId;

use crate::folder::Folder;
use crate::message::Moment;

/// Where a person is. The default is the top of the uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spot {
    /// The source; none for the uploads.
    pub source: Option<SourceId>,
    /// What is looked at there.
    pub view: View,
    /// The folder.
    pub folder: Folder,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// What is newest.
    #[default]
    Newest,
    /// The snapshot with this number.
    At(u64),
    /// What changed between two snapshots, the older one first.
    Between(u64, u64),
}

impl Spot {
    /// The top of what is newest in a source.
    pub fn top(source: Option<SourceId>) -> Self {
        Self { source, ..Self::default() }
    }

    /// The same source and view, in another folder.
    #[must_use]
    pub fn inside(&self, folder: Folder) -> Self {
        Self { folder, ..self.clone() }
    }

    /// The same source with another view, at its top.
    #[must_use]
    pub fn seen(&self, view: View) -> Self {
        Self { source: self.source, view, folder: Folder::new() }
    }

    /// The snapshot whose folder it is.
    pub fn moment(&self) -> Moment {
        let seq = match self.view {
            View::Newest => None,
            View::At(seq) | View::Between(_, seq) => Some(seq),
        };
        Moment { source: self.source, seq }
    }

    /// Where dropped files go: into the open folder of the uploads, or else to their top.
    pub fn upload_folder(&self) -> &[String] {
        if self.source.is_none() && self.view == View::Newest { &self.folder } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_dropped_into_what_is_open_only_where_that_takes_them() {
        let photos = Spot { folder: vec!["photos".to_owned()], ..Spot::default() };
        assert_eq!(photos.upload_folder(), ["photos".to_owned()]);
        let watched = Spot { source: SourceId::from_bytes([1; 16]).ok(), ..photos.clone() };
        let before = Spot { view: View::At(3), ..photos.clone() };
        assert!(watched.upload_folder().is_empty());
        assert!(before.upload_folder().is_empty());
    }

    #[test]
    fn another_view_begins_at_the_top_of_the_same_source() {
        let watched = Spot { source: SourceId::from_bytes([1; 16]).ok(), ..Spot::default() };
        let deep = watched.seen(View::At(3)).inside(vec!["photos".to_owned()]);
        assert_eq!(deep.moment(), Moment { source: watched.source, seq: Some(3) });
        let compared = deep.seen(View::Between(2, 3));
        assert!(compared.folder.is_empty());
        assert_eq!(compared.source, watched.source);
    }
}

//! What a source is called.

use crate::message::Source;

/// Its name, with the device whose folder it is.
pub fn label(source: &Source) -> String {
    let device = source.device.as_ref().map_or_else(String::new, |device| format!(" on {device}"));
    let removed = if source.removed { " (no longer backed up)" } else { "" };
    format!("{}{device}{removed}", source.name)
}

/// The source that is meant: by its id, or the uploads without one.
pub fn find(sources: &[Source], id: Option<protocol::id::SourceId>) -> Option<&Source> {
    sources.iter().find(|source| match id {
        Some(id) => source.source == id,
        None => source.device.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use protocol::id::SourceId;

    use super::*;
    use crate::message::Tally;

    fn source(id: u8, name: &str, device: Option<&str>, removed: bool) -> Source {
        Source {
            source: SourceId::from_bytes([id; 16]).expect("not zero"),
            name: name.to_owned(),
            device: device.map(str::to_owned),
            removed,
            tally: Tally::default(),
            newest_ms: None,
        }
    }

    #[test]
    fn a_folder_is_called_by_its_device_and_by_whether_it_is_still_backed_up() {
        assert_eq!(label(&source(1, "Uploads", None, false)), "Uploads");
        assert_eq!(label(&source(2, "Photos", Some("laptop"), false)), "Photos on laptop");
        assert_eq!(
            label(&source(2, "Photos", Some("laptop"), true)),
            "Photos on laptop (no longer backed up)"
        );
    }

    #[test]
    fn without_an_id_the_uploads_are_meant() {
        let sources = [source(2, "Photos", Some("laptop"), false), source(1, "Uploads", None, false)];
        assert_eq!(find(&sources, None), Some(&sources[1]));
        assert_eq!(find(&sources, Some(sources[0].source)), Some(&sources[0]));
        assert_eq!(find(&sources[..1], None), None);
    }
}

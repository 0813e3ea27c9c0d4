//! A folder's place: the names from the top down.

/// Components of a path at most; the format refuses what lies deeper.
pub const DEPTH_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 255;

/// The names from the top down; empty is the top.
pub type Folder = Vec<String>;

/// `folder` and one more name.
pub fn join(folder: &[String], name: &str) -> Folder {
    let mut path = folder.to_vec();
    path.push(name.to_owned());
    path
}

/// Each folder on the way down with its name, the top (which has none) left out.
pub fn ancestors(folder: &[String]) -> impl Iterator<Item = (&str, &[String])> {
    folder.iter().enumerate().map(|(at, name)| (name.as_str(), &folder[..=at]))
}

/// Why a path cannot be stored, in words.
pub fn objection(path: &[String]) -> Option<&'static str> {
    if path.is_empty() || path.len() > DEPTH_MAX {
        return Some("it lies deeper than 256 folders");
    }
    path.iter().find_map(|name| match name.as_str() {
        "" | "." | ".." => Some("it has a name that only stands for a place"),
        name if name.len() > NAME_BYTES_MAX => Some("a name is longer than 255 bytes"),
        name if name.contains(['/', '\0']) => Some("a name contains a slash or a zero"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> Folder {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn ancestors_lead_from_the_top_to_the_folder() {
        let folder = path(&["photos", "2024"]);
        let steps: Vec<_> = ancestors(&folder).map(|(name, path)| (name, path.len())).collect();
        assert_eq!(steps, [("photos", 1), ("2024", 2)]);
        assert_eq!(join(&folder, "may"), path(&["photos", "2024", "may"]));
    }

    #[test]
    fn what_the_format_refuses_is_objected_to() {
        assert_eq!(objection(&path(&["photos", "summer.jpg"])), None);
        assert_eq!(objection(&path(&["ä".repeat(127).as_str()])), None);
        for refused in ["", ".", "..", "a/b", "a\0b", "ä".repeat(128).as_str()] {
            assert!(objection(&path(&[refused])).is_some(), "{refused:?}");
        }
        assert_eq!(objection(&vec!["d".to_owned(); 256]), None);
        assert!(objection(&vec!["d".to_owned(); 257]).is_some());
        assert!(objection(&[]).is_some());
    }
}

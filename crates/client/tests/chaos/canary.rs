//! Looks for what must be nowhere in the clear: a mark that stands in every name, content and passphrase.

use std::fs;
use std::path::Path;

use memchr::memmem::Finder;
use protocol::bytes::Base64;

/// The files beneath a folder that hold the mark, in one of the forms in which it could stand there.
pub(crate) fn places(folder: &Path, mark: &str) -> Vec<String> {
    let forms = forms(mark.as_bytes());
    let finders: Vec<Finder<'_>> = forms.iter().map(Finder::new).collect();
    let mut found = Vec::new();
    look(folder, &finders, &mut found);
    found
}

fn look(folder: &Path, finders: &[Finder<'_>], found: &mut Vec<String>) {
    // Files come and go while servers run; what is gone holds nothing.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            look(&path, finders, found);
        } else if let Ok(content) = fs::read(&path)
            && finders.iter().any(|finder| finder.find(&content).is_some())
        {
            found.push(path.display().to_string());
        }
    }
}

/// As it is, as hex, and as base64 at any offset.
fn forms(mark: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex::encode(mark);
    let base64 = (0..3).map(|offset| {
        let shifted = [&vec![0; offset], mark].concat();
        let text = serde_json::to_string(&Base64(shifted)).expect("text");
        let text = text.trim_matches('"').trim_end_matches('=');
        // Characters that hold bits of the neighbours are left out.
        text.as_bytes()[(offset * 8).div_ceil(6)..text.len() - 2].to_vec()
    });
    [mark.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()].into_iter().chain(base64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "canary-0123456789";

    #[test]
    fn a_mark_is_found_in_every_form_and_nothing_else_is() {
        let folder = testkit::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("deep")).expect("a folder");
        let write = |name: &str, content: &[u8]| {
            fs::write(folder.path().join("deep").join(name), content).expect("a disk");
        };
        write("clean", b"nothing of the kind, canary-012345678");
        assert_eq!(places(folder.path(), MARK), [""; 0]);
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{MARK} and more");
            let base64 = serde_json::to_string(&Base64(text.clone().into_bytes())).expect("text");
            for content in [text.clone(), hex::encode(&text), base64] {
                write("leak", content.as_bytes());
                assert_eq!(places(folder.path(), MARK).len(), 1, "{content}");
            }
        }
    }
}

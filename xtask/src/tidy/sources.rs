//! Words that must not appear in a file, depending on where it is.

use std::{env, path::Path};

/// `words` must not appear in the files that `applies` names.
struct Rule {
    words: &'static [&'static str],
    applies: fn(&str) -> bool,
    reason: &'static str,
}

// `concat!` keeps this file clean of the words it looks for.
const RULES: [Rule; 5] = [
    Rule {
        words: &[concat!("#[ign", "ore"), concat!("#![ign", "ore")],
        applies: is_rust,
        reason: "a test runs or is deleted",
    },
    Rule {
        words: &[concat!("to", "do!("), concat!("unimple", "mented!(")],
        applies: is_rust,
        reason: "nothing is left for later in the code",
    },
    Rule {
        words: &[concat!("aes_", "gcm"), concat!("Aes256", "Gcm")],
        applies: |file| is_rust(file) && !may_use_ciphers(file),
        reason: "raw ciphers stay in crypto's hazmat and the coordinator's pepper",
    },
    Rule {
        words: &[concat!("sqlx::", "query"), concat!("sqlx::raw", "_sql")],
        applies: |file| is_rust(file) && file.contains("/src/") && !file.starts_with("coordinator/src/db"),
        reason: "all SQL is in coordinator/src/db",
    },
    Rule {
        words: &[
            concat!("from_html_", "unchecked"),
            concat!("set_inner", "_html"),
            concat!("set_outer", "_html"),
            concat!("insert_adjacent", "_html"),
            concat!("js_sys::", "eval"),
            concat!("new_with", "_args"),
            concat!("document.", "write"),
            concat!("inner", "HTML"),
        ],
        applies: |file| {
            file.starts_with("frontend/")
                && ["rs", "js", "ts", "html"].iter().any(|end| has_extension(file, end))
        },
        reason: "the web app never turns text into markup or code",
    },
];

fn is_rust(file: &str) -> bool {
    has_extension(file, "rs")
}

fn has_extension(file: &str, wanted: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == wanted)
}

/// Tests of `crypto` forge what its public functions never would.
fn may_use_ciphers(file: &str) -> bool {
    let is_test = file.contains("/tests/") || file.ends_with("/tests.rs");
    file.starts_with("crates/crypto/src/hazmat")
        || (file.starts_with("crates/crypto/") && is_test)
        || file == "coordinator/src/pepper.rs"
}

/// Folders of this machine that no file may name: the checkout's own, its parent, and the user's home.
pub(super) fn machine_paths(root: &Path) -> Vec<String> {
    let home = env::var_os("HOME").map(std::path::PathBuf::from);
    let folders = [Some(root.to_owned()), root.parent().map(Path::to_owned), home];
    let named = folders.into_iter().flatten().filter(|folder| folder.parent().is_some());
    named.map(|folder| format!("{}/", folder.display())).collect()
}

/// One line for each line of `text` that breaks a rule.
pub(super) fn breaches(file: &str, text: &str, machine_paths: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut report = |what: &str, reason| {
            found.push(format!("{file}:{}: `{what}` is forbidden: {reason}", index + 1));
        };
        for rule in RULES.iter().filter(|rule| (rule.applies)(file)) {
            for word in rule.words.iter().filter(|word| line.contains(**word)) {
                report(word, rule.reason);
            }
        }
        for path in machine_paths.iter().filter(|path| names_path(line, path)) {
            report(path, "a path of one machine means nothing on another");
        }
    }
    found
}

/// Whether `path` stands in the line as an absolute path, not as the end of another one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before
            .is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '.' | '_' | '-' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, line: &str) -> Vec<String> {
        breaches(file, line, &["/srv/checkout/".to_owned()])
    }

    #[test]
    fn each_rule_finds_its_words_where_it_applies_and_only_there() {
        for (file, line, elsewhere) in [
            ("crates/a/src/lib.rs", concat!("#[ign", "ore = \"slow\"]"), "docs/A.md"),
            ("crates/a/src/lib.rs", concat!("to", "do!()"), "docs/A.md"),
            (
                "crates/client/src/lib.rs",
                concat!("use aes_", "gcm::Key;"),
                "crates/crypto/src/hazmat/aead.rs",
            ),
            (
                "coordinator/src/api/nodes.rs",
                concat!("sqlx::", "query!(\"\")"),
                "coordinator/src/db/nodes.rs",
            ),
            ("frontend/src/app.rs", concat!("js_sys::", "eval(x)"), "docs/WEB.md"),
        ] {
            assert_eq!(check(file, line).len(), 1, "{line}");
            assert_eq!(check(elsewhere, line).len(), 0, "{line}");
        }
    }

    #[test]
    fn a_breach_is_told_with_its_place_and_reason() {
        let line = concat!("fn a() {}\n    unimple", "mented!()");
        let expected =
            concat!("x.rs:2: `unimple", "mented!(` is forbidden: nothing is left for later in the code");
        assert_eq!(check("x.rs", line), [expected]);
    }

    #[test]
    fn paths_of_this_machine_are_found_but_not_the_ends_of_other_paths() {
        for line in ["/srv/checkout/x", "see `/srv/checkout/x`", "path=/srv/checkout/", "\"/srv/checkout/a\""]
        {
            assert_eq!(check("a.md", line).len(), 1, "{line}");
        }
        for line in ["other/srv/checkout/x", "$ROOT}/srv/checkout/x", "/srv/checkouts", "./srv/checkout/x"] {
            assert_eq!(check("a.md", line).len(), 0, "{line}");
        }
    }
}

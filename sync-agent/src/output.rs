//! What the commands print: text and progress bars for people, one JSON object a line with `--json`. The objects of
//! `backup` are restic's: `message_type` is `status`, `summary`, `error` or `exit_error`.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Exit;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object a line.
    pub json: bool,
    /// Nothing but errors and what was asked for.
    pub quiet: bool,
}

impl Output {
    /// A line for people; nothing with `--json`.
    pub fn line(self, text: impl std::fmt::Display) {
        if !self.json {
            write_line(&text.to_string());
        }
    }

    /// An object for programs; nothing without `--json`.
    pub fn object(self, value: &impl Serialize) {
        if self.json {
            write_line(&serde_json::to_string(value).expect("what is printed is JSON"));
        }
    }

    /// A problem of a backup that does not end the command.
    pub fn problem(self, item: &str, message: &str) {
        self.problem_during("archival", item, message);
    }

    /// A problem that does not end the command, in restic's words for when it came.
    pub fn problem_during(self, during: &str, item: &str, message: &str) {
        let value = json!({
            "message_type": "error",
            "error": { "message": message },
            "during": during,
            "item": item,
        });
        self.complain(&value, message);
    }

    /// Something that a person should know, and that is no problem.
    pub fn note(self, item: &str, message: &str) {
        let value = json!({ "message_type": "note", "message": message, "item": item });
        self.complain(&value, message);
    }

    /// Why the command ends.
    pub fn failure(self, exit: Exit, message: &str) {
        let value = json!({ "message_type": "exit_error", "code": exit.code(), "message": message });
        self.complain(&value, &format!("error: {message}"));
    }

    fn complain(self, value: &Value, text: &str) {
        let line = if self.json { value.to_string() } else { text.to_owned() };
        // Nobody is left to complain to if even this fails.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// A bar on a terminal, and nothing elsewhere.
    pub fn bar(self) -> ProgressBar {
        if self.json || self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = "{spinner} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template(style).expect("the template's fields exist"));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

fn write_line(text: &str) {
    // A reader that went away, like `head`, ends the output and nothing else.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Bytes for people.
pub fn size(bytes: u64) -> impl std::fmt::Display {
    indicatif::BinaryBytes(bytes)
}

//! What Prometheus would make of a program's metrics, by its own tool `promtool`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::tools::installed;

/// Runs `promtool` with these arguments and this input.
///
/// # Panics
/// With what it says, if it is not content, or not installed.
pub fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new(installed("bin/promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool runs; `./test` installs it");
    // A tool that does not read says why by its end.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "promtool {arguments:?}: {}", said.concat());
}

/// The value of a series, written as in the text: `name{label="value"}`.
///
/// # Panics
/// If its value is no number.
pub fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().expect("values are numbers"))
}

/// The names of all series, without those of a histogram's parts.
pub fn names(text: &str) -> BTreeSet<String> {
    let comments = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    comments.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Names that begin like ours in an expression, a rule or a dashboard, without those of a histogram's parts.
pub fn mentioned(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("triplicate_"));
    ours.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

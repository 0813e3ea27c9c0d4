//! docs/API.md: its examples are run, its table is compared with the protocol's list.

use std::fmt::Write as _;

use configuration::SecretSource;
use coordinator::metrics::MetricsOptions;
use protocol::routes::{Caller, coordinator as routes};
use tokio::process::Command;

use crate::support::{Options, Server, operation};

const PAGE: &str = include_str!("../../../docs/API.md");
const METRICS_TOKEN: &str = "a token of the operator's";

/// Commands, and what they are said to print.
fn examples() -> Vec<(&'static str, &'static str)> {
    let parts = PAGE.split("```sh\n").skip(1);
    let example = |part: &'static str| {
        let (commands, rest) = part.split_once("```\n").unwrap();
        let shown = rest.trim_start().strip_prefix("```text\n").unwrap();
        (commands, shown.split_once("```").unwrap().0)
    };
    parts.map(example).collect()
}

/// Text in angle brackets stands for any other within a line.
fn is_as_shown(printed: &str, shown: &str) -> bool {
    let Some((before, rest)) = shown.split_once('<') else { return printed == shown };
    let Some((_, shown)) = rest.split_once('>') else { return printed == shown };
    let Some(printed) = printed.strip_prefix(before) else { return false };
    let ends = printed.char_indices().map(|(index, _)| index).chain([printed.len()]);
    let line = printed.find('\n').unwrap_or(printed.len());
    ends.take_while(|end| *end <= line).skip(1).any(|end| is_as_shown(&printed[end..], shown))
}

#[test]
fn what_is_shown_differs_from_what_is_printed_in_brackets_alone() {
    assert!(is_as_shown("a 12 b\n", "a <number> b\n"));
    assert!(!is_as_shown("a  b\n", "a <number>b c\n"));
    assert!(!is_as_shown("a 12\n b\n", "a <number> b\n"));
    assert!(!is_as_shown("a 12 c\n", "a <number> b\n"));
}

#[tokio::test]
async fn the_examples_print_what_is_shown() {
    let metrics =
        MetricsOptions { metrics_token: SecretSource::value(METRICS_TOKEN), ..MetricsOptions::default() };
    let server = Server::start_with(Options { metrics, ..Options::default() }).await;
    let operator = server.register_operator().await;
    assert!(!examples().is_empty());
    for (commands, shown) in examples() {
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", commands]).env("COORDINATOR", &server.origin).env("SESSION", &operator.cookie);
        bash.env("METRICS_TOKEN", METRICS_TOKEN).env("NO_PROXY", "*").kill_on_drop(true);
        let output = bash.output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(is_as_shown(&printed, shown), "{commands}printed\n{printed}but the page shows\n{shown}");
    }
}

#[test]
fn the_table_of_routes_is_the_protocols() {
    let mut table = String::from("| Route | Who | What |\n|---|---|---|\n");
    for route in routes::ALL {
        let who = match route.caller {
            Caller::Anyone => "anyone",
            Caller::Session => "session",
            Caller::SteppedUp => "stepped up",
            Caller::Operator => "operator",
            Caller::SteppedUpOperator => "operator, stepped up",
            Caller::DeviceSignature => "device's signature",
            Caller::Device => "device",
            Caller::SessionOrDevice => "session, device",
            Caller::Node => "node",
            Caller::Grant => "grant",
            Caller::Monitoring => "monitoring",
        };
        let about = operation(route)["summary"].as_str().unwrap();
        writeln!(table, "| `{} {}` | {who} | {about} |", route.method, route.path).unwrap();
    }
    assert!(PAGE.contains(&table), "docs/API.md should have this table:\n{table}");
}

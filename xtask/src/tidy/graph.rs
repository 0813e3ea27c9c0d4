//! Who may depend on whom, over normal dependencies of any depth: what a program links.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// A rule: none of `packages` may reach any of `forbidden`.
struct Rule {
    packages: &'static [&'static str],
    forbidden: &'static [&'static str],
    reason: &'static str,
}

const PROGRAMS: &[&str] = &["coordinator", "storage-node", "sync-agent", "frontend", "xtask"];

const RULES: [Rule; 6] = [
    Rule {
        packages: &["coordinator", "storage-node", "server"],
        forbidden: &["crypto", "backup", "client"],
        reason: "a server cannot read what users store",
    },
    Rule { packages: PROGRAMS, forbidden: PROGRAMS, reason: "programs meet only in protocol" },
    Rule {
        packages: &["sync-agent"],
        forbidden: &["server", "sqlx", "axum"],
        reason: "the agent serves monitoring alone and knows no server's insides",
    },
    Rule {
        packages: &["protocol", "crypto", "backup"],
        forbidden: &[
            "tokio", "reqwest", "hyper", "axum", "sqlx", "redb", "mio", "tempfile", "notify", "server",
        ],
        reason: "the pure crates do no input or output, in a browser or elsewhere",
    },
    Rule {
        packages: &["client"],
        forbidden: &["axum", "sqlx", "redb", "notify", "clap", "server"],
        reason: "the client runs in a browser and serves nobody",
    },
    Rule {
        packages: &[
            "protocol",
            "crypto",
            "backup",
            "client",
            "server",
            "coordinator",
            "storage-node",
            "sync-agent",
            "frontend",
        ],
        forbidden: &["testkit", "supervise"],
        reason: "what ships contains no test helper",
    },
];

/// Normal dependencies by package name.
pub(super) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// Reads the output of `cargo metadata`. Versions of one package are merged: the rules name packages.
    pub(super) fn from_metadata(metadata: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let packages = metadata["packages"].as_array().context("no packages in cargo metadata")?;
        let names: BTreeMap<_, _> = packages
            .iter()
            .filter_map(|package| Some((text(&package["id"])?, text(&package["name"])?)))
            .collect();
        let nodes = metadata["resolve"]["nodes"].as_array().context("no graph in cargo metadata")?;
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in nodes {
            let name =
                |value: &Value| value.as_str().and_then(|id| names.get(id)).context("an unknown package");
            let targets = edges.entry(name(&node["id"])?.clone()).or_default();
            for dependency in node["deps"].as_array().context("a package without a list of dependencies")? {
                let kinds = dependency["dep_kinds"].as_array().context("a dependency without kinds")?;
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    targets.insert(name(&dependency["pkg"])?.clone());
                }
            }
        }
        Ok(Self(edges))
    }

    /// The way from one package to another, both included.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways = vec![vec![from.to_owned()]];
        while let Some(way) = ways.pop() {
            let last = way.last().expect("a way has its start");
            for next in self.0.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    let mut longer = way.clone();
                    longer.push(next.clone());
                    if next == to {
                        return Some(longer);
                    }
                    ways.push(longer);
                }
            }
        }
        None
    }
}

pub(super) fn breaches(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for rule in &RULES {
        for package in rule.packages {
            for forbidden in rule.forbidden {
                if let Some(path) = graph.path(package, forbidden) {
                    found.push(format!("{} is forbidden: {}", path.join(" → "), rule.reason));
                }
            }
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    /// A graph from `(package, dependency, kind)`.
    fn graph(edges: &[(&str, &str, Option<&str>)]) -> Graph {
        let names: BTreeSet<&str> = edges.iter().flat_map(|edge| [edge.0, edge.1]).collect();
        let packages: Vec<Value> =
            names.iter().map(|name| json!({ "id": format!("{name}#1"), "name": name })).collect();
        let node = |name: &&str| {
            let own = edges.iter().filter(|edge| edge.0 == *name);
            let dependencies =
                own.map(|edge| json!({ "pkg": format!("{}#1", edge.1), "dep_kinds": [{ "kind": edge.2 }] }));
            json!({ "id": format!("{name}#1"), "deps": dependencies.collect::<Vec<_>>() })
        };
        let nodes: Vec<Value> = names.iter().map(node).collect();
        Graph::from_metadata(&json!({ "packages": packages, "resolve": { "nodes": nodes } })).unwrap()
    }

    #[test]
    fn a_server_that_reaches_crypto_through_another_crate_is_found_with_the_way() {
        let graph = graph(&[("coordinator", "helper", None), ("helper", "crypto", None)]);
        assert_eq!(
            breaches(&graph),
            ["coordinator → helper → crypto is forbidden: a server cannot read what users store"]
        );
    }

    #[test]
    fn tests_and_build_scripts_may_use_what_programs_may_not() {
        let graph = graph(&[("coordinator", "client", Some("dev")), ("coordinator", "testkit", Some("dev"))]);
        assert_eq!(breaches(&graph), Vec::<String>::new());
    }

    #[test]
    fn what_a_dev_dependency_links_does_not_count() {
        let graph = graph(&[("server", "testkit", Some("dev")), ("testkit", "crypto", None)]);
        assert_eq!(breaches(&graph), Vec::<String>::new());
    }

    #[test]
    fn programs_never_link_each_other() {
        assert_eq!(breaches(&graph(&[("storage-node", "coordinator", None)])).len(), 1);
    }

    #[test]
    fn cycles_end() {
        let graph = graph(&[("a", "b", None), ("b", "a", None)]);
        assert_eq!(graph.path("a", "c"), None);
    }
}

//! Holds every answer that any test reads against the committed description: a status or code that the route does not
//! tell of fails the test that saw it.

use std::sync::LazyLock;

use protocol::routes::{Route, coordinator as routes};
use reqwest::Method;
use serde_json::Value;

use super::Answer;

pub(crate) const DESCRIPTION: &str = include_str!("../../../../docs/api/coordinator.json");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DESCRIPTION).unwrap());

/// What the description says of a route.
pub(crate) fn operation(route: &Route) -> &'static Value {
    &DOCUMENT["paths"][route.path][route.method.to_lowercase()]
}

/// What is no route, or has another method than the route, has no description.
#[track_caller]
pub(super) fn check(method: &Method, path: &str, answer: &Answer) {
    let routes = routes::ALL.iter().filter(|route| route.method == method.as_str());
    let Some(route) = routes.max_by_key(|route| fit(route.path, path)).filter(|it| fit(it.path, path) > 0)
    else {
        return;
    };
    let status = answer.status.as_str();
    let place = format!("{method} {} answered {status}", route.path);
    let described = &operation(route)["responses"][status];
    let component = described["$ref"].as_str().and_then(|place| DOCUMENT.pointer(&place[1..]));
    let described = component.unwrap_or(described);
    assert!(described.is_object(), "{place}, which its description does not tell of");
    let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap());
    let kind = kind.map(|kind| kind.split(';').next().unwrap());
    let kinds = described["content"].as_object().map(|content| content.keys().collect::<Vec<_>>());
    assert_eq!(kinds.into_iter().flatten().next().map(String::as_str), kind, "{place}");
    if !answer.status.is_success() {
        let code = &serde_json::from_slice::<Value>(&answer.body).unwrap()["code"];
        let codes = &described["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"];
        let is_told = codes["enum"].as_array().unwrap().contains(code);
        assert!(is_told, "{place} with {code}, which its description does not tell of");
    }
}

/// 0 if a path is not of this template, and else more the less of it varies.
fn fit(template: &str, path: &str) -> usize {
    let pairs = template.split('/').zip(path.split('/'));
    let same_length = template.split('/').count() == path.split('/').count();
    let fits = same_length && pairs.clone().all(|(part, given)| part == given || part.starts_with('{'));
    if fits { 1 + pairs.filter(|(part, given)| part == given).count() } else { 0 }
}

//! The content security policy: where the browser lets this app send data.

/// The origins that a policy's `connect-src` names; `None` where it sets no bound.
pub fn connect_origins(policy: &str) -> Option<Vec<String>> {
    let mut directives = policy.split(';').map(str::split_ascii_whitespace);
    let targets = directives.find_map(|mut words| (words.next()? == "connect-src").then_some(words))?;
    Some(targets.filter(|target| !target.starts_with('\'')).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_policy_are_found() {
        let policy = "default-src 'none'; connect-src 'self' http://localhost:9001 https://node.example; object-src 'none'";
        let origins = connect_origins(policy).expect("the policy bounds connections");
        assert_eq!(origins, ["http://localhost:9001", "https://node.example"]);
        assert_eq!(connect_origins("connect-src 'self'"), Some(Vec::new()));
        assert_eq!(connect_origins("default-src 'none'; frame-src 'self'"), None);
        assert_eq!(connect_origins(""), None);
    }
}

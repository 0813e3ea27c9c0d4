//! The log of what concerns security, in plain words.

use protocol::audit_log::AuditEntry;

use crate::words;

/// What happened. An event that is not known here is told by its name.
pub fn what(entry: &AuditEntry) -> String {
    let about = entry.about.as_deref().unwrap_or_default();
    let (first, rest) = about.split_once(' ').unwrap_or((about, ""));
    match entry.event.as_str() {
        "account_made" => format!("Made an account, as {}", role(about)),
        "signed_in" => "Signed in".to_owned(),
        "sign_in_failed" if entry.login.is_some() => "Failed to sign in: wrong passphrase".to_owned(),
        "sign_in_failed" => "Failed to sign in: no such login".to_owned(),
        "signed_out" => "Signed out".to_owned(),
        "stepped_up" => "Typed the passphrase once more".to_owned(),
        "step_up_failed" => "Typed a wrong passphrase, signed in".to_owned(),
        "device_enrolled" => format!("Added the device {}", short(about)),
        "device_revoked" => format!("Revoked the device {}", short(about)),
        "snapshots_forgotten" => "Forgot snapshots".to_owned(),
        "blobs_purged" => "Deleted something for good".to_owned(),
        "retention_changed" => "Changed how long snapshots are kept".to_owned(),
        "join_token_made" => "The token by which storage nodes join was made".to_owned(),
        "node_joined" => format!("The storage node {} joined", short(about)),
        "node_drained" => format!("Began to empty the storage node {}", short(about)),
        "node_undrained" => format!("Let the storage node {} keep data again", short(about)),
        "node_removed" => format!("Removed the storage node {}", short(about)),
        "node_forced_out" => {
            format!("Removed the storage node {}, although only it may have had some data", short(about))
        }
        "garbage_approved" => "Let the server give back much space at once".to_owned(),
        "quota_changed" => match rest.parse() {
            Ok(bytes) => format!("Set the quota of {first} to {}", words::size(bytes)),
            Err(_) => format!("Took the quota of {first} away"),
        },
        "role_changed" => format!("Made {first} {}", role(rest)),
        "invitation_made" => format!("Invited somebody, as {} (invitation {})", role(rest), short(first)),
        "invitation_revoked" => format!("Took the invitation {} back", short(first)),
        "invitation_used" => format!("Used the invitation {}", short(first)),
        unknown => format!("{} {about}", unknown.replace('_', " ")).trim_end().to_owned(),
    }
}

/// Who did it.
pub fn who(entry: &AuditEntry) -> &str {
    match (&entry.login, &entry.client) {
        (Some(login), _) => login,
        (None, None) if entry.event == "join_token_made" => "the server",
        (None, None) => "the server's command line",
        (None, Some(_)) => "nobody signed in",
    }
}

fn role(name: &str) -> &str {
    match name {
        "operator" => "an operator",
        "member" => "a member",
        other => other,
    }
}

/// The beginning of an id, which is enough to tell it from others.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: &str, login: Option<&str>, client: Option<&str>, about: Option<&str>) -> AuditEntry {
        let [login, client, about] = [login, client, about].map(|text| text.map(str::to_owned));
        AuditEntry { id: 1, at_ms: 0, event: event.into(), account: None, login, client, about }
    }

    #[test]
    fn what_happened_is_said_in_plain_words() {
        let id = "0123456789abcdef0123456789abcdef";
        let of_invitation = format!("{id} member");
        let cases = [
            ("account_made", "operator", "Made an account, as an operator"),
            ("quota_changed", "bob 5000000000", "Set the quota of bob to 5.0 GB"),
            ("quota_changed", "bob none", "Took the quota of bob away"),
            ("role_changed", "bob operator", "Made bob an operator"),
            ("invitation_made", &of_invitation, "Invited somebody, as a member (invitation 01234567)"),
            ("invitation_used", id, "Used the invitation 01234567"),
            ("node_drained", id, "Began to empty the storage node 01234567"),
            ("not_known_yet", "x", "not known yet x"),
        ];
        for (event, about, expected) in cases {
            assert_eq!(what(&entry(event, Some("alice"), None, Some(about))), expected);
        }
    }

    #[test]
    fn whoever_was_not_signed_in_has_no_name() {
        assert_eq!(who(&entry("signed_in", Some("bob"), Some("192.0.2.1"), None)), "bob");
        assert_eq!(who(&entry("node_joined", None, Some("192.0.2.1"), None)), "nobody signed in");
        assert_eq!(who(&entry("role_changed", None, None, None)), "the server's command line");
        assert_eq!(who(&entry("join_token_made", None, None, None)), "the server");
        let unknown = entry("sign_in_failed", None, Some("192.0.2.1"), None);
        assert_eq!(what(&unknown), "Failed to sign in: no such login");
    }

    #[test]
    fn every_event_of_the_protocol_has_words_of_its_own() {
        use protocol::audit_log::AuditEvent;
        for event in [AuditEvent::SignedOut, AuditEvent::RetentionChanged, AuditEvent::JoinTokenMade] {
            assert_ne!(what(&entry(event.name(), None, None, None)), event.name().replace('_', " "));
        }
    }
}

//! The client's errors, told to a person.

use client::Error;
use protocol::error::ErrorCode;

use crate::failure::Failure;

const UNCHANGED: &str = "Everything that was backed up before is unchanged.";

/// What happened, what is safe, what to do.
pub(super) fn told(error: &Error) -> Failure {
    let (safe, advice) = consolation(error);
    Failure {
        what: what(error),
        safe: safe.to_owned(),
        advice: advice.to_owned(),
        // Once one of the two is out of the way, the same again works.
        retryable: error.is_retryable() || matches!(error, Error::Clash { .. }),
        signed_out: error.code() == Some(ErrorCode::Unauthenticated),
        needs_passphrase: error.code() == Some(ErrorCode::StepUpRequired),
    }
}

/// Of making an account. Where the answer was lost, nobody here knows whether it was made; asking for the same account
/// again is safe either way.
pub(super) fn of_registration(error: &Error) -> Failure {
    let told = told(error);
    let is_unknown = matches!(
        error,
        Error::Network { .. }
            | Error::Api {
                code: ErrorCode::Unavailable | ErrorCode::RequestTimeout | ErrorCode::Internal,
                ..
            }
    );
    if !is_unknown {
        return told;
    }
    Failure {
        safe: "The account may have been made already; its recovery key is the one that you kept.".to_owned(),
        advice: "Try again: that is safe, and makes no second account.".to_owned(),
        retryable: true,
        ..told
    }
}

/// Asked for something that needs keys, without keys.
pub(super) fn locked() -> Failure {
    Failure {
        what: "You are not signed in.".to_owned(),
        safe: UNCHANGED.to_owned(),
        advice: "Sign in again.".to_owned(),
        retryable: false,
        signed_out: true,
        needs_passphrase: false,
    }
}

/// Asked for a source that is not there.
pub(super) fn no_source() -> Failure {
    Failure {
        what: "This folder is not known here.".to_owned(),
        safe: UNCHANGED.to_owned(),
        advice: "Reload the page: it may have been added on another device just now.".to_owned(),
        retryable: true,
        signed_out: false,
        needs_passphrase: false,
    }
}

/// What happened. A path stands in quotes, as it is written.
fn what(error: &Error) -> String {
    match error {
        Error::Clash { path, taken_by } => format!("The name “{path}” is taken by {taken_by}."),
        Error::NotFound(path) => format!("“{path}” is not in your backup."),
        Error::Name(name) => format!("“{name}” cannot be a name in a backup."),
        Error::Damaged { path, .. } => format!("“{path}” did not come back as it was backed up."),
        Error::LinkOver => "This link is over: ten minutes have passed, or it was used.".to_owned(),
        Error::ForgedRequest(_) => "Somebody asked to be added without having this link.".to_owned(),
        Error::Busy => "Other devices kept writing to your backup at the same time.".to_owned(),
        Error::TooLarge(_) => "A folder has more entries than one backup can hold.".to_owned(),
        Error::Api { code: ErrorCode::QuotaExceeded, .. } => "Your account is full.".to_owned(),
        Error::TooFewCopies(reasons) if reasons.is_empty() => {
            "Too few storage nodes took the data.".to_owned()
        }
        Error::TooFewCopies(reasons) => sentence(&format!("too few storage nodes took the data: {reasons}")),
        _ => sentence(&error.to_string()),
    }
}

fn consolation(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::WrongPassword => (
            "Your files are safe, and nothing was changed.",
            "Check the login, the keyboard's language and Caps Lock.",
        ),
        Error::Login(_) | Error::Password(_) | Error::Name(_) => ("Nothing was sent.", "Choose another one."),
        Error::Kdf(_) => ("Nothing was sent.", "Ask whoever runs this server."),
        Error::Network { .. } => (
            UNCHANGED,
            "Check that the server runs and that you are online, then try again: what has arrived is not sent twice.",
        ),
        Error::TooFewCopies(_) => (
            UNCHANGED,
            "Look at the Nodes page, bring nodes back, and try again: what has arrived is kept for a day, and not sent \
             twice.",
        ),
        Error::Clash { .. } => (
            "Nothing was sent, and everything that was backed up before is unchanged.",
            "Rename one of the two, or delete what is in the backup, then try again.",
        ),
        Error::TooLarge(_) => (UNCHANGED, "Split that folder into smaller ones, then back it up again."),
        Error::Unreadable(_) | Error::Tree(_) => (
            "Nothing was deleted.",
            "Look at the Nodes page: it can be read again when a node that holds it is up.",
        ),
        Error::Damaged { .. } => (
            "The download was stopped, so that no damaged file looks whole.",
            "Restore it from an earlier snapshot.",
        ),
        Error::Untrusted(_) | Error::Unverified(_) => (
            "Nothing was changed, and nothing was sent.",
            "Ask whoever runs this server, and keep this message.",
        ),
        Error::NotFound(_) => (UNCHANGED, "It may have been deleted in another window; reload the page."),
        Error::Busy => (UNCHANGED, "Try again in a moment."),
        Error::LinkOver => ("No device was added.", "Make another link."),
        Error::ForgedRequest(_) => {
            ("No device was added, and this link is good for nobody now.", "Make another link.")
        }
        Error::Forgotten(_) => ("All other snapshots are unchanged.", "Restore it from another snapshot."),
        Error::Purged(_) => ("All else is unchanged.", "It is in no snapshot any more."),
        Error::Gone(_) => (UNCHANGED, "Back it up again from where it was."),
        Error::Api { code, .. } => refused(*code),
        _ => (UNCHANGED, "Reload the page and try again."),
    }
}

fn refused(code: ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::Unauthenticated => (UNCHANGED, "Sign in again."),
        ErrorCode::StepUpRequired => (UNCHANGED, "Enter your passphrase when you are asked for it."),
        ErrorCode::WrongCredentials => (
            "Your files are safe, and nothing was changed.",
            "Check the login, the keyboard's language and Caps Lock.",
        ),
        ErrorCode::InvalidSetupToken => {
            ("No account was made.", "Open the newest setup link: the server prints it when it starts.")
        }
        ErrorCode::InvalidInvitation => (
            "No account was made.",
            "Ask whoever invited you for another link; if you have an account, sign in.",
        ),
        ErrorCode::LastOperator => {
            ("Nothing was changed.", "Make somebody else an operator first, so that the server has one.")
        }
        ErrorCode::RegistrationClosed => {
            ("No account was made.", "Ask whoever runs this server for an invitation.")
        }
        ErrorCode::LastCopies => (
            "The node was not removed.",
            "Empty it first, and wait until it says Drained; or remove it all the same, and lose what only it has.",
        ),
        ErrorCode::LoginTaken => ("No account was made.", "Go back and choose another login."),
        ErrorCode::TooManyRequests => (UNCHANGED, "Wait a few minutes, then try again."),
        ErrorCode::InsufficientZones => (
            UNCHANGED,
            "Too few storage nodes are up. Look at the Nodes page, bring them back, and try again.",
        ),
        ErrorCode::QuotaExceeded => (
            UNCHANGED,
            "Delete something for good, or forget snapshots that you do not need, which gives their room back after a \
             day; or ask whoever runs this server for more.",
        ),
        ErrorCode::Unavailable | ErrorCode::RequestTimeout => (UNCHANGED, "Try again in a moment."),
        _ => (UNCHANGED, "Try again; if it stays so, show this to whoever runs this server."),
    }
}

/// With a capital at the start and a full stop at the end.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
}

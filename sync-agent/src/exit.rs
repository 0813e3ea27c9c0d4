//! How the program ends: restic's codes, which scripts know.

use std::process::ExitCode;

/// What the program's end tells its caller, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A snapshot was made, but some files could not be read.
    Incomplete,
    /// It failed.
    Failed,
    /// This machine is not enrolled, so there is nothing to work with.
    NotEnrolled,
    /// The keys do not open, or the device was revoked.
    WrongKey,
    /// Told to stop.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Incomplete => 3,
            Self::NotEnrolled => 10,
            Self::WrongKey => 12,
            Self::Interrupted => 130,
        }
    }

    /// From [`Self::code`]; what no code stands for is a failure.
    pub fn from_code(code: u8) -> Self {
        let all =
            [Self::Ok, Self::Incomplete, Self::Failed, Self::NotEnrolled, Self::WrongKey, Self::Interrupted];
        all.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_worse_than_files_that_could_not_be_read() {
        assert_eq!(Exit::Failed.max(Exit::Incomplete).code(), 1);
        assert_eq!(Exit::Incomplete.max(Exit::Ok).code(), 3);
    }
}

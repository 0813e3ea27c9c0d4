//! What becomes of one entry of the target: decided from what is there and what is wanted, before anything is touched.

/// When something that is in the target is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Overwrite {
    /// Whenever its content is another.
    Always,
    /// If its size or its time is another.
    #[default]
    IfChanged,
    /// If the snapshot's is newer.
    IfNewer,
    /// Never.
    Never,
}

/// How to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// When something is replaced.
    pub overwrite: Overwrite,
    /// Size and time are not believed: contents are read and compared.
    pub verify: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a socket or a pipe. No snapshot has one.
    Other,
}

/// What an entry looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file, or of a link's target; says nothing of a directory.
    pub size: u64,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Make it; what is there has to give way.
    Write,
    /// Read what is there: if it has the wanted content, as [`Plan::Keep`], else as [`Plan::Write`].
    Compare,
    /// The content is there. Mode, time and attributes may be others.
    Keep,
    /// Touch nothing.
    Leave,
}

impl Rules {
    /// Decides for one entry.
    pub fn plan(&self, wanted: &Look, present: Option<&Look>) -> Plan {
        let Some(present) = present else { return Plan::Write };
        if self.overwrite == Overwrite::Never {
            return Plan::Leave;
        }
        let same_kind = present.kind == wanted.kind;
        if same_kind && wanted.kind == Kind::Directory {
            return Plan::Keep;
        }
        let alike = same_kind && present.size == wanted.size;
        let same_time = present.mtime_ns == wanted.mtime_ns;
        if self.overwrite == Overwrite::IfNewer
            && present.mtime_ns >= wanted.mtime_ns
            && !(alike && same_time)
        {
            return Plan::Leave;
        }
        if !alike {
            return Plan::Write;
        }
        let believed = same_time && wanted.kind == Kind::File && !self.verify;
        if believed && self.overwrite != Overwrite::Always { Plan::Keep } else { Plan::Compare }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn looks() -> impl Strategy<Value = Look> {
        let kinds =
            prop_oneof![Just(Kind::File), Just(Kind::Directory), Just(Kind::Symlink), Just(Kind::Other)];
        (kinds, 0..3_u64, 0..3_i64).prop_map(|(kind, size, mtime_ns)| Look { kind, size, mtime_ns })
    }

    fn rules() -> impl Strategy<Value = Rules> {
        use Overwrite::{Always, IfChanged, IfNewer, Never};
        let overwrite = prop_oneof![Just(Always), Just(IfChanged), Just(IfNewer), Just(Never)];
        (overwrite, any::<bool>()).prop_map(|(overwrite, verify)| Rules { overwrite, verify })
    }

    proptest! {
        #[test]
        fn what_is_missing_is_written_whatever_the_rules(rules in rules(), wanted in looks()) {
            prop_assert_eq!(rules.plan(&wanted, None), Plan::Write);
        }

        #[test]
        fn never_touches_nothing(verify in any::<bool>(), wanted in looks(), present in looks()) {
            let rules = Rules { overwrite: Overwrite::Never, verify };
            prop_assert_eq!(rules.plan(&wanted, Some(&present)), Plan::Leave);
        }

        #[test]
        fn what_was_restored_is_not_written_again(rules in rules(), wanted in looks()) {
            prop_assert_ne!(rules.plan(&wanted, Some(&wanted)), Plan::Write);
        }

        #[test]
        fn another_kind_or_size_is_never_taken_for_the_content(
            rules in rules(), wanted in looks(), present in looks(),
        ) {
            let plan = rules.plan(&wanted, Some(&present));
            if matches!(plan, Plan::Keep | Plan::Compare) {
                prop_assert_eq!(wanted.kind, present.kind);
                prop_assert!(wanted.size == present.size || wanted.kind == Kind::Directory);
            }
        }

        #[test]
        fn only_never_and_if_newer_leave_what_differs(rules in rules(), wanted in looks(), present in looks()) {
            if rules.plan(&wanted, Some(&present)) == Plan::Leave {
                let is_older = wanted.mtime_ns <= present.mtime_ns;
                let is_newer_rule = rules.overwrite == Overwrite::IfNewer;
                prop_assert!(rules.overwrite == Overwrite::Never || is_newer_rule && is_older);
            }
        }

        #[test]
        fn contents_of_files_are_believed_without_reading_only_by_size_and_time(
            rules in rules(), wanted in looks(), present in looks(),
        ) {
            let plan = rules.plan(&wanted, Some(&present));
            if plan == Plan::Keep && wanted.kind == Kind::File {
                prop_assert_eq!(wanted, present);
                prop_assert!(!rules.verify && rules.overwrite != Overwrite::Always);
            }
        }
    }
}

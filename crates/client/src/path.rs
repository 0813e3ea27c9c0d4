//! Paths in a vault: names from the root down.

use backup::Name;

use crate::error::Error;

/// The names of an entry and of the directories above it; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Name>);

impl Path {
    /// # Errors
    /// [`Error::Name`] for a name that a backup cannot have.
    pub fn parse<N: AsRef<[u8]>>(names: &[N]) -> Result<Self, Error> {
        let name = |name: &N| {
            let bytes = name.as_ref();
            Name::new(bytes).map_err(|_| Error::Name(String::from_utf8_lossy(bytes).into_owned()))
        };
        names.iter().map(name).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn beneath(mut parents: Vec<Name>, name: Name) -> Self {
        parents.push(name);
        Self(parents)
    }

    /// The bytes of its names, with `/` between them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let names: Vec<_> = self.0.iter().map(Name::as_bytes).collect();
        names.join(&b'/')
    }

    /// Whether it has no names.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that it is in; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        Self(self.split().map_or(Vec::new(), |(parents, _)| parents.to_vec()))
    }

    /// The path that is `beneath` this one.
    pub(crate) fn join(&self, beneath: &Self) -> Self {
        Self([&self.0[..], &beneath.0].concat())
    }

    /// The directories above, and the entry's own name; `None` for the root.
    pub(crate) fn split(&self) -> Option<(&[Name], &Name)> {
        let (name, parents) = self.0.split_last()?;
        Some((parents, name))
    }

    /// The path of its first `len` names, for a person.
    pub(crate) fn prefix(&self, len: usize) -> String {
        Self(self.0[..len].to_vec()).to_string()
    }

    /// Its names, from the root down.
    pub fn names(&self) -> &[Name] {
        &self.0
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.iter().map(|name| String::from_utf8_lossy(name.as_bytes())).collect();
        write!(f, "/{}", names.join("/"))
    }
}

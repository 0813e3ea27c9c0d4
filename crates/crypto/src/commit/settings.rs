//! The sealed bodies of settings: of a vault (kind 3), always whole, and of one source (kind 7). For each source the
//! later of both holds.

use std::collections::BTreeSet;

use protocol::cbor::Value;
use protocol::id::{DeviceId, SourceId};
use protocol::limits::{
    PATTERN_BYTES_MAX, SETTINGS_BYTES_MAX, SOURCE_NAME_BYTES_MAX, SOURCE_PATH_BYTES_MAX, SOURCE_PATTERNS_MAX,
    VAULT_SOURCES_MAX,
};

use super::BodyError;
use super::body::{array, flag, map, read, write};

/// The settings of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What a person called the vault.
    pub vault_name: String,
    /// Where its snapshots come from.
    pub sources: Vec<Source>,
    /// Chunks are stored as they are, so that their sizes do not depend on their content.
    pub compression_off: bool,
    /// What the devices are called.
    pub devices: Vec<DeviceName>,
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

/// Where snapshots come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub source: SourceId,
    /// What a person called it.
    pub name: String,
    /// The folder on its device; empty for browser uploads.
    pub path: Vec<u8>,
    /// What is left out.
    pub exclude: Vec<Vec<u8>>,
    /// No snapshots are made for now.
    pub paused: bool,
    /// The one device that writes it, or none: the source of browser uploads, of which a vault has at most one.
    pub device: Option<DeviceId>,
    /// Files of more bytes are left out.
    pub larger_than: Option<u64>,
    /// Other file systems that are mounted beneath the folder are left out.
    pub one_file_system: bool,
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

/// What a person called a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
}

/// The settings of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// The source as it is from now on, or nothing where it was removed.
    pub entry: Option<Source>,
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

impl SourceSettings {
    pub(super) fn encode(&self) -> Vec<u8> {
        write(vec![(1, self.entry.as_ref().map(Source::to_value))], &self.extensions)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = read(bytes)?;
        let entry = fields.take(1).map(Source::from_value).transpose()?;
        if let Some(entry) = &entry {
            entry.check()?;
        }
        Ok(Self { entry, extensions: fields.finish()? })
    }
}

impl Settings {
    pub(super) fn encode(&self) -> Vec<u8> {
        let fields = vec![
            (1, Some(Value::Text(self.vault_name.clone()))),
            (2, Some(Value::Array(self.sources.iter().map(Source::to_value).collect()))),
            (3, flag(self.compression_off)),
            (4, array(self.devices.iter().map(DeviceName::to_value))),
        ];
        write(fields, &self.extensions)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = read(bytes)?;
        let vault_name = fields.need(1)?.into_text()?;
        let sources = fields.need(2)?.into_array()?;
        let compression_off = fields.flag(3)?;
        let devices = fields.take(4).map_or(Ok(Vec::new()), Value::into_array)?;
        let settings = Self {
            vault_name,
            sources: sources.into_iter().map(Source::from_value).collect::<Result<_, _>>()?,
            compression_off,
            devices: devices.into_iter().map(DeviceName::from_value).collect::<Result<_, _>>()?,
            extensions: fields.finish()?,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Puts a source in, in the place of the one with its id if there is one.
    pub fn put(&mut self, source: Source) {
        match self.sources.iter_mut().find(|listed| listed.source == source.source) {
            Some(listed) => *listed = source,
            None => self.sources.push(source),
        }
    }

    /// Whether settings may be like this.
    ///
    /// # Errors
    /// [`BodyError::Rule`]: which limit or rule they break.
    pub fn check(&self) -> Result<(), BodyError> {
        if self.sources.len() > VAULT_SOURCES_MAX {
            return Err(BodyError::Rule("a vault has more than 1,000 folders"));
        }
        self.sources.iter().try_for_each(Source::check)?;
        if self.encode().len() > SETTINGS_BYTES_MAX {
            return Err(BodyError::Rule("a vault's settings have more than 512 KiB"));
        }
        let mut seen = BTreeSet::new();
        if !self.sources.iter().all(|source| seen.insert(source.source)) {
            return Err(BodyError::Rule("a source is listed twice"));
        }
        if self.sources.iter().filter(|source| source.device.is_none()).count() > 1 {
            return Err(BodyError::Rule("more than one source of browser uploads"));
        }
        Ok(())
    }
}

impl Source {
    /// A folder of a device, or without one the source of browser uploads; nothing is left out.
    pub fn new(source: SourceId, name: String, device: Option<DeviceId>) -> Self {
        Self {
            source,
            name,
            path: Vec::new(),
            exclude: Vec::new(),
            paused: false,
            device,
            larger_than: None,
            one_file_system: false,
            extensions: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), BodyError> {
        let broken = if self.name.len() > SOURCE_NAME_BYTES_MAX {
            "a folder's name has more than 255 bytes"
        } else if self.name.contains(char::is_control) {
            "a folder's name has control characters"
        } else if self.path.len() > SOURCE_PATH_BYTES_MAX {
            "a folder's path has more than 4,096 bytes"
        } else if self.exclude.len() > SOURCE_PATTERNS_MAX {
            "a folder has more than 256 patterns"
        } else if self.exclude.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
            "a pattern has more than 1,024 bytes"
        } else {
            return Ok(());
        };
        Err(BodyError::Rule(broken))
    }

    fn to_value(&self) -> Value {
        let fields = [
            (0, Some(Value::bytes(self.source.as_bytes()))),
            (1, Some(Value::Text(self.name.clone()))),
            (2, (!self.path.is_empty()).then(|| Value::bytes(&self.path))),
            (3, array(self.exclude.iter().map(Value::bytes))),
            (4, flag(self.paused)),
            (5, Some(Value::bytes(DeviceId::to_field(self.device)))),
            (64, self.larger_than.map(Value::Uint)),
            (65, flag(self.one_file_system)),
        ];
        map(fields, &self.extensions)
    }

    fn from_value(value: Value) -> Result<Self, BodyError> {
        let mut fields = value.into_fields()?;
        let source = SourceId::from_bytes(fields.need(0)?.into_byte_array()?)?;
        let name = fields.need(1)?.into_text()?;
        let path = fields.take(2).map_or(Ok(Vec::new()), Value::into_bytes)?;
        let exclude = fields.take(3).map_or(Ok(Vec::new()), Value::into_array)?;
        Ok(Self {
            source,
            name,
            path,
            exclude: exclude.into_iter().map(Value::into_bytes).collect::<Result<_, _>>()?,
            paused: fields.flag(4)?,
            device: DeviceId::from_field(fields.need(5)?.into_byte_array()?),
            larger_than: fields.take(64).map(Value::into_u64).transpose()?,
            one_file_system: fields.flag(65)?,
            extensions: fields.finish()?,
        })
    }
}

impl DeviceName {
    fn to_value(&self) -> Value {
        Value::Array(vec![Value::bytes(self.device.as_bytes()), Value::Text(self.name.clone())])
    }

    fn from_value(value: Value) -> Result<Self, BodyError> {
        let [device, name] = value.into_tuple()?;
        Ok(Self { device: DeviceId::from_bytes(device.into_byte_array()?)?, name: name.into_text()? })
    }
}

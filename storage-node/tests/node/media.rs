//! Stores on all media, so that one test runs on each.

use std::path::Path;
use std::time::Duration;

use configuration::Secret;
use storage_node::store::{
    CloudPlace, Dropbox, GroupLimits, Patience, Provider, S3, Store, StoreError, StoreOptions,
};
use testkit::dropbox::{self, FakeDropbox};
use testkit::s3;

use crate::recovery::{options, store_id};
use crate::support::{Medium, prefix};

impl Medium {
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Disk)
    }

    pub fn fake_dropbox(&self) -> &FakeDropbox {
        let Self::Dropbox(server, _) = self else { panic!("not a Dropbox") };
        server
    }

    /// The store of a folder.
    pub fn open(&self, folder: &Path) -> Store {
        self.try_open(folder).unwrap()
    }

    pub fn try_open(&self, folder: &Path) -> Result<Store, StoreError> {
        self.try_open_as(folder, store_id())
    }

    pub fn try_open_as(&self, folder: &Path, id: protocol::id::StoreId) -> Result<Store, StoreError> {
        match self.place(folder) {
            None => Store::open(folder, id, options()),
            Some(place) => Store::open_cloud(folder, id, cloud_options(), place),
        }
    }

    /// In a cloud, a prefix for each folder.
    pub fn place(&self, folder: &Path) -> Option<CloudPlace> {
        let provider = match self {
            Self::Disk => return None,
            Self::S3(server, _) => Provider::S3(S3 {
                endpoint: server.url.clone(),
                region: "us-east-1".into(),
                bucket: s3::BUCKET.into(),
                access_key_id: s3::ACCESS_KEY_ID.into(),
                secret_access_key: Secret::new(s3::SECRET_ACCESS_KEY.into()),
            }),
            Self::Dropbox(server, _) => Provider::Dropbox(Dropbox {
                url: Some(server.url.clone()),
                app_key: dropbox::APP_KEY.into(),
                app_secret: Some(Secret::new(dropbox::APP_SECRET.into())),
                refresh_token: Secret::new(dropbox::REFRESH_TOKEN.into()),
            }),
        };
        Some(CloudPlace {
            provider,
            prefix: prefix(folder),
            bytes_max: 1 << 40,
            patience: Patience { pause: Duration::from_millis(5), total: Duration::from_secs(5) },
            scrub_reads: true,
        })
    }
}

/// As for the disk, but for a group's longest wait.
pub fn cloud_options() -> StoreOptions {
    let group = GroupLimits { bytes: 16 << 20, wait: Duration::from_millis(2) };
    StoreOptions { group, ..options() }
}

/// One test for each medium from a function that takes the medium.
macro_rules! on_all_media {
    ($($name:ident),* $(,)?) => {
        mod disk {
            $(#[test] fn $name() { super::$name(&crate::support::Medium::Disk); })*
        }
        mod s3 {
            $(#[test] fn $name() { super::$name(&crate::support::Medium::s3()); })*
        }
        mod dropbox {
            $(#[test] fn $name() { super::$name(&crate::support::Medium::dropbox()); })*
        }
    };
}
/// The same for functions that wait.
macro_rules! on_all_media_async {
    ($($name:ident),* $(,)?) => {
        mod disk {
            $(#[tokio::test] async fn $name() { super::$name(&crate::support::Medium::Disk).await; })*
        }
        mod s3 {
            $(#[tokio::test] async fn $name() { super::$name(&crate::support::Medium::s3()).await; })*
        }
        mod dropbox {
            $(#[tokio::test] async fn $name() { super::$name(&crate::support::Medium::dropbox()).await; })*
        }
    };
}
pub(crate) use {on_all_media, on_all_media_async};

//! Folders come and go in the settings, and what was backed up stays.

use std::rc::Rc;

use client::{Error, Source, TreeEdits, Vault};
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, SourceId};
use testkit::cluster::Cluster;

use crate::folder::{store_file, target};
use crate::native::{Device, noise, path, restore};

pub(crate) fn source(byte: u8) -> SourceId {
    SourceId::from_bytes([byte; 16]).expect("not zeros")
}

fn device(byte: u8) -> DeviceId {
    DeviceId::from_bytes([byte; 16]).expect("not zeros")
}

fn folder(byte: u8, name: &str) -> Source {
    Source { path: b"/home/\xff".to_vec(), ..Source::new(source(byte), name.to_owned(), Some(device(byte))) }
}

fn names(vault: &Vault) -> Vec<String> {
    vault.sources().into_iter().map(|source| source.name).collect()
}

#[tokio::test]
async fn a_folder_is_added_changed_and_removed_and_its_history_stays() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let uploads = names(&vault).remove(0);
    vault.put_source(folder(1, "Documents")).await.expect("adds");
    let papers = Source {
        exclude: vec![b"*.tmp".to_vec()],
        paused: true,
        larger_than: Some(1 << 30),
        one_file_system: true,
        ..folder(1, "Papers")
    };
    vault.put_source(papers.clone()).await.expect("changes");
    assert_eq!(vault.settings().sources[1], papers);
    assert_eq!(names(&vault), [uploads.as_str(), "Papers"]);

    let file = noise(1, 50_000);
    vault
        .write_tree(target(&vault, source(1)), &Rc::default(), async |writer| {
            let changes = vec![store_file(&writer, "a.txt", &file).await?];
            Ok(TreeEdits { changes, ..TreeEdits::default() })
        })
        .await
        .expect("backs up");
    vault.remove_source(source(1)).await.expect("removes");
    assert!(matches!(vault.remove_source(source(1)).await, Err(Error::NotFound(_))), "it is not there");
    assert_eq!(vault.settings().sources.len(), 1);

    let vault = Device::default().open(&cluster).await;
    let sources = vault.sources();
    assert_eq!(names(&vault), [uploads.as_str(), "Papers"]);
    assert_eq!((sources[1].removed, sources[1].closed, sources[1].device), (true, false, Some(device(1))));
    assert_eq!(vault.snapshots(source(1)).len(), 1);
    assert!(restore(&vault, source(1), "a.txt").await.expect("restores") == file);

    vault.put_source(folder(1, "Again")).await.expect("puts it back");
    assert_eq!((names(&vault), vault.sources()[1].removed), (vec![uploads, "Again".to_owned()], false));
}

#[tokio::test]
async fn a_closed_folder_takes_nothing_more() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    vault.put_source(folder(1, "Documents")).await.expect("adds");
    let write = async |vault: &Vault| {
        let target = target(vault, source(1));
        vault.write_tree(target, &Rc::default(), async |_| Ok(TreeEdits::default())).await.map(drop)
    };
    write(&vault).await.expect("backs up");
    vault.close_source(source(1)).await.expect("closes");
    let vault = Device::default().open(&cluster).await;
    assert!(vault.sources()[1].closed);
    for refused in [
        write(&vault).await,
        vault.put_source(folder(1, "Again")).await.map(drop),
        vault.close_source(source(1)).await.map(drop),
    ] {
        let error = refused.expect_err("it is closed");
        assert_eq!(error.code(), Some(ErrorCode::InvalidEnvelope), "{error}");
    }
    assert_eq!(vault.list(source(1), &path("")).await.expect("its snapshot stays"), []);
    Device::default().open(&cluster).await;
}

#[tokio::test]
async fn changes_of_two_devices_at_once_are_all_there() {
    let cluster = Cluster::start(3).await;
    let first = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let second = Device::default().open(&cluster).await;
    let both = tokio::join!(
        first.put_source(folder(1, "One")),
        second.put_source(folder(2, "Two")),
        first.rename("Home"),
        second.rename_device(device(2), "Laptop"),
    );
    for seq in [both.0, both.1, both.2, both.3] {
        seq.expect("gets through");
    }
    let vault = Device::default().open(&cluster).await;
    let settings = vault.settings();
    assert_eq!((settings.vault_name.as_str(), settings.devices.len()), ("Home", 1));
    let mut names = names(&vault);
    names.sort();
    assert_eq!(names[names.len() - 2..], ["One", "Two"].map(str::to_owned));
}

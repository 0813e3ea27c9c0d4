//! A private PostgreSQL starts, keeps its data, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use supervise::postgres::{Durability, Error, Postgres, run_sql};

/// A folder that the server's own user can enter when root runs the tests.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    folder
}

fn start(folder: &Path) -> Result<Postgres, Error> {
    Postgres::start(&folder.join("postgres"), &folder.join("log"), Durability::Full)
}

#[test]
fn data_survive_a_stop_and_a_start() {
    let folder = folder();
    let server = start(folder.path()).unwrap();
    server.ensure_database("app").unwrap();
    run_sql(&server.url("app", "app"), "CREATE TABLE t (x int); INSERT INTO t VALUES (7)").unwrap();
    drop(server);

    let server = start(folder.path()).unwrap();
    server.ensure_database("app").unwrap();
    assert_eq!(run_sql(&server.url("app", "app"), "SELECT x FROM t").unwrap().trim(), "7");
}

#[test]
fn the_role_of_a_database_is_unprivileged() {
    let server = Postgres::temporary().unwrap();
    server.ensure_database("app").unwrap();
    let refused = run_sql(&server.url("app", "app"), "CREATE DATABASE another").unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
}

#[test]
fn a_temporary_server_leaves_nothing_behind() {
    let server = Postgres::temporary().unwrap();
    let log = server.process().log().to_owned();
    let pid = server.process().pid();
    assert!(log.exists());
    drop(server);
    assert!(!log.parent().unwrap().exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn what_was_committed_survives_a_crash_under_the_same_url() {
    let mut server = Postgres::temporary_with(Durability::Full).unwrap();
    let url = server.admin_url();
    run_sql(&url, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)").unwrap();
    server.crash();
    assert!(run_sql(&url, "SELECT x FROM t").is_err());
    server.restart().unwrap();
    assert_eq!(run_sql(&url, "SELECT x FROM t").unwrap().trim(), "7");
}

#[test]
fn data_of_a_version_that_is_not_installed_are_refused() {
    let folder = folder();
    fs::create_dir(folder.path().join("postgres")).unwrap();
    fs::write(folder.path().join("postgres/PG_VERSION"), "9\n").unwrap();
    let error = start(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::OtherVersion { version, .. } if version == "9"), "{error}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let folder = folder();
    let _server = start(folder.path()).unwrap();
    let error = start(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Stopped { log } if log.contains("postmaster")), "{error}");
}

//! Each test gets a database of its own, on real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use supervise::postgres::run_sql;
use testkit::postgres::database;

#[tokio::test]
async fn databases_are_apart() {
    let (one, two) = (database().await, database().await);
    run_sql(&one.url(), "CREATE TABLE t (x int)").unwrap();
    assert!(run_sql(&one.url(), "SELECT * FROM t").is_ok());
    assert!(run_sql(&two.url(), "SELECT * FROM t").is_err());
}

#[tokio::test]
async fn a_database_goes_away_even_when_the_test_panics() {
    let _keeps_the_server = database().await;
    let task = tokio::spawn(async {
        let lost = database().await;
        std::panic::panic_any(lost.admin_url());
    });
    let url = task.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    let error = run_sql(&url, "SELECT 1").unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
}

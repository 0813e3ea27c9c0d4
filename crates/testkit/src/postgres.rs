//! A fresh database for each test, on real PostgreSQL.
//!
//! `cargo xtask test` starts one server for the whole run and names it in `TRIPLICATE_TEST_DATABASE_URL`.
//! Without it, a test process starts a private server, shared by the tests that run in it at the time.

use std::{
    process,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

pub use supervise::postgres::{Durability, Postgres, run_sql};

/// Names the superuser's connection URL to a running server.
pub const SERVER_VARIABLE: &str = "TRIPLICATE_TEST_DATABASE_URL";

/// A database of its own, dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: Server,
}

#[derive(Debug)]
enum Server {
    OfTheRun {
        admin_url: String,
    },
    OfThisProcess(Arc<Postgres>),
    /// For a test that crashes it.
    Crashable(Box<Postgres>),
}

/// Creates an empty database, owned by a role of the same name without privileges.
///
/// # Panics
/// When PostgreSQL is not installed or does not start: nothing can be tested then.
pub async fn database() -> Database {
    tokio::task::spawn_blocking(|| Database::create(Server::current()))
        .await
        .expect("creating a database does not panic")
}

/// The same in a server of its own, which can be crashed and keeps what was committed.
///
/// # Panics
/// As [`database`].
pub async fn crashable_database() -> Database {
    let create = || {
        let server = Postgres::temporary_with(Durability::Full);
        let server = server.unwrap_or_else(|error| panic!("no PostgreSQL to test on: {error}"));
        Database::create(Server::Crashable(Box::new(server)))
    };
    tokio::task::spawn_blocking(create).await.expect("creating a database does not panic")
}

impl Database {
    fn create(server: Server) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // CREATE DATABASE cannot share a transaction with CREATE ROLE.
        server.run(&format!("CREATE ROLE {name} LOGIN"));
        server.run(&format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"));
        Self { name, server }
    }

    /// The connection URL of the database's owner.
    pub fn url(&self) -> String {
        self.url_of(&self.name)
    }

    /// The connection URL of the superuser to this database, to look at or damage what a program stored.
    pub fn admin_url(&self) -> String {
        self.url_of("postgres")
    }

    /// What `psql` prints for a statement: unaligned rows only.
    ///
    /// # Panics
    /// If the statement fails.
    pub fn query(&self, statement: &str) -> String {
        let rows = run_sql(&self.admin_url(), statement);
        rows.unwrap_or_else(|error| panic!("{statement}: {error}")).trim().to_owned()
    }

    /// The same, or nothing while the server is away.
    pub fn try_query(&self, statement: &str) -> Option<String> {
        run_sql(&self.admin_url(), statement).ok().map(|rows| rows.trim().to_owned())
    }

    /// The server of a [`crashable_database`].
    ///
    /// # Panics
    /// On the server of others.
    pub fn server(&mut self) -> &mut Postgres {
        match &mut self.server {
            Server::Crashable(server) => server,
            _ => panic!("other tests use this server too"),
        }
    }

    fn url_of(&self, role: &str) -> String {
        let admin = self.server.admin_url();
        let (_, query) = admin.split_once('?').expect("our server's URL names its socket folder");
        format!("postgres://{role}@localhost/{}?{query}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // FORCE ends the connections of a pool that is still open.
        self.server.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        self.server.run(&format!("DROP ROLE {}", self.name));
    }
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the test run's configuration")]
    fn current() -> Self {
        static PRIVATE: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        if let Ok(admin_url) = std::env::var(SERVER_VARIABLE) {
            return Self::OfTheRun { admin_url };
        }
        let mut private = PRIVATE.lock().unwrap_or_else(PoisonError::into_inner);
        let server = private.upgrade().unwrap_or_else(|| {
            Arc::new(
                Postgres::temporary().unwrap_or_else(|error| panic!("no PostgreSQL to test on: {error}")),
            )
        });
        *private = Arc::downgrade(&server);
        Self::OfThisProcess(server)
    }

    fn admin_url(&self) -> String {
        match self {
            Self::OfTheRun { admin_url } => admin_url.clone(),
            Self::OfThisProcess(server) => server.admin_url(),
            Self::Crashable(server) => server.admin_url(),
        }
    }

    fn run(&self, statement: &str) {
        if let Err(error) = run_sql(&self.admin_url(), statement) {
            // A panic during another panic would abort the test and hide its message.
            assert!(std::thread::panicking(), "{statement}: {error}");
        }
    }
}

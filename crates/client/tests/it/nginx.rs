//! Everything through nginx, as `docs/ops/nginx.conf` says it: TLS and HTTP/2 to clients, http to the programs.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use ::tls::Roots;
use client::{Client, Ticket};
use futures_util::StreamExt as _;
use testkit::authority::VALID;
use testkit::{Authority, Process, TempDir, free_port, postgres, program, tempdir, wait_until};

use crate::native::{Device, LOGIN, PASSPHRASE, assert_restores, file, noise};

const DOCUMENTED: &str = include_str!("../../../../docs/ops/nginx.conf");
/// How the proxy says who asks, as the documentation has it.
const ADDRESS_HEADER: &str = "x-real-ip";

/// A program and where nginx offers it.
struct Fronted {
    own: u16,
    public: u16,
}

impl Fronted {
    fn new() -> Self {
        let port = || free_port().expect("a free port");
        Self { own: port(), public: port() }
    }

    fn origin(&self) -> String {
        format!("https://localhost:{}", self.public)
    }

    /// A documented server with this test's ports, name and certificate in place of the example's.
    fn configuration(&self, documented: &str, authority: &Authority) -> String {
        let mut text = String::new();
        for line in documented.lines() {
            let directive = line.trim_start().split(' ').next().unwrap_or_default();
            let _ = match directive {
                "listen" => writeln!(text, "{}", line.replace("443", &format!("127.0.0.1:{}", self.public))),
                "server_name" => writeln!(text, "server_name localhost;"),
                "ssl_certificate" => writeln!(text, "ssl_certificate {};", authority.certificate().display()),
                "ssl_certificate_key" => writeln!(text, "ssl_certificate_key {};", authority.key().display()),
                "proxy_pass" => writeln!(text, "proxy_pass http://127.0.0.1:{};", self.own),
                _ => writeln!(text, "{line}"),
            };
        }
        text
    }

    fn start(&self, name: &str, command: &mut Command, folder: &Path) -> Process {
        command.args(["--listen", &format!("127.0.0.1:{}", self.own), "--public-url", &self.origin()]);
        command.arg("--data").arg(folder.join(name));
        program::start(command, &folder.join(format!("{name}.log")))
    }
}

/// In one process, so that nothing of it outlives the test.
fn start_nginx(servers: &str, folder: &Path) -> Process {
    let place = folder.display();
    let configuration = format!(
        "daemon off; master_process off; pid {place}/pid; error_log stderr; events {{ }}\n\
         http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;\n\
         fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n{servers}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration).expect("a writable folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut command = Command::new("nginx");
    command.env("PATH", std::env::join_paths(folders).expect("paths of a path"));
    command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
    program::start(&command, &folder.join("nginx.log"))
}

#[tokio::test]
async fn backups_restores_and_events_pass_through_nginx() {
    let authority = Authority::new();
    authority.sign("localhost", VALID);
    let folder: TempDir = tempdir().expect("a folder");
    let database = postgres::database().await;
    let (coordinator, nodes) = (Fronted::new(), [Fronted::new(), Fronted::new(), Fronted::new()]);
    let documented: Vec<_> = DOCUMENTED.match_indices("server {").map(|(at, _)| &DOCUMENTED[at..]).collect();
    let (of_coordinator, of_node) = (documented[0].split("\n}\n").next(), documented[1]);
    let mut servers =
        format!("{}\n}}\n", coordinator.configuration(of_coordinator.expect("a server"), &authority));
    for node in &nodes {
        servers.push_str(&node.configuration(of_node, &authority));
    }
    let _nginx = start_nginx(&servers, folder.path());

    let mut command = Command::new(program::path("triplicate-coordinator"));
    command.arg("serve").env("TRIPLICATE_DATABASE_URL", database.url());
    command.args(["--client-address-header", ADDRESS_HEADER]);
    let _coordinator = coordinator.start("coordinator", &mut command, folder.path());
    let roots = Roots::with(Some(&authority.root())).expect("a root");
    let http = ::tls::http(&roots).no_proxy().build().expect("a client");
    let is_ready = async |origin: &str| {
        http.get(format!("{origin}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
    };
    let what = format!("the coordinator answers: {}", folder.path().display());
    wait_until(&what, async || is_ready(&coordinator.origin()).await).await;
    let mut running = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut command = Command::new(program::path("triplicate-node"));
        command.args(["--coordinator", &coordinator.origin(), "--zone", &format!("zone-{number}")]);
        command.arg("--tls-ca").arg(authority.root());
        command.env("TRIPLICATE_JOIN_TOKEN_FILE", folder.path().join("coordinator/join-token"));
        running.push(node.start(&format!("node-{number}"), &mut command, folder.path()));
    }
    for node in &nodes {
        wait_until("a node answers", async || is_ready(&node.origin()).await).await;
    }

    let link = std::fs::read_to_string(folder.path().join("coordinator/setup-link")).expect("a first run");
    let token = link.trim().split_once('#').expect("a token").1.to_owned();
    let client = Client::trusting(&coordinator.origin(), Rc::new(Device::default()), &roots);
    let pending = client.prepare_account(LOGIN, PASSPHRASE).await.expect("good names");
    let account = pending.register(Some(Ticket::Setup(token))).await.expect("registers");
    let mut events = account.events();
    events.next().await.expect("a stream that never ends arrives bit by bit").expect("an event");

    // Batches of 16 MiB, and more in all than nginx would buffer.
    let files = vec![("small", noise(1, 5000)), ("large", noise(2, 48 << 20))];
    let vault = account.open_vault().await.expect("opens");
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    vault.backup(new_files, &Rc::default()).await.expect("backs up");
    let status = vault.status().await.expect("status");
    assert_eq!(status.sources[0].copies[0].copies, 3, "nodes reach each other");
    assert_restores(&vault, &files).await;

    for origin in nodes.iter().chain([&coordinator]).map(Fronted::origin) {
        let metrics = http.get(format!("{origin}/metrics")).send().await.expect("answers");
        assert_eq!(metrics.status(), 403, "who comes through the proxy is not of this machine");
    }
}

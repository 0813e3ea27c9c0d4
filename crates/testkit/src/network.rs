//! A network of a test's own: a namespace with nothing but loopback, whose packets nftables can lose.
//!
//! What is lost so leaves both ends without a word, unlike what a proxy does. Needs the right to make namespaces.

use std::process::Command;

use rustix::thread::UnshareFlags;
use tokio::runtime::Builder;

/// Runs a test in a network of its own, with all programs that it starts; says why it is skipped if that is not possible.
///
/// # Panics
/// If the test does.
pub fn in_own_network(test: impl Future<Output = ()>) {
    // Of this thread, and of those and the programs that it starts.
    #[expect(deprecated, reason = "what is unsafe about it are file descriptors, and these stay shared")]
    let unshared = rustix::thread::unshare(UnshareFlags::NEWNET);
    if let Err(error) = unshared {
        eprintln!("skipped: a network of its own: {error}");
        return;
    }
    for command in ["ip link set lo up", "nft add table inet faults", CHAIN] {
        if let Err(why) = try_run(command) {
            eprintln!("skipped: {why}");
            return;
        }
    }
    // Its threads are started by this one, and so are in its network.
    Builder::new_current_thread().enable_all().build().expect("a runtime starts").block_on(test);
}

const CHAIN: &str = "nft add chain inet faults output { type filter hook output priority 0 ; }";

/// Packets that are lost.
#[derive(Debug, Clone, Copy)]
pub enum Lost {
    /// All that who listens at the port sends: requests arrive, and answers do not.
    AnswersOf(u16),
    /// All of more than a thousand bytes to the port: who listens there is heard and greeted, but gets no data.
    LargeOnesTo(u16),
}

/// Loses such packets from now on.
///
/// # Panics
/// Outside of [`in_own_network`].
pub fn lose(packets: Lost) {
    let rule = match packets {
        Lost::AnswersOf(port) => format!("tcp sport {port}"),
        Lost::LargeOnesTo(port) => format!("tcp dport {port} meta length > 1000"),
    };
    must_run(&format!("nft add rule inet faults output {rule} drop"));
}

/// Loses nothing any more.
///
/// # Panics
/// As [`lose`].
pub fn lose_nothing() {
    must_run("nft flush chain inet faults output");
}

fn must_run(command: &str) {
    try_run(command).unwrap_or_else(|why| panic!("{why}"));
}

fn try_run(command: &str) -> Result<(), String> {
    let (program, arguments) = command.split_once(' ').expect("a program and its arguments");
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

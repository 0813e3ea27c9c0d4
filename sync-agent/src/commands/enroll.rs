//! `enroll`: makes this machine a device of an account.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::Context as _;
use client::EnrolmentLink;
use zeroize::Zeroizing;

use super::{Context, Failure, host};
use crate::exit::Exit;
use crate::keys;

/// Options of `enroll`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not ask whether the address is right
    #[arg(long)]
    yes: bool,
}

/// Reads the link, asks whether its address is right, and waits until the owner admits this machine.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let _lock = context.lock()?;
    if keys::are_there(&context.state) {
        let message = format!("{} belongs to a device already", context.state.path().display());
        return Err(Failure { exit: Exit::Failed, message });
    }
    let text = match context.config.enrol_link.read().map_err(anyhow::Error::from)? {
        Some(link) => Zeroizing::new(link.expose().to_owned()),
        None => read_link()?,
    };
    let link = EnrolmentLink::parse(text.trim()).map_err(anyhow::Error::from)?;
    if !args.yes && !confirm(link.origin())? {
        return Err(Failure { exit: Exit::Failed, message: "not enrolled".to_owned() });
    }
    enroll(context, &link).await?;
    Ok(Exit::Ok)
}

/// Asks to be admitted, and keeps what was granted.
///
/// # Errors
/// Those of the client and of the key store.
pub(super) async fn enroll(context: &Context, link: &EnrolmentLink) -> anyhow::Result<()> {
    let host = host();
    context.output.line(format!("Asking {} to admit {host}. Confirm it in the web app.", link.origin()));
    let client = context.client(link.origin())?;
    let store = client.enrol(link, &host).await?;
    // Nobody can grant them again: they are kept before anything else can fail.
    keys::save(&context.state, &store, &context.config).await?;
    client.open_device(&store).await?;
    context.output.line(format!("{host} is enrolled as device {}.", store.device));
    context.output.object(&serde_json::json!({ "device": store.device, "origin": store.origin }));
    Ok(())
}

fn read_link() -> anyhow::Result<Zeroizing<String>> {
    prompt("Link from the web app's Devices page: ")?;
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line).context("the link cannot be read")?;
    Ok(line)
}

fn confirm(origin: &str) -> anyhow::Result<bool> {
    prompt(&format!("Enrol this machine at {origin}? [y/N] "))?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("the answer cannot be read")?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn prompt(text: &str) -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        let mut out = io::stderr().lock();
        write!(out, "{text}").and_then(|()| out.flush()).context("cannot ask")?;
    }
    Ok(())
}

//! `check`: whether everything is there, in enough copies, and a sample of it right.

use std::str::FromStr;

use client::{CheckEvent, CheckSummary, Sample, SourceInfo, Vault};
use protocol::id::DeviceId;
use serde_json::json;

use super::select::open_vaults;
use super::{Context, Failure};
use crate::exit::Exit;
use crate::keys;
use crate::output::{Output, size};

/// Options of `check`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without options, all folder trees are read and every copy is looked up. With --read-data-subset, blobs are also \
downloaded, every copy of them, compared and opened. If --read-data finds everything right, the coordinator shows this \
device's folders as proven.

Examples:
  triplicate-agent check
  triplicate-agent check --read-data-subset 1%
  triplicate-agent check --read-data-subset 3/7
  triplicate-agent check --read-data-subset 500M")]
pub struct Args {
    /// How much to download: `1%`, part `n/t` of it, or a size like `500M`
    #[arg(long, value_name = "1%|n/t|SIZE")]
    read_data_subset: Option<Subset>,
    /// Download everything
    #[arg(long, conflicts_with = "read_data_subset")]
    read_data: bool,
}

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Subset(Sample);

impl FromStr for Subset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sample = if let Some(percent) = text.strip_suffix('%') {
            percent.parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0).map(Sample::Percent)
        } else if let Some((part, of)) = text.split_once('/') {
            let numbers = part.parse().ok().zip(of.parse().ok());
            numbers.filter(|(part, of)| (1..=*of).contains(part)).map(|(part, of)| Sample::Part { part, of })
        } else {
            bytes(text).map(Sample::Bytes)
        };
        sample.map(Self).ok_or_else(|| format!("{text} is neither a percentage, a part like 2/5, nor a size"))
    }
}

/// Bytes, or with K, M, G or T so many times 1024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Checks all vaults that the device was given.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    tokio::select! {
        exit = check(&args, context) => Ok(exit?),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn check(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let sample = match args.read_data_subset {
        _ if args.read_data => Sample::Percent(100.0),
        Some(Subset(sample)) => sample,
        None => Sample::Nothing,
    };
    let output = context.output;
    let bar = output.bar();
    bar.set_style(indicatif::ProgressStyle::with_template(
        "{spinner} {bar:30} {pos}/{len} blobs {eta} left",
    )?);
    let mut sum = CheckSummary::default();
    let device = keys::load(&context.state, &context.config).await?.device;
    for vault in open_vaults(context).await? {
        let mut on_event = |event: CheckEvent| match event {
            CheckEvent::Progress { done, total } => {
                bar.set_length(total);
                bar.set_position(done);
            }
            damage => bar.suspend(|| tell(output, &damage)),
        };
        let of_vault = vault.check(sample, &mut on_event).await?;
        if args.read_data && !of_vault.is_damaged() {
            report_proofs(&vault, device).await?;
        }
        sum.add(&of_vault);
    }
    bar.finish_and_clear();
    summarise(output, &sum);
    Ok(if sum.is_damaged() { Exit::Failed } else { Exit::Ok })
}

/// Whatever a device backs up itself, it has just read back as a whole.
async fn report_proofs(vault: &Vault, device: DeviceId) -> Result<(), client::Error> {
    let own =
        |source: &SourceInfo| source.device == Some(device) && source.newest.is_some() && !source.removed;
    for source in vault.sources().into_iter().filter(own) {
        vault.report_proof(source.source).await?;
    }
    Ok(())
}

fn tell(output: Output, damage: &CheckEvent) {
    let (item, message) = match damage {
        CheckEvent::Progress { .. } => return,
        CheckEvent::BrokenSnapshot { seq, reason, .. } => {
            (seq.to_string(), format!("snapshot {seq} cannot be read: {reason}"))
        }
        CheckEvent::Missing(blob) => (blob.to_string(), format!("blob {blob} is on no node that is up")),
        CheckEvent::DamagedCopy { blob, node, reason } => {
            (blob.to_string(), format!("blob {blob} on node {}: {reason}", node.short()))
        }
        CheckEvent::Unreadable(blob) => (blob.to_string(), format!("blob {blob} cannot be read")),
    };
    output.problem_during("check", &item, &message);
}

fn summarise(output: Output, sum: &CheckSummary) {
    let damaged = sum.is_damaged();
    output.object(&json!({
        "message_type": "summary",
        "damaged": damaged,
        "snapshots": sum.snapshots,
        "broken_snapshots": sum.broken_snapshots,
        "blobs": sum.blobs,
        "bytes": sum.bytes,
        "missing": sum.missing,
        "at_risk": sum.at_risk,
        "few_copies": sum.few_copies,
        "read_blobs": sum.read_blobs,
        "read_bytes": sum.read_bytes,
        "damaged_copies": sum.damaged_copies,
        "unreadable": sum.unreadable,
    }));
    output.line(format!("{} snapshots need {} blobs, {}", sum.snapshots, sum.blobs, size(sum.bytes)));
    if sum.read_blobs > 0 {
        let read = size(sum.read_bytes);
        output.line(format!("{} of them were read from every node that has them, {read}", sum.read_blobs));
    }
    for (count, what) in [
        (sum.broken_snapshots, "snapshots cannot be read"),
        (sum.missing, "blobs are on no node that is up"),
        (sum.at_risk, "blobs have so few copies that they are at risk"),
        (sum.few_copies, "blobs have a copy too few; the cluster makes new ones by itself"),
        (sum.damaged_copies, "copies are damaged"),
        (sum.unreadable, "blobs cannot be read"),
    ] {
        if count > 0 {
            output.line(format!("{count} {what}"));
        }
    }
    output.line(if damaged { "Damage was found" } else { "No damage was found" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_percentage_a_fraction_or_a_size() {
        let subset = |text: &str| text.parse().map(|Subset(sample)| sample);
        assert_eq!(subset("2.5%"), Ok(Sample::Percent(2.5)));
        assert_eq!(subset("2/5"), Ok(Sample::Part { part: 2, of: 5 }));
        assert_eq!(subset("500M"), Ok(Sample::Bytes(500 << 20)));
        for wrong in ["0%", "101%", "0/5", "6/5", "1/0", "much", "5X", "99999999999T", ""] {
            assert!(subset(wrong).is_err(), "{wrong}");
        }
    }
}

//! What the processes beneath this one take: processor time and memory, by what they are for, from /proc.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    time::Instant,
};

/// Linux counts processor time for user space in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a row cost, so far.
pub(super) struct Usage {
    start: Instant,
    /// Seconds of processor time by kind of process.
    cpu: BTreeMap<&'static str, f64>,
    /// The largest sum of proportional set sizes of each kind, in bytes.
    memory: BTreeMap<&'static str, u64>,
    /// The largest sum of all of the browser's processes at one time.
    pub(super) browser_memory: u64,
    /// Of each process when it was last looked at.
    ticks: HashMap<u32, u64>,
}

/// One process of the tree.
struct Process {
    pid: u32,
    kind: &'static str,
    ticks: u64,
}

impl Usage {
    /// Counts from now.
    pub(super) fn begin() -> Self {
        Self {
            start: Instant::now(),
            cpu: BTreeMap::new(),
            memory: BTreeMap::new(),
            browser_memory: 0,
            ticks: processes().into_iter().map(|process| (process.pid, process.ticks)).collect(),
        }
    }

    /// Looks at all processes again. What a process did after the last look at it is lost when it ends.
    pub(super) fn sample(&mut self) {
        let mut memory: BTreeMap<&'static str, u64> = BTreeMap::new();
        for process in processes() {
            let before = self.ticks.insert(process.pid, process.ticks).unwrap_or(0);
            let spent = process.ticks.saturating_sub(before) as f64 / TICKS_PER_SECOND;
            *self.cpu.entry(process.kind).or_default() += spent;
            *memory.entry(process.kind).or_default() += proportional_set_size(process.pid).unwrap_or(0);
        }
        let of_browser = memory.iter().filter(|(kind, _)| kind.starts_with("browser"));
        self.browser_memory = self.browser_memory.max(of_browser.map(|(_, bytes)| bytes).sum());
        for (kind, bytes) in memory {
            let peak = self.memory.entry(kind).or_default();
            *peak = bytes.max(*peak);
        }
    }

    /// The largest sum of one kind's processes, in bytes.
    pub(super) fn memory_of(&self, kind: &str) -> u64 {
        self.memory.get(kind).copied().unwrap_or(0)
    }

    /// Seconds of processor time of all processes; hardly changed by what else the machine does.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.cpu.values().sum()
    }

    /// Cores that each kind kept busy, and its peak of memory.
    pub(super) fn describe(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let kinds = self.memory.iter().map(|(kind, bytes)| {
            let cores = self.cpu.get(kind).copied().unwrap_or(0.0) / seconds;
            format!("{kind} {cores:.2} cores {:.0} MB", *bytes as f64 / 1e6)
        });
        kinds.collect::<Vec<_>>().join(" · ")
    }
}

/// All processes beneath this one.
fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: Vec<(u32, u32, u64, String)> = pids.filter_map(read_stat).collect();
    all.sort_unstable_by_key(|(pid, ..)| *pid);
    let mut beneath = HashSet::from([std::process::id()]);
    // Pids are not always larger than their parents': until nothing is added.
    while all
        .iter()
        .fold(false, |grew, (pid, parent, ..)| beneath.contains(parent) && beneath.insert(*pid) || grew)
    {}
    beneath.remove(&std::process::id());
    all.into_iter()
        .filter(|(pid, ..)| beneath.contains(pid))
        .map(|(pid, _, ticks, name)| Process { pid, kind: kind(pid, &name), ticks })
        .collect()
}

/// Pid, parent, ticks in user and kernel mode, name; `None` if it has ended.
fn read_stat(pid: u32) -> Option<(u32, u32, u64, String)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character.
    let (start, fields) = line.rsplit_once(") ")?;
    let (_, name) = start.split_once('(')?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some((pid, fields.get(1)?.parse().ok()?, ticks, name.to_owned()))
}

/// What a process is for.
fn kind(pid: u32, name: &str) -> &'static str {
    match name {
        "triplicate-node" => return "nodes",
        "triplicate-coor" => return "coordinator",
        "postgres" => return "postgres",
        _ if !name.starts_with("chrom") => return "other",
        _ => {}
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    if line.contains("--type=renderer") {
        "browser: tab"
    } else if line.contains("NetworkService") {
        "browser: network"
    } else if line.contains("--type=") {
        "browser: other"
    } else {
        "browser: main"
    }
}

/// Resident bytes, those shared with others counted in part.
fn proportional_set_size(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

//! What a running gateway costs, as the kernel tells it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_testkit::gateway::Gateway;

/// A gateway's process.
pub(crate) struct Process {
    folder: String,
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

impl Process {
    /// The child of ours that was started with this gateway's admin address.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        let admin = format!("--admin\0{}\0", gateway.admin_address());
        let ours = format!("PPid:\t{}\n", std::process::id());
        let is_it = |folder: &String| {
            let read = |file: &str| fs::read_to_string(format!("{folder}/{file}"));
            let child = read("status").is_ok_and(|status| status.contains(&ours));
            child && read("cmdline").is_ok_and(|line| line.contains(&admin))
        };
        let all = fs::read_dir("/proc").expect("a Linux").flatten();
        let mut folders = all.map(|entry| entry.path().display().to_string());
        Self {
            folder: folders.find(is_it).expect("the gateway runs"),
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("{}/status", self.folder)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB"));
        size.and_then(|size| size.parse().ok()).expect("a size")
    }

    pub(crate) fn cost(&self) -> Cost {
        let count = |part: &str| {
            let entries = fs::read_dir(format!("{}/{part}", self.folder));
            entries.expect("it runs").count()
        };
        Cost {
            files: count("fd"),
            threads: count("task"),
        }
    }

    /// The cost once it stays the same for a moment.
    pub(crate) fn settled(&self) -> Cost {
        let (begun, mut last, mut same) = (Instant::now(), self.cost(), 0);
        while same < 5 {
            assert!(begun.elapsed() < SETTLE, "it never rests: {last:?}");
            sleep(Duration::from_millis(100));
            let now = self.cost();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    /// Waits until it costs no more than `before`; idle helper threads live on for ten seconds.
    ///
    /// # Panics
    /// When it costs more for good.
    pub(crate) fn returns_to(&self, before: Cost) -> Cost {
        let begun = Instant::now();
        loop {
            let now = self.cost();
            if now.files <= before.files && now.threads <= before.threads {
                return now;
            }
            assert!(begun.elapsed() < SETTLE, "{now:?} is more than {before:?}");
            sleep(Duration::from_millis(100));
        }
    }
}

const SETTLE: Duration = Duration::from_secs(20);

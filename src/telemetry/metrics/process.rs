//! Memory, descriptors and processor time of this process, read from `/proc` at each scrape.
//!
//! The names are the ones that every Prometheus client library uses. What cannot be read, as on
//! other systems than Linux or without a free descriptor, is left out.

use std::fs;

use super::text::Text;
use crate::clock::UnixMillis;

/// Clock ticks a second in `/proc/self/stat`: part of Linux's ABI on all machines we build for.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn write(text: &mut Text, started: UnixMillis) {
    let mut one = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, kind, help);
            text.sample(name, "", None, value);
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    one("process_cpu_seconds_total", "counter", "Processor time used.", cpu_seconds(&stat));
    one(
        "process_resident_memory_bytes",
        "gauge",
        "Memory resident.",
        status_number(&status, "VmRSS:").map(|kib| kib * 1024.0),
    );
    one(
        "process_virtual_memory_bytes",
        "gauge",
        "Memory mapped.",
        status_number(&status, "VmSize:").map(|kib| kib * 1024.0),
    );
    one("process_threads", "gauge", "Threads.", status_number(&status, "Threads:"));
    one("process_open_fds", "gauge", "Descriptors open.", open_descriptors());
    one("process_max_fds", "gauge", "Descriptors allowed.", max_descriptors(&limits));
    one(
        "process_start_time_seconds",
        "gauge",
        "When the process began, by the wall clock.",
        Some(super::seconds(started)),
    );
}

fn status_number(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// utime and stime are the 14th and 15th field; the 2nd may hold anything, but ends at the last `)`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[allow(clippy::cast_precision_loss)]
fn open_descriptors() -> Option<f64> {
    // The directory's own descriptor is among them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, max_descriptors};

    #[test]
    fn a_process_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (x) S"), None);
    }

    #[test]
    fn no_limit_on_descriptors_leaves_the_metric_out() {
        assert_eq!(
            max_descriptors("Max open files            1024     4096     files"),
            Some(1024.0)
        );
        assert_eq!(max_descriptors("Max open files            unlimited unlimited files"), None);
    }
}

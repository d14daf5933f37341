//! A process that is killed, again and again, leaves nothing behind that the next one minds.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authorization::protected;
use crate::support::{Gateway, Issuer, Target, wire};

/// From the start of the process to a green `/readyz`. Far more than it takes: reaching it fails.
const READY: Duration = Duration::from_secs(3);

/// On one port, which each takes over from the one before.
fn killed_fifty_times(more: &str) {
    let (issuer, target) = (Issuer::start(), Target::start());
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = probe.local_addr().expect("an address");
    drop(probe);
    let yaml = format!("{more}{}", protected(&issuer, &target))
        .replace("    address: 127.0.0.1:0\n", &format!("    address: {address}\n"));
    let bearer = format!("Bearer {}", issuer.token());
    let mut times = Vec::new();
    for round in 0..50 {
        let began = Instant::now();
        let mut gateway = Gateway::start(&yaml);
        times.push(began.elapsed());
        let asked = wire::request(address, "GET", "/orders/1", &[("Authorization", &bearer)]);
        assert_eq!(asked.status, 200, "round {round}");
        // In the middle of what writes to disk: a new file that has just been told, or is not yet.
        gateway.write(&yaml.replace("status_code: 404", &format!("status_code: {}", 405 + round)));
        gateway.signal("HUP");
        if round % 2 == 0 {
            gateway.wait_log(&["\"reloaded\""]);
        }
        gateway.signal("KILL");
        assert!(!gateway.wait_exit().success());
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(slowest < READY, "ready after {median:?}, and at worst after {slowest:?}");
}

#[test]
fn after_each_of_fifty_kills_the_next_one_is_ready_at_once() {
    killed_fifty_times("");
}

#[test]
fn a_kill_leaves_no_state_on_disk_that_the_next_one_cannot_start_with() {
    let folder = TempDir::new().expect("a folder");
    killed_fifty_times(&format!("state_directory: {}\n", folder.path().display()));
}

//! What the service manager hears on its socket: ready, reloading, stopping, still alive.

use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use crate::authorization::protected;
use crate::support::issuer::Mode;
use crate::support::process::PATIENCE;
use crate::support::{Gateway, Issuer, Start, Target, eventually};

/// As systemd's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, folder }
    }

    fn start(&self, yaml: &str) -> Start {
        let path = self.folder.path().join("notify").display().to_string();
        Start::with(yaml).env("NOTIFY_SOCKET", &path)
    }

    /// The lines of the next message.
    fn hear(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("the manager is told");
        String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect()
    }

    /// Whether nothing was said that has not been heard.
    fn has_heard_all(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a socket");
        let is_silent = self.socket.recv(&mut [0; 16]).is_err();
        self.socket.set_nonblocking(false).expect("a socket");
        is_silent
    }

    fn hears_ready(&self) -> String {
        let told = self.hear();
        assert_eq!(told.first().map(String::as_str), Some("READY=1"), "{told:?}");
        told.get(1).and_then(|line| line.strip_prefix("STATUS=")).expect("a status").to_owned()
    }

    /// Returns when the reload began, by the monotonic clock.
    fn hears_reloading(&self) -> u64 {
        let told = self.hear();
        assert_eq!(told.first().map(String::as_str), Some("RELOADING=1"), "{told:?}");
        let began = told.get(1).and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        began.expect("when it began").parse().expect("microseconds")
    }
}

/// Stops it, and returns the limit in microseconds that it asks for.
fn stop(manager: &Manager, mut gateway: Gateway) -> u64 {
    gateway.signal("TERM");
    let told = manager.hear();
    assert_eq!(told.first().map(String::as_str), Some("STOPPING=1"), "{told:?}");
    let limit = told.iter().find_map(|line| line.strip_prefix("EXTEND_TIMEOUT_USEC="));
    assert_eq!(gateway.wait_exit().code(), Some(0));
    assert!(manager.has_heard_all(), "nothing follows the end");
    limit.expect("a limit").parse().expect("microseconds")
}

#[test]
fn the_manager_hears_ready_when_readyz_is_green_and_stopping_with_the_time_it_may_take() {
    let (issuer, target) = (Issuer::start(), Target::start());
    issuer.set(Mode::Hang);
    let yaml = format!(
        "startup_wait: 3s\nshutdown: {{ pre_stop_wait: 0s, drain_limit: 7s }}\n{}",
        protected(&issuer, &target)
    );
    let manager = Manager::new();
    let gateway = manager.start(&yaml).unready().run();
    assert_eq!(gateway.ask_admin("/readyz").status, 503);
    assert_eq!(manager.hears_ready(), "serving");
    // Said too early, it would be red still.
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
    let limit = stop(&manager, gateway);
    assert!(limit > 7_000_000, "{limit}");
}

#[test]
fn the_manager_hears_each_reload_begin_and_end_and_whether_the_file_was_refused() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 0s }}\n{}", protected(&issuer, &target));
    let manager = Manager::new();
    let gateway = manager.start(&yaml).run();
    manager.hears_ready();
    gateway.signal("HUP");
    let first = manager.hears_reloading();
    assert_eq!(manager.hears_ready(), "serving");
    gateway.write("listeners: nonsense\n");
    let second = manager.hears_reloading();
    assert!(second > first, "{first} {second}");
    assert!(manager.hears_ready().contains("refused"));
    gateway.write(&yaml);
    manager.hears_reloading();
    assert_eq!(manager.hears_ready(), "serving");
    stop(&manager, gateway);
}

#[test]
fn a_reload_before_the_start_is_over_does_not_tell_the_manager_that_it_is() {
    let (issuer, target) = (Issuer::start(), Target::start());
    issuer.set(Mode::Hang);
    let yaml = format!("startup_wait: 3s\n{}", protected(&issuer, &target));
    let manager = Manager::new();
    let mut gateway = manager.start(&yaml).unready().run();
    gateway.write(&format!("{yaml}# changed\n"));
    gateway.wait_log(&["reloaded"]);
    assert_eq!(manager.hears_ready(), "serving");
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
}

#[test]
fn the_watchdog_is_fed_faster_than_it_bites_and_not_when_it_is_for_another_process() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let manager = Manager::new();
    let _gateway = manager.start(&yaml).env("WATCHDOG_USEC", "200000").run();
    let mut fed = 0;
    eventually("the watchdog is fed", || {
        fed += u32::from(manager.hear() == ["WATCHDOG=1"]);
        (fed == 3).then_some(())
    });
    let other = Manager::new();
    let gateway = other.start(&yaml).env("WATCHDOG_USEC", "2000").env("WATCHDOG_PID", "1").run();
    other.hears_ready();
    gateway.signal("HUP");
    other.hears_reloading();
    other.hears_ready();
    assert!(other.has_heard_all());
}

#[test]
fn a_manager_that_cannot_be_told_does_not_keep_it_from_serving() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let start = Start::with(&protected(&issuer, &target)).env("NOTIFY_SOCKET", "/nowhere/notify");
    let mut gateway = start.run();
    gateway.wait_log(&["the service manager cannot be told"]);
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
}

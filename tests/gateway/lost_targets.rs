//! Targets that are gone without a word: no FIN, no RST, only silence.

use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Gateway, Start, Target, skipped, wire};

fn before(targets: &[String], timeouts: &str) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n  all:\n    \
         targets: [{}]\n    health_check: {{ enabled: false }}\n    timeouts: {timeouts}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: all\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        targets.join(", ")
    )
}

#[test]
fn a_kept_connection_that_falls_silent_costs_one_answer_and_is_not_kept_any_longer() {
    let falls_silent = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&falls_silent);
    let target = Target::speaking(move |_, stream| {
        use std::io::Write;
        if flag.swap(false, Ordering::SeqCst) {
            // Until the gateway gives it up.
            let _ = stream.read(&mut [0; 16]);
            return false;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let yaml = before(&[target.address().to_string()], "{ response: 500ms }");
    let gateway = Gateway::start(&yaml);
    assert_eq!(wire::get(gateway.address(), "/1").status, 200);
    falls_silent.store(true, Ordering::SeqCst);
    // The target may have acted on it: it is not sent again.
    assert_eq!(wire::get(gateway.address(), "/2").status, 504);
    assert_eq!(wire::get(gateway.address(), "/3").status, 200);
    assert_eq!(target.connections(), 2, "the silent one was kept");
    assert_eq!(target.taken().len(), 3);
}

/// A network of its own for a target, from which nothing may come any more.
struct Island {
    name: String,
    host: String,
    target: String,
}

fn ip(arguments: &str) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments.split(' ')).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Island {
    /// `None` where the tests may not make one.
    fn rise() -> Option<Self> {
        let pid = std::process::id();
        let [_, _, high, low] = pid.to_be_bytes();
        let net = format!("10.{}.{low}", 100 + high % 100);
        let name = format!("pc{pid}");
        let island = Self { host: format!("{net}.1"), target: format!("{net}.2"), name };
        let Self { host, target, name } = &island;
        let is_up = ip(&format!("netns add {name}"))
            && ip(&format!("link add {name}a type veth peer name {name}b netns {name}"))
            && ip(&format!("addr add {host}/30 dev {name}a"))
            && ip(&format!("link set {name}a up"))
            && ip(&format!("-n {name} addr add {target}/30 dev {name}b"))
            && ip(&format!("-n {name} link set {name}b up"))
            && ip(&format!("-n {name} link set lo up"));
        is_up.then_some(island)
    }

    /// Not even an acknowledgement leaves it from now on.
    fn sink(&self) {
        assert!(ip(&format!("-n {} route add blackhole {}/32", self.name, self.host)));
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        ip(&format!("link del {}a", self.name));
    }
}

#[test]
fn requests_for_a_target_that_is_gone_without_a_word_are_served_by_another_in_time() {
    let Some(island) = Island::rise() else {
        return skipped("it needs the right to make a network namespace");
    };
    // Any server will do for a target: another gateway is one that runs in that network.
    let far = Start::with(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nlisteners:\n  far:\n    address: {}:0\n    \
         default_action: {{ fixed_response: {{ status_code: 200, message_body: far }} }}\n",
        island.target
    ))
    .after(&format!("exec ip netns exec {} \"$0\" \"$@\"", island.name))
    .unready()
    .run();
    let near = Target::start();
    let targets = [far.address().to_string(), near.address().to_string()];
    let limits = "{ connect: 1s, send: 1s, response: 15s }";
    let gateway = Gateway::start(&before(&targets, limits));
    let bodies: Vec<String> = (0..4).map(|_| wire::get(gateway.address(), "/x").text()).collect();
    assert!(bodies.contains(&"far".to_owned()) && bodies.contains(&"ok".to_owned()), "{bodies:?}");

    island.sink();
    for n in 0..4 {
        // The first that goes there has a kept connection, the next has to make one.
        let began = Instant::now();
        let answer = wire::get(gateway.address(), "/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "request {n}");
        // In a quiet moment at most the connect limit and one second more.
        assert!(began.elapsed() < Duration::from_secs(6), "request {n}: {:?}", began.elapsed());
    }
    assert!(gateway.metric("portcullis_upstream_retries_total") >= Some(1.0));
}

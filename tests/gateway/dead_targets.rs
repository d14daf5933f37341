//! Targets that die in the middle of their work, and come back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::balancing::{Stop, UNCHECKED, before, orders};
use crate::support::mortal::Mortal;
use crate::support::{Connection, Gateway, Target, eventually, wire};

#[test]
fn a_killed_target_costs_at_most_the_requests_inside_it() {
    const CLIENTS: usize = 4;
    let mortal = Mortal::start();
    let survivor = Target::start();
    let gateway = Gateway::start(&before(&[mortal.address, survivor.address()], UNCHECKED));
    let stop = AtomicBool::new(false);
    let lost = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let address = gateway.address();
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(address);
                while !stop.load(Ordering::SeqCst) {
                    // Not idempotent: what may have been acted on is never sent again.
                    connection.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
                    let answer = connection.read();
                    if answer.status == 200 {
                        done.fetch_add(1, Ordering::SeqCst);
                    } else {
                        assert_eq!(answer.status, 502, "{answer:?}");
                        lost.fetch_add(1, Ordering::SeqCst);
                        connection = Connection::open(address);
                    }
                }
            });
        }
        eventually("it serves", || (mortal.served.load(Ordering::SeqCst) > 100).then_some(()));
        mortal.kill();
        let then = done.load(Ordering::SeqCst);
        eventually("others go on", || (done.load(Ordering::SeqCst) > then + 200).then_some(()));
    });
    // Those that were with it at that moment, and those that were just about to reuse a connection
    // of which nobody knew yet that it was dead.
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost <= 2 * CLIENTS, "{lost} lost");
}

#[test]
fn when_all_targets_have_died_answers_are_502_at_once_and_one_that_is_back_serves_at_once() {
    let targets = [Mortal::start(), Mortal::start()];
    let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.address).collect();
    let more = "health_check: { interval: 200ms, timeout: 200ms, healthy_threshold: 2, \
        unhealthy_threshold: 2 }";
    let gateway = Gateway::start(&before(&addresses, more));
    let in_state = |state: &str, count: usize| {
        eventually(state, || {
            let targets = orders(&gateway)["targets"].as_array().expect("a list").clone();
            let found = targets.iter().filter(|target| target["state"] == state).count();
            (found == count).then_some(())
        });
    };
    in_state("healthy", 2);
    targets.iter().for_each(Mortal::kill);
    in_state("unhealthy", 2);
    for _ in 0..4 {
        let began = Instant::now();
        assert_eq!(wire::get(gateway.address(), "/x").status, 502);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let _back = Mortal::at(addresses[0]);
    // No check need have found it: requests go to all, and one that finds nobody tries the other.
    for _ in 0..4 {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    }
    in_state("healthy", 1);
    assert_eq!(orders(&gateway)["fail_open"], false);
}

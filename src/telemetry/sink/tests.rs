use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn counter() -> IntCounter {
    IntCounter::new("test", "test").unwrap()
}

fn to_file(path: &Path, hand_over: usize, dropped: &IntCounter) -> Sink {
    Sink::start(Destination::File(path.to_owned()), hand_over, dropped.clone()).unwrap()
}

fn write(sink: &Sink, line: &str) {
    sink.write(|out| out.extend_from_slice(line.as_bytes()));
}

/// Waits for something that another thread does, without a fixed time.
fn until(mut is_so: impl FnMut() -> bool) {
    let gives_up = clock::monotonic() + LONG;
    while !is_so() {
        assert!(clock::monotonic() < gives_up, "waited too long");
        std::thread::yield_now();
    }
}

fn named_pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

fn reader(path: &Path) -> fs::File {
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

#[test]
fn every_line_of_every_thread_arrives_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let dropped = counter();
    let sink = to_file(&path, 256, &dropped);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let sink = &sink;
            scope.spawn(move || {
                for number in 0..1000 {
                    write(sink, &format!("{thread} {number}\n"));
                    if number % 50 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    assert!(sink.flush_and_stop(LONG));
    let text = fs::read_to_string(&path).unwrap();
    let mut last = [None; 8];
    let mut lines = 0;
    for line in text.lines() {
        let (thread, number) = line.split_once(' ').unwrap();
        let (thread, number): (usize, u64) = (thread.parse().unwrap(), number.parse().unwrap());
        assert!(last[thread] < Some(number), "{line} out of order");
        last[thread] = Some(number);
        lines += 1;
    }
    assert_eq!(lines + dropped.get(), 8000);
}

#[test]
fn a_single_line_does_not_wait_for_its_buffer_to_fill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sink = to_file(&path, 32 * 1024, &counter());
    for line in ["one\n", "two\n"] {
        // Once from a fresh writer and once from one that went to sleep in between.
        write(&sink, line);
        until(|| fs::read_to_string(&path).unwrap().ends_with(line));
        until(|| sink.shared.sleeping.load(Ordering::SeqCst));
    }
}

#[test]
fn the_last_lines_are_written_when_the_sink_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sink = to_file(&path, 32 * 1024, &counter());
    write(&sink, "last\n");
    drop(sink);
    until(|| fs::read_to_string(&path).unwrap() == "last\n");
}

#[test]
fn a_full_disk_drops_and_counts() {
    let dropped = counter();
    let sink = to_file(Path::new("/dev/full"), 0, &dropped);
    (0..10).for_each(|_| write(&sink, "lost\n"));
    assert!(sink.flush_and_stop(LONG));
    assert_eq!(dropped.get(), 10);
}

#[test]
fn a_blocked_pipe_drops_and_counts_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = named_pipe(folder.path());
    let mut reader = reader(&path);
    let dropped = counter();
    let sink = to_file(&path, 0, &dropped);
    let line = "x".repeat(1023) + "\n";
    // The pipe holds 64 KiB, the queue 32 lines; the writer hangs on one.
    let began = clock::monotonic();
    (0..1000).for_each(|_| write(&sink, &line));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(dropped.get() > 0);

    let mut text = Vec::new();
    until(|| {
        write(&sink, "after\n");
        let _ = reader.read_to_end(&mut text);
        text.ends_with(b"\nafter\n")
    });
}

#[test]
fn a_dead_reader_is_survived_and_a_new_one_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = named_pipe(folder.path());
    let first = reader(&path);
    let dropped = counter();
    let sink = to_file(&path, 0, &dropped);
    drop(first);
    write(&sink, "nobody\n");
    until(|| dropped.get() == 1);
    let mut second = reader(&path);
    write(&sink, "somebody\n");
    let mut text = String::new();
    until(|| {
        let _ = second.read_to_string(&mut text);
        text == "somebody\n"
    });
}

#[test]
fn a_moved_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let sink = to_file(&path, 0, &counter());
    write(&sink, "one\n");
    until(|| fs::read_to_string(&path).unwrap() == "one\n");
    fs::rename(&path, &moved).unwrap();
    sink.reopen();
    until(|| path.exists());
    write(&sink, "two\n");
    until(|| fs::read_to_string(&path).unwrap() == "two\n");
    assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
}

#[test]
fn a_line_cut_by_an_error_does_not_swallow_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = named_pipe(folder.path());
    let mut reader = reader(&path);
    let dropped = counter();
    let mut output = Output::open(Destination::File(path.clone()), dropped.clone()).unwrap();
    output.is_urgent = true;
    let lines = ("x".repeat(99_999) + "\n").repeat(2);
    output.write(lines.as_bytes());
    assert_eq!(dropped.get(), 2);
    let mut text = Vec::new();
    let _ = reader.read_to_end(&mut text);
    output.write(b"next\n");
    let _ = reader.read_to_end(&mut text);
    assert!(text.ends_with(b"x\nnext\n"));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_once() {
    let destination = Destination::File("/nowhere/at/all/log".into());
    assert!(Sink::start(destination, 0, counter()).is_err());
}

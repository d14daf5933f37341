//! What quotas have counted, kept in the state directory over a restart.
//!
//! A file that cannot be read is set aside and told, and counting begins anew: quotas are about
//! fairness, and a gateway that does not start for want of them would serve nobody.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::api::usage::{Entry, Usage};

/// Longest file that is read: what 10,000 keys in ten plans each come to, with long names.
const LONGEST: u64 = 32 * 1024 * 1024;

/// The file; without a state directory there is none.
pub struct UsageStore {
    path: Option<PathBuf>,
    /// What was written last: nothing new is not written again.
    last: Mutex<Vec<Entry>>,
}

impl UsageStore {
    /// The file in a state directory.
    #[must_use]
    pub fn new(state_directory: Option<&Path>) -> Self {
        let path = state_directory.map(|directory| directory.join("usage.jsonl"));
        Self { path, last: Mutex::default() }
    }

    /// Gives the plans back what was counted before the restart.
    pub fn restore(&self, usage: &Usage) {
        let Some(path) = &self.path else { return };
        match read(path) {
            Ok(entries) => {
                usage.restore(&entries);
                *self.last.lock() = entries;
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => {
                let aside = path.with_extension("jsonl.unreadable");
                let is_aside = fs::rename(path, &aside).is_ok();
                tracing::error!(
                    file = %path.display(), aside = is_aside.then(|| aside.display().to_string()), %why,
                    "what quotas have counted cannot be read: they begin anew"
                );
            }
        }
    }

    /// Keeps what is counted by now, written beside and renamed. Blocks the thread.
    pub fn keep(&self, usage: Option<&Usage>) {
        let (Some(path), Some(usage)) = (&self.path, usage) else { return };
        if !usage.has_quotas() {
            return;
        }
        // Held while writing, so that the last one to count has the last word.
        let mut last = self.last.lock();
        let mut entries: Vec<Entry> = usage.entries().collect();
        entries.sort_unstable_by(|a, b| (&a.plan, &a.key).cmp(&(&b.plan, &b.key)));
        if entries == *last {
            return;
        }
        match write(path, &entries) {
            Ok(()) => *last = entries,
            Err(why) => {
                tracing::error!(file = %path.display(), %why, "what quotas have counted cannot be kept");
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let file = crate::config::open(path)?;
    if file.metadata()?.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let lines = BufReader::new(file.take(LONGEST)).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn write(path: &Path, entries: &[Entry]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let mut file = BufWriter::new(file);
    for entry in entries {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&temporary, path)
}

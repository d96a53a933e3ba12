//! The sink for a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use dodo_core::attribution::AttributionRecord;

use super::options::{Options, common};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// The time at which lines are synced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before the records count as sent: a power failure loses no line, and may repeat a batch.
    #[default]
    EachBatch,
    /// The operating system decides: a power failure may lose the last lines.
    Never,
}

/// Appends each record to a file as one line of JSON.
///
/// After a crash the file may have a record twice: of the lines with one `id`, use the last.
#[derive(Clone, Debug)]
pub struct JsonLines {
    options: Options,
    file: Arc<Mutex<File>>,
    fsync: Fsync,
}

impl JsonLines {
    /// Opens the file for appending, and creates it if there is none, readable by its owner only.
    /// If a crash left an incomplete line, the sink ends that line first.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a file that cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let file = open(path.as_ref()).map_err(|error| {
            Error::config("the file of a sink cannot be opened").with_source(error)
        })?;
        Ok(Self {
            options: Options::first_party("json_lines"),
            file: Arc::new(Mutex::new(file)),
            fsync: Fsync::default(),
        })
    }

    /// Sets when lines are synced to the disk. Default: [`Fsync::EachBatch`].
    #[must_use]
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.fsync = fsync;
        self
    }

    common!(name, include_test_mode);
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

impl Sink for JsonLines {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record)
    }

    fn requires_consent(&self) -> bool {
        self.options.requires_consent()
    }

    fn max_batch(&self) -> u32 {
        200
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let mut lines = Vec::new();
        for outgoing in records {
            if serde_json::to_writer(&mut lines, &outgoing.record).is_ok() {
                lines.push(b'\n');
            }
        }
        let (file, fsync) = (Arc::clone(&self.file), self.fsync);
        let written = tokio::task::spawn_blocking(move || write(&file, &lines, fsync)).await;
        let outcome = match written {
            Ok(Ok(())) => SendOutcome::Accepted,
            _ => SendOutcome::Retry { after: None, reason: "the file cannot be written" },
        };
        vec![outcome; records.len()]
    }
}

/// Writes all lines at once. After a failure, it removes the written part.
fn write(file: &Mutex<File>, lines: &[u8], fsync: Fsync) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| match fsync {
        Fsync::EachBatch => file.sync_data(),
        Fsync::Never => Ok(()),
    });
    if written.is_err() {
        file.set_len(before)?;
    }
    written
}

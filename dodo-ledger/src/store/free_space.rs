//! The free space in the pages of an SQLite file.
//!
//! SQLite overwrites a deleted row (`secure_delete`). When it spreads the rows of a full page over other
//! pages, copies of moved rows stay between the list of rows and the first row of a page. The
//! [file format](https://www.sqlite.org/fileformat2.html#b_tree_pages) calls this part unallocated: SQLite
//! never reads it. No statement overwrites it, so the ledger writes zeros into the file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The header of the file, in front of the header of the first page.
const FILE_HEADER: usize = 100;
/// Enough for the header of each page.
const HEAD: usize = FILE_HEADER + 12;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// An overflow page or a list of free pages begins with a page number. Below this number of pages, its first
/// byte is 0, which is not the type of a page with rows.
const MAX_PAGES: u64 = 1 << 24;
/// Bytes that one read takes.
const READ: usize = 1 << 20;

/// The pages of one file.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    size: usize,
}

impl Pages {
    /// Opens the file of a database. `None`: the pages have another format, for example in an encrypted
    /// file, in a file with checksums, or with `auto_vacuum`.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = kept(path)?;
        let mut header = [0; FILE_HEADER];
        let length = read_at(&file, 0, &mut header)?;
        let Some(size) = page_size(&header).filter(|_| length == FILE_HEADER) else {
            return Ok(None);
        };
        let pages = length_of(&file)? / size as u64;
        let is_known = pages < MAX_PAGES;
        Ok(is_known.then(|| Self { path: path.to_owned(), file, size }))
    }

    /// The pages whose free space is not empty. It needs no lock: a page that SQLite writes at the same time
    /// can be one of them.
    pub(super) fn with_leftovers(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        let mut buffer = vec![0; READ.max(self.size)];
        let mut at = 0;
        loop {
            let length = read_at(&self.file, at, &mut buffer)?;
            let pages = buffer.get(..length).unwrap_or_default().chunks_exact(self.size);
            if pages.len() == 0 {
                return Ok(found);
            }
            for page in pages {
                let free = free_space(page, at == 0).and_then(|range| page.get(range));
                // Without an early end the compiler compares many bytes at once.
                if free.is_some_and(|free| free.iter().fold(0, |all, byte| all | byte) != 0) {
                    found.push(at / self.size as u64);
                }
                at += self.size as u64;
            }
        }
    }

    /// Writes zeros into the free space of these pages, if the write-ahead log is empty. Otherwise it changes
    /// nothing and returns `false`.
    ///
    /// Call it under the write lock of the database. Then neither a transaction nor a checkpoint writes
    /// these pages.
    pub(super) fn clear(&self, numbers: &[u64]) -> io::Result<bool> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        match std::fs::metadata(log) {
            Ok(log) if log.len() > 0 => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let zeros = vec![0; self.size];
        let mut head = [0; HEAD];
        for number in numbers {
            let at = number * self.size as u64;
            read_at(&self.file, at, &mut head)?;
            let Some(range) = free_space(&head, *number == 0) else { continue };
            if range.end > self.size {
                continue;
            }
            let zeros = zeros.get(range.clone()).unwrap_or_default();
            write_at(&self.file, at + range.start as u64, zeros)?;
        }
        Ok(true)
    }

    /// Waits until the disk has the zeros.
    pub(super) fn sync(&self) -> io::Result<()> {
        lock(&self.file).sync_data()
    }
}

/// The file, which stays open until the process ends: on Unix, closing a file releases all locks that the
/// process has on it, and SQLite's own are among them.
fn kept(path: &Path) -> io::Result<Arc<Mutex<File>>> {
    type Kept = Vec<(Identity, Arc<Mutex<File>>)>;
    static KEPT: Mutex<Kept> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let identity = Identity::from_file(path, &std::fs::metadata(path)?);
    if let Some((_, file)) = kept.iter().find(|(known, _)| *known == identity) {
        return Ok(file.clone());
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let identity = Identity::from_file(path, &file.metadata()?);
    let file = Arc::new(Mutex::new(file));
    kept.push((identity, file.clone()));
    Ok(file)
}

/// The same path can be another file later.
#[derive(PartialEq)]
struct Identity(PathBuf, u64, u64);

impl Identity {
    #[cfg(unix)]
    fn from_file(_: &Path, metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(PathBuf::new(), metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn from_file(path: &Path, _: &std::fs::Metadata) -> Self {
        Self(path.to_owned(), 0, 0)
    }
}

fn lock(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn length_of(file: &Mutex<File>) -> io::Result<u64> {
    Ok(lock(file).metadata()?.len())
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &Mutex<File>, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut file = lock(file);
    file.seek(SeekFrom::Start(at))?;
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

fn write_at(file: &Mutex<File>, at: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = lock(file);
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// The size of the pages, if they have the format that [`free_space`] reads.
fn page_size(header: &[u8; FILE_HEADER]) -> Option<usize> {
    let size = match number(header, 16)? {
        1 => 65_536,
        size => size,
    };
    let has_reserved_bytes = *header.get(20)? != 0;
    let has_auto_vacuum = header.get(52..56)? != [0; 4];
    let is_known = header.starts_with(MAGIC) && !has_reserved_bytes && !has_auto_vacuum;
    (is_known && size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size)
}

/// The part of a page between its list of rows and its first row. `None`: the page has no rows. Only the
/// head of the page is read.
fn free_space(page: &[u8], is_first: bool) -> Option<Range<usize>> {
    let at = if is_first { FILE_HEADER } else { 0 };
    let header = match page.get(at)? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let list = at + header + 2 * number(page, at + 3)?;
    let first_row = match number(page, at + 5)? {
        0 => 65_536,
        first_row => first_row,
    };
    (list < first_row).then_some(list..first_row)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes(bytes.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: [u8; 2]) -> [u8; FILE_HEADER] {
        let mut header = [0; FILE_HEADER];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[16..18].copy_from_slice(&size);
        header
    }

    #[test]
    fn only_the_plain_format_has_a_page_size() {
        assert_eq!(page_size(&header([0x20, 0])), Some(8192));
        assert_eq!(page_size(&header([0, 1])), Some(65_536));
        for size in [[0, 0], [0, 2], [1, 0], [0x20, 1]] {
            assert_eq!(page_size(&header(size)), None, "{size:?}");
        }
        for (place, name) in [(0, "encrypted"), (20, "reserved bytes"), (55, "auto_vacuum")] {
            let mut other = header([0x20, 0]);
            other[place] = 7;
            assert_eq!(page_size(&other), None, "{name}");
        }
    }

    #[test]
    fn free_space_is_between_row_list_and_first_row() {
        let page = |kind, rows, first_row: [u8; 2]| {
            [kind, 0, 0, 0, rows, first_row[0], first_row[1], 0, 0, 0, 0, 0]
        };
        for (page, expected) in [
            (page(13, 3, [1, 0]), Some(14..256)),
            (page(10, 0, [0x20, 0]), Some(8..8192)),
            (page(2, 1, [1, 0]), Some(14..256)),
            (page(5, 1, [0, 0]), Some(14..65_536)),
            (page(13, 4, [0, 16]), None),
            (page(0, 3, [1, 0]), None),
            (page(1, 3, [1, 0]), None),
        ] {
            assert_eq!(free_space(&page, false), expected, "{page:?}");
        }
        let first = [vec![0; FILE_HEADER], page(13, 3, [1, 0]).to_vec()].concat();
        assert_eq!(free_space(&first, true), Some(114..256));
        assert_eq!(free_space(&[13, 0], false), None);
    }
}

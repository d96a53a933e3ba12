//! The decorated copy of the ledger: its sources with fault points and mutants written into them.
//! The fault tests compile this copy; the ledger itself has neither.
//!
//! `run` compiles this file as a program of its own, which takes the folder of the sources and that
//! of the copy. An anchor that is not exactly once in its file is an error, so that no control loses
//! its power without notice.

mod table;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use table::TABLE;

/// The code that a change writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// A place at which the ledger can die, panic or wait: a statement.
    Point(&'static str),
    /// A promise that is broken on purpose: a condition.
    Mutant(&'static str),
}

impl Hook {
    fn code(self) -> String {
        match self {
            Self::Point(name) => format!("crate::fault::reach({name:?}).await;"),
            Self::Mutant(name) => format!("crate::fault::mutant({name:?})"),
        }
    }
}

/// One change of one file.
#[derive(Debug)]
pub(crate) struct Change {
    /// The path under `src`.
    pub(crate) file: &'static str,
    /// A text that is exactly once in the file.
    pub(crate) anchor: &'static str,
    /// The text in its place: `$anchor` is the anchor, `$hook` the code of the hook.
    pub(crate) text: &'static str,
}

/// Changes without a hook.
const PLAIN: [Change; 2] = [
    Change { file: "lib.rs", anchor: "mod error;", text: "$anchor mod fault;" },
    // A row has the retries of hours within seconds, and a worker must be in time for each.
    Change {
        file: "worker/mod.rs",
        anchor: "const POLL: Duration = Duration::from_millis(250);",
        text: "const POLL: Duration = Duration::from_millis(20);",
    },
];

/// Every file of the copy, by its path.
pub(crate) fn decorated(sources: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn Error>> {
    let mut files = BTreeMap::new();
    read(sources, Path::new(""), &mut files)?;
    let hooks =
        TABLE.iter().flat_map(|(hook, changes)| changes.iter().map(|change| (change, hook.code())));
    let plain = PLAIN.iter().map(|change| (change, String::new()));
    // By anchor: an anchor must not find what another change wrote.
    let mut changed: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (change, hook) in hooks.chain(plain) {
        let text = changed.entry((change.file, change.anchor)).or_insert(change.anchor.to_owned());
        *text = change.text.replace("$hook", &hook).replace("$anchor", text);
    }
    let mut places: BTreeMap<&str, BTreeMap<usize, (&str, String)>> = BTreeMap::new();
    for ((file, anchor), text) in changed {
        let source = files.get(Path::new(file)).ok_or_else(|| format!("no file src/{file}"))?;
        let source = std::str::from_utf8(source)?;
        let found: Vec<usize> = source.match_indices(anchor).map(|(at, _)| at).collect();
        let [at] = found[..] else {
            return Err(format!("src/{file} has {} times: {anchor}", found.len()).into());
        };
        if places.entry(file).or_default().insert(at, (anchor, text)).is_some() {
            return Err(format!("two anchors overlap: {anchor}").into());
        }
    }
    for (file, places) in places {
        let source = String::from_utf8(files[Path::new(file)].clone())?;
        let (mut copy, mut done) = (String::new(), 0);
        for (at, (anchor, text)) in places {
            let between =
                source.get(done..at).ok_or_else(|| format!("two anchors overlap: {anchor}"))?;
            copy.push_str(between);
            copy.push_str(&text);
            done = at + anchor.len();
        }
        copy.push_str(&source[done..]);
        files.insert(file.into(), copy.into_bytes());
    }
    files.insert("fault.rs".into(), include_bytes!("fault.rs").to_vec());
    Ok(files)
}

fn read(
    sources: &Path,
    folder: &Path,
    files: &mut BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), std::io::Error> {
    for entry in fs::read_dir(sources.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read(sources, &path, files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Writes the copy. A file that stays the same keeps its time, so Cargo compiles only what changed.
#[allow(dead_code, reason = "the driver only checks the table")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(sources), Some(copy)) = (arguments.next(), arguments.next()) else {
        return Err("which folders?".into());
    };
    let files = decorated(&sources)?;
    let mut old = BTreeMap::new();
    fs::create_dir_all(&copy)?;
    read(&copy, Path::new(""), &mut old)?;
    for path in old.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(copy.join(path))?;
    }
    for (path, content) in files.iter().filter(|(path, content)| old.get(*path) != Some(content)) {
        let path = copy.join(path);
        path.parent().map(fs::create_dir_all).transpose()?;
        fs::write(path, content)?;
    }
    Ok(())
}

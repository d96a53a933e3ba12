//! Every tracked text is in the language of `docs/glossary.md`: words, names, length.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use dodo_tests::language::{
    self, Finding, check,
    lists::{Exception, exceptions},
    shape::{check_subject, count, sentences},
    text, words,
};

const EXCEPTIONS: &str = include_str!("../data/word-check/exceptions.tsv");
/// The commit after which subjects follow the rules.
const BASE: &str = "ccaeb73";

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn tracked_text_follows_the_rules() {
    let files = language::tracked();
    assert!(files.len() > 500, "only {} files are read", files.len());
    let accepted = exceptions(EXCEPTIONS);
    let findings: Vec<Finding> = files
        .iter()
        .flat_map(|(path, content)| check(path, content))
        .filter(|finding| !accepted.iter().any(|exception| exception.accepts(finding)))
        .collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), listed(&findings));
}

/// The words with which a subject may begin: crates and folders of crates, and the areas of all crates.
fn areas() -> Vec<String> {
    let manifests = language::git(&["ls-files", "*/Cargo.toml"]).expect("a clone");
    let folders = manifests.lines().flat_map(|path| path.split('/'));
    let names: BTreeSet<&str> = folders
        .map(|name| name.strip_prefix("dodo-").unwrap_or(name))
        .chain(["docs", "ci", "all"])
        .collect();
    names.into_iter().filter(|name| *name != "Cargo.toml").map(str::to_owned).collect()
}

#[test]
fn commit_subjects_follow_the_rules() {
    let range = format!("{BASE}..HEAD");
    let Some(log) =
        language::git(&["log", "--no-merges", "--format=%h%x09%s", "--abbrev=7", &range])
    else {
        println!("skipped: this clone has no history back to {BASE}");
        return;
    };
    let (areas, accepted) = (areas(), exceptions(EXCEPTIONS));
    let findings: Vec<Finding> = log
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .flat_map(|(commit, subject)| check_subject(commit, subject, &areas))
        .filter(|finding| !accepted.iter().any(|exception| exception.accepts(finding)))
        .collect();
    assert!(findings.is_empty(), "{}", listed(&findings));
}

/// An exception that accepts nothing is removed.
#[test]
fn exceptions_are_needed() {
    let files = language::tracked();
    let is_needed = |exception: &Exception| {
        let file = files.iter().find(|(path, _)| *path == exception.path);
        let subject = || language::git(&["log", "-1", "--format=%s", &exception.path]);
        let findings = match file {
            Some((path, content)) => check(path, content),
            // Without its history a clone cannot show that an exception is needed.
            None => match subject() {
                Some(subject) => check_subject(&exception.path, subject.trim(), &areas()),
                None => return language::git(&["rev-parse", BASE]).is_none(),
            },
        };
        findings.iter().any(|finding| exception.accepts(finding))
    };
    for exception in exceptions(EXCEPTIONS) {
        assert!(is_needed(&exception), "needless: {exception:?}");
    }
}

/// The names that two crates still share. The list only shrinks.
const SHARED_NAMES: &str = include_str!("../data/word-check/shared-names.txt");

/// The public types of each library, from the listings of the public API. Re-exports are not listed.
fn public_types() -> BTreeSet<(String, String)> {
    let mut types = BTreeSet::new();
    for entry in fs::read_dir(language::root().join("tests/data/api")).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let Some((path, "struct" | "enum" | "trait" | "type")) = line.rsplit_once(' ') else {
                continue;
            };
            let library = path.split("::").next().unwrap_or_default();
            let name = path.rsplit("::").next().unwrap_or_default();
            types.insert((name.to_owned(), library.to_owned()));
        }
    }
    types
}

/// The adapters mirror each other, and each crate has its own error.
#[test]
fn public_types_of_two_crates_have_different_names() {
    let mut libraries: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let types = public_types();
    assert!(types.len() > 200, "only {} types are listed", types.len());
    for (name, library) in &types {
        let library = if library == "dodo_actix" { "dodo_axum" } else { library };
        libraries.entry(name.clone()).or_default().insert(library);
    }
    libraries.retain(|name, libraries| {
        libraries.len() > 1 && !["Error", "ErrorKind"].contains(&name.as_str())
    });
    let shared: BTreeSet<&str> = libraries.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = SHARED_NAMES.lines().filter(|l| !l.starts_with('#')).collect();
    let new: Vec<_> = shared.difference(&listed).collect();
    assert!(new.is_empty(), "rename one of the types: {new:?} in {libraries:?}");
    let unique: Vec<_> = listed.difference(&shared).collect();
    assert!(unique.is_empty(), "unique: remove from word-check/shared-names.txt: {unique:?}");
}

/// Lines that the project once had: the pattern that must find it, a tab, the line.
const BAD: &str = include_str!("../data/word-check/bad.tsv");

/// A line of this file in which backticks hide a phrase from the check.
fn plain(line: &str) -> String {
    line.replace('`', "")
}

#[test]
fn each_pattern_finds_its_line() {
    let bad = || BAD.lines().filter_map(|line| line.split_once('\t'));
    let named: BTreeSet<&str> = bad().map(|(name, _)| name).collect();
    assert_eq!(named, words::names().collect(), "each pattern has a line");
    for (name, line) in bad() {
        for (path, content) in [
            ("a.rs", format!("/// {line}\nstruct A;\n")),
            ("a.rs", format!("const A: &str = \"{line}\";\n")),
            ("docs/a.md", format!("{line}\n")),
            ("docs/a.md", format!("| a | {line} |\n")),
            ("llms.txt", format!("- {line}\n")),
            ("a/Cargo.toml", format!("# {line}\n")),
        ] {
            let found = check(path, &content);
            assert!(found.iter().any(|f| f.check == name), "{name} in {path}: {content}{found:?}");
        }
    }
}

#[test]
fn phrase_across_two_lines_is_found() {
    for (path, content) in [
        ("a.rs", "// A restart is\n// no failure.\n"),
        ("a.md", "A restart is\nno failure.\n"),
        ("a.rs", "const A: &str = \"a restart is \\\n    no failure\";\n"),
    ] {
        let found = check(path, content);
        assert!(found.iter().any(|f| f.check == "is-no" && f.line == 1), "{content}: {found:?}");
    }
}

#[test]
fn code_and_dodos_own_words_are_free() {
    for (path, content) in [
        ("a.rs", "/// `Told` and `is no` are code.\nfn told() {}\n"),
        ("a.rs", "fn a<'a>(b: &'a str) -> char { '\"' } // nothing is wrong here \"\n"),
        ("a.md", "```sh\nnobody\n```\nThe subscription is `on_hold`.\n"),
        ("a.md", "There is no customer. The row is no longer present.\n"),
        ("a.json", "\"nobody\""),
        ("tests/data/a.md", "nobody\n"),
    ] {
        assert_eq!(check(path, content), [], "{content}");
    }
}

#[test]
fn names_of_tests_are_read() {
    let test = |name: &str| format!("#[tokio::test]\nasync fn {name}() {{}}\n");
    let found =
        |name: &str| check("a.rs", &test(name)).into_iter().map(|f| f.check).collect::<Vec<_>>();
    assert_eq!(found("restart_is_no_failure"), ["is-no"]);
    for name in ["a_restart_keeps_attempts", "an_event_waits", "the_event_waits"] {
        assert_eq!(found(name), ["test-article"], "{name}");
    }
    assert_eq!(found(&"a".repeat(61)), ["test-name"]);
    assert_eq!(found("restart_keeps_attempts"), [""; 0]);
    assert_eq!(check("a.rs", "fn the_restart_is_no_failure() {}"), []);
}

#[test]
fn names_of_items_are_read() {
    for line in
        ["pub fn tell(&self) {}", "pub(crate) struct Desk;", "    pub rest: u8,", "pub mod whose;"]
    {
        let found = check("a.rs", line);
        assert!(found.iter().any(|f| f.check == "item-name"), "{line}: {found:?}");
    }
    for line in ["fn tell() {}", "pub fn tell_all() {}", "pub struct Header;", "pub use a::tell;"] {
        assert_eq!(check("a.rs", line), [], "{line}");
    }
}

#[test]
fn long_sentences_and_cells_are_found() {
    let words = |count: usize| vec!["word"; count].join(" ");
    let checks =
        |content: String| check("a.md", &content).into_iter().map(|f| f.check).collect::<Vec<_>>();
    let short = "Short. Short. Short.";
    assert_eq!(checks(format!("{}.\n{short}\n", words(36))), ["sentence"]);
    assert_eq!(checks(format!("{}.\n{short}\n", words(35))), [""; 0]);
    assert_eq!(checks(format!("{}.\n", words(20))), ["average"]);
    assert_eq!(checks(format!("| {} | a |\n", words(41))), ["cell"]);
    assert_eq!(checks(format!("| {} | a |\n", words(40))), [""; 0]);
    let generated = format!("<!-- a:begin -->\n| {} |\n<!-- a:end -->\n", words(41));
    assert_eq!(checks(generated), [""; 0]);
    assert_eq!(count("[two words](https://a.b) `one two three` - and"), 4);
    assert_eq!(
        sentences("See `a. b`. Then (with x.) go: 1.5 s! Now"),
        ["See `a. b`.", " Then (with x.)", " go: 1.5 s!", " Now"]
    );
}

#[test]
fn subjects_are_checked() {
    let checks = |subject: &str| {
        let findings = check_subject("0000000", subject, &areas());
        findings.into_iter().map(|finding| finding.check).collect::<Vec<_>>()
    };
    assert_eq!(checks("ledger: release leases on shutdown"), [""; 0]);
    assert_eq!(
        checks("Say once why the context of a recovered checkout is kept"),
        ["subject-area"]
    );
    assert_eq!(checks(&plain("ledger: `tell sinks` of the erasure")), ["told"]);
    assert_eq!(checks(&format!("ledger: {}", "a".repeat(60))), ["subject-length"]);
}

#[test]
fn generated_files_are_not_read() {
    assert!(text::is_read("README.md") && text::is_read(".ci/run") && !text::is_read("Cargo.lock"));
}

/// The listing counts modules, second paths and the mirrors of Dodo's API apart.
#[test]
fn core_has_few_names() {
    let listing =
        fs::read_to_string(language::root().join("tests/data/api/dodo-core.txt")).unwrap();
    let counts: Vec<usize> = listing
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [names, _items, _mirrors, others] = counts[..] else { panic!("four counts: {counts:?}") };
    assert!(names <= 15, "{names} names at the root");
    assert!(others <= 600, "{others} items that do not mirror the API of Dodo Payments");
}

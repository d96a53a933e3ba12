//! What the pages of this repository point at is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "md" || e == "txt");
    let in_folder = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(is_page).collect::<Vec<_>>()
    };
    [in_folder(root()), in_folder(root().join("docs"))].concat()
}

/// The targets of `[text](target)` that are files of this repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| {
            !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:")
        })
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or_default();
            followed += 1;
            if !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    println!("{followed} links followed");
    assert!(followed > 30, "only {followed} links were found: are the pages still read?");
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// Code in the pages is compiled as documentation of this crate: what is left out there is noticed
/// here.
#[test]
fn every_rust_block_is_compiled() {
    let compiled = fs::read_to_string(root().join("tests/src/lib.rs")).unwrap();
    let (mut blocks, mut failures) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        // An opening fence without a language is Rust to rustdoc, too.
        let fences = text.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
        let opening: Vec<&str> = fences.step_by(2).collect();
        for language in &opening {
            if !language.starts_with("rust") && !language.is_empty() {
                continue;
            }
            blocks += 1;
            if language.contains("ignore") || language.contains("compile_fail") {
                failures.push(format!("{name}: ```{language} is not compiled"));
            }
            if !compiled.contains(&format!("include_str!(\"../../{name}\")")) {
                failures.push(format!("{name} is not included in tests/src/lib.rs"));
            }
        }
    }
    println!("{blocks} blocks");
    assert!(blocks >= 20, "only {blocks} blocks were found: are the pages still read?");
    assert!(failures.is_empty(), "{failures:#?}");
}

//! The seeds of the fuzz targets, as an ordinary test. `docs/fuzzing.md` says how to fuzz.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "../../fuzz/src/checks.rs"]
mod checks;
#[path = "../../fuzz/src/requests.rs"]
mod requests;

use std::{fs, path::PathBuf};

fn seeds(target: &str, check: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| check(&data)).is_err() {
            panic!("{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 10, "{target} has {count} seeds");
}

#[test]
fn signature_header() {
    seeds("signature_header", checks::signature_header);
}

#[test]
fn verification() {
    seeds("verification", checks::verification);
}

#[test]
fn event() {
    seeds("event", checks::event);
}

#[test]
fn cookies() {
    seeds("cookies", requests::cookies);
}

#[test]
fn return_url() {
    seeds("return_url", requests::return_url);
}

#[test]
fn ids() {
    seeds("ids", requests::ids);
}

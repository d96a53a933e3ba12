//! Decodes recorded answers of the sandbox with the types of the official Rust crate.

mod types;

use std::process::ExitCode;

use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Recorded {
    verb: String,
    path: String,
    body: String,
}

fn decode<T: DeserializeOwned>(body: &str) -> Result<(), String> {
    serde_json::from_str::<T>(body).map(|_| ()).map_err(|error| error.to_string())
}

/// A path with `{}` for each parameter.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn main() -> ExitCode {
    let file = std::env::args().nth(1).expect("usage: dodo-sandbox-rust-check RECORDED");
    let text = std::fs::read_to_string(file).expect("the recorded answers can be read");
    let recorded: Vec<Recorded> = serde_json::from_str(&text).expect("recorded answers are JSON");
    let (mut decoded, mut faults, mut newer) = (0, 0, 0);
    for (operation, decode) in types::TYPES {
        let own = |answer: &&Recorded| {
            format!("{} {}", answer.verb.to_uppercase(), shape(&answer.path)) == *operation
        };
        let mut answers = recorded.iter().filter(own).peekable();
        if answers.peek().is_none() {
            newer += 1;
            continue;
        }
        match answers.try_for_each(|answer| decode(&answer.body)) {
            Ok(()) => decoded += 1,
            Err(error) => {
                faults += 1;
                println!("{operation}: {error}");
            }
        }
    }
    println!(
        "rust 1.127.0: {decoded} operations decode, {faults} do not, \
         {newer} are newer than the contract"
    );
    if faults == 0 && decoded > 100 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

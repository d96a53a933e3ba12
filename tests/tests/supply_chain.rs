//! The dependencies of the crates, and the allowed ones.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    process::Command,
};

use serde_json::Value;

const LICENSES: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "0BSD",
];

/// `cargo metadata`, with every feature on, for the platform this runs on.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .args(["--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--edges", "normal", "--format", "{p}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn packages(metadata: &Value) -> impl Iterator<Item = (&str, &Value)> {
    metadata["packages"].as_array().unwrap().iter().map(|p| (p["name"].as_str().unwrap(), p))
}

/// Returns whether the allowed licenses satisfy an expression: `OR` binds weaker than `AND`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some(sides) = split(expression, " OR ").or_else(|| split(expression, "/")) {
        return sides.iter().any(|side| is_allowed(side));
    }
    if let Some(sides) = split(expression, " AND ") {
        return sides.iter().all(|side| is_allowed(side));
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => LICENSES.contains(&expression),
    }
}

/// Splits at an operator outside of parentheses; `None` without an operator.
fn split<'a>(expression: &'a str, operator: &str) -> Option<Vec<&'a str>> {
    let (mut sides, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && index >= start && expression[index..].starts_with(operator) => {
                sides.push(&expression[start..index]);
                start = index + operator.len();
            }
            _ => {}
        }
    }
    (!sides.is_empty()).then(|| {
        sides.push(&expression[start..]);
        sides
    })
}

#[test]
fn license_expressions_are_read_as_they_bind() {
    for (expression, allowed) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression:?}");
    }
}

#[test]
fn licenses_of_all_dependencies_are_allowed() {
    let metadata = metadata();
    let mut refused = Vec::new();
    let mut count = 0;
    for (name, package) in packages(&metadata) {
        count += 1;
        let license = package["license"].as_str().unwrap_or_default();
        if !is_allowed(license) {
            refused.push(format!("{name}: {license:?}"));
        }
    }
    println!("licenses: {count} packages looked at");
    assert!(count > 100, "only {count} packages: is this the workspace?");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn dependencies_come_from_the_registry() {
    let metadata = metadata();
    for (name, package) in packages(&metadata) {
        if let Some(source) = package["source"].as_str() {
            assert!(source.starts_with("registry+"), "{name} from {source}");
        }
    }
}

#[test]
fn every_crate_declares_the_compiler_that_its_dependencies_need() {
    let metadata = metadata();
    let by_id = |package: &Value| (package["id"].as_str().unwrap().to_owned(), package.clone());
    let packages: HashMap<_, _> = packages(&metadata).map(|(_, p)| by_id(p)).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let dependencies: HashMap<_, _> =
        nodes.iter().map(|node| (node["id"].as_str().unwrap(), &node["dependencies"])).collect();

    for id in metadata["workspace_members"].as_array().unwrap() {
        let own = &packages[id.as_str().unwrap()];
        let declared =
            version(&own["rust_version"]).unwrap_or_else(|| panic!("{own} declares none"));
        let (mut left, mut seen) = (vec![id.as_str().unwrap()], BTreeSet::new());
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            let package = &packages[id];
            let needed = version(&package["rust_version"]).unwrap_or_default();
            let (own, name) = (&own["name"], &package["name"]);
            assert!(needed <= declared, "{own} declares {declared:?}, {name} needs {needed:?}");
            left.extend(dependencies[id].as_array().unwrap().iter().filter_map(Value::as_str));
        }
    }
}

/// `1.89` is `[1, 89, 0]`.
fn version(text: &Value) -> Option<Vec<u32>> {
    let numbers = text.as_str()?.split('.').map(|number| number.parse().unwrap());
    Some(numbers.chain([0, 0]).take(3).collect())
}

#[test]
fn core_is_small_and_knows_no_framework() {
    let bare = tree(&["--package", "dodo-core", "--no-default-features"]);
    println!("dodo-core without default features: {} packages", bare.len());
    assert!(bare.len() <= 47, "{} packages: {bare:?}", bare.len());
    for (features, forbidden) in [
        (&["--no-default-features"][..], &["reqwest", "rustls", "tokio", "url", "regex"][..]),
        (&["--all-features"], &["axum", "actix-web", "sqlx", "rand", "uuid", "openssl"]),
    ] {
        let packages = tree(&[&["--package", "dodo-core"], features].concat());
        for name in forbidden {
            assert!(!packages.contains(*name), "dodo-core {features:?} depends on {name}");
        }
    }
}

#[test]
fn layers_depend_downwards_only() {
    for (library, may) in [
        ("dodo-core", &[][..]),
        ("dodo-axum", &["dodo-core"]),
        ("dodo-actix", &["dodo-core"]),
        ("dodo-ledger", &["dodo-core"]),
        ("dodo-sandbox", &["dodo-core"]),
    ] {
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(library).exists() {
            continue;
        }
        let all = tree(&["--package", library, "--all-features"]);
        let ours: Vec<_> =
            all.iter().filter(|name| name.starts_with("dodo-") && *name != library).collect();
        assert!(ours.iter().all(|name| may.contains(&name.as_str())), "{library}: {ours:?}");
    }
}

#[test]
fn adapters_stay_thin() {
    for adapter in ["dodo-axum", "dodo-actix"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(adapter).join("src");
        let mut lines = 0;
        for file in std::fs::read_dir(source).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let code = text.lines().map(str::trim);
            lines += code.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        }
        println!("{adapter}: {lines} lines of code");
        assert!((1..=400).contains(&lines), "{adapter}: {lines} lines of code");
    }
}

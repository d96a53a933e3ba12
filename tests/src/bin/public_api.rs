//! Lists the public items of a crate from its rustdoc JSON, one line each: path and kind.
//!
//! `tests/public-api` builds the JSON files and compares the listings with `tests/data/api`.
//! The last line counts the items and separates those that mirror the API of Dodo Payments. A crate
//! beyond its limit is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use serde_json::Value;

/// Paths in the source whose items mirror objects, event types, request fields and operations of Dodo
/// Payments.
const MIRRORS: [&str; 9] = [
    "src/event/payload/",
    "src/event/kind.rs",
    "src/checkout/created.rs",
    "src/checkout/request/",
    "src/client/customer.rs",
    "src/client/license.rs",
    "src/client/payment.rs",
    "src/client/plan_change.rs",
    "src/client/subscription.rs",
];

/// The largest number of names at the root beside modules, and of items that do not mirror the API of
/// Dodo Payments.
const LIMITS: [(&str, usize, usize); 1] = [("dodo_core", 15, 600)];

/// The kind of a line that repeats an item under another path.
const SECOND_PATH: &str = "second path";

struct Crate {
    index: Value,
    /// Path of each listed item, with its kind and whether it mirrors the API of Dodo Payments.
    items: BTreeMap<String, (&'static str, bool)>,
    /// Items that already have a path. A second path is a line of its own, without members, and is not
    /// counted.
    expanded: BTreeSet<String>,
}

impl Crate {
    fn get(&self, id: &Value) -> Option<Value> {
        self.index.get(id.to_string()).cloned()
    }

    fn ids(value: &Value) -> Vec<Value> {
        value.as_array().cloned().unwrap_or_default()
    }

    fn add(&mut self, path: String, kind: &'static str, item: &Value) {
        let file = item["span"]["filename"].as_str().unwrap_or_default();
        let callback = path.contains("::WebhooksBuilder::on_");
        // The table of event types mirrors Dodo's; its methods are ours.
        let ours = kind == "method" && file.contains("src/event/kind.rs");
        let mirrors = !ours && (callback || MIRRORS.iter().any(|folder| file.contains(folder)));
        self.items.entry(path).or_insert((kind, mirrors));
    }

    /// Lists the public items of a module below `path`.
    fn module(&mut self, path: &str, module: &Value) {
        let mut items: Vec<Value> = Self::ids(&module["inner"]["module"]["items"])
            .iter()
            .filter_map(|id| self.get(id))
            .filter(|item| item["visibility"] == "public")
            .collect();
        // The shortest path of an item is its own; a prelude repeats the paths of others.
        items.sort_by_key(|item| (!item["inner"]["module"].is_null(), item["name"] == "prelude"));
        for item in items {
            match item["inner"].get("use") {
                Some(import) => self.import(path, import),
                None => self.item(path, item["name"].as_str().unwrap_or_default(), &item),
            }
        }
    }

    fn import(&mut self, path: &str, import: &Value) {
        let Some(target) = self.get(&import["id"]) else {
            let name = import["name"].as_str().unwrap_or_default();
            self.items.entry(format!("{path}::{name}")).or_insert(("re-export", false));
            return;
        };
        if import["is_glob"] == true {
            self.module(path, &target);
        } else {
            self.item(path, import["name"].as_str().unwrap_or_default(), &target);
        }
    }

    fn item(&mut self, path: &str, name: &str, item: &Value) {
        let path = format!("{path}::{name}");
        let Some((kind, inner)) = item["inner"].as_object().and_then(|inner| inner.iter().next())
        else {
            return;
        };
        let kind = match kind.as_str() {
            "module" => {
                self.add(path.clone(), "mod", item);
                return self.module(&path, item);
            }
            "struct" => "struct",
            "enum" => "enum",
            "union" => "union",
            "trait" => "trait",
            "trait_alias" => "trait alias",
            "type_alias" => "type",
            "function" => "fn",
            "constant" => "const",
            "static" => "static",
            "macro" | "proc_macro" => "macro",
            "primitive" => return,
            _ => "other",
        };
        if !self.expanded.insert(item["id"].to_string()) {
            self.items.entry(path).or_insert((SECOND_PATH, false));
            return;
        }
        self.add(path.clone(), kind, item);
        let inner = inner.clone();
        let fields = [&inner["kind"]["plain"]["fields"], &inner["fields"], &inner["kind"]["tuple"]];
        for id in fields.into_iter().flat_map(Self::ids) {
            self.member(&path, &id, "field");
        }
        for id in Self::ids(&inner["variants"]) {
            self.member(&path, &id, "variant");
        }
        if kind == "trait" {
            for id in Self::ids(&inner["items"]) {
                self.member(&path, &id, "trait item");
            }
        }
        for id in Self::ids(&inner["impls"]) {
            let Some(block) = self.get(&id) else { continue };
            if kind == "trait" || !block["inner"]["impl"]["trait"].is_null() {
                continue;
            }
            for id in Self::ids(&block["inner"]["impl"]["items"]) {
                self.member(&path, &id, "method");
            }
        }
    }

    fn member(&mut self, path: &str, id: &Value, kind: &'static str) {
        let Some(item) = self.get(id) else { return };
        let visible = item["visibility"] == "public"
            || (item["visibility"] == "default" && matches!(kind, "variant" | "trait item"));
        if let (true, Some(name)) = (visible, item["name"].as_str()) {
            self.add(format!("{path}::{name}"), kind, &item);
        }
    }
}

fn listing(file: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut document: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let root = document["root"].to_string();
    let mut listed = Crate {
        index: document["index"].take(),
        items: BTreeMap::new(),
        expanded: BTreeSet::new(),
    };
    let module = listed.index.get(&root).cloned().ok_or("the file names no root module")?;
    let name = module["name"].as_str().unwrap_or_default().to_owned();
    listed.module(&name, &module);

    let mut text = String::new();
    for (path, (kind, _)) in &listed.items {
        text.push_str(&format!("{path} {kind}\n"));
    }
    let counted = listed.items.values().filter(|(kind, _)| *kind != SECOND_PATH).count();
    let mirrors = listed.items.values().filter(|(_, mirrors)| *mirrors).count();
    let at_root = listed
        .items
        .iter()
        .filter(|(path, (kind, _))| path.matches("::").count() == 1 && *kind != "mod")
        .count();
    let ours = counted - mirrors;
    text.push_str(&format!(
        "# {at_root} names at the root beside modules; {counted} items: {mirrors} mirror the API of Dodo Payments, {ours} do not\n",
    ));
    for (limited, root_limit, limit) in LIMITS {
        if name == limited && (at_root > root_limit || ours > limit) {
            return Err(format!(
                "{name} has {at_root} names at its root (limit {root_limit}) and {ours} items of its \
                 own (limit {limit}): remove items"
            )
            .into());
        }
    }
    Ok(text)
}

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: public_api RUSTDOC_JSON");
        return ExitCode::FAILURE;
    };
    match listing(&file) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot list {file}: {error}");
            ExitCode::FAILURE
        }
    }
}

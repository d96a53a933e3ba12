//! The JSON answers keep their form: a schema, and a list of every table and column.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{
    questions::Story,
    world::{World, each_store},
};

const PAGES: [&str; 11] = [
    "overview",
    "breakdown",
    "payments",
    "payment&id=pay_009",
    "people",
    "person&id=cus_sub_0",
    "subscriptions",
    "subscription&id=sub_0",
    "funnel",
    "deliveries",
    "settings",
];

fn file(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The faults of a value by a schema. It knows the keywords that the schema of the dashboard uses.
fn faults(schema: &Value, root: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().into_iter().flatten() {
        let is_kind = |kind: &Value| match kind.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("null") => value.is_null(),
            _ => panic!("a kind that the test does not know: {kind}"),
        };
        let is_right = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "$defs" => true,
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(is_kind),
                kind => is_kind(kind),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(own) = value.get(name) {
                        faults(rule, root, own, &format!("{at}/{name}"), out);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let own = value.as_object().into_iter().flatten();
                let mut others =
                    own.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
                match rule {
                    Value::Bool(false) => others.next().is_none(),
                    rule => {
                        others.for_each(|(name, own)| {
                            faults(rule, root, own, &format!("{at}/{name}"), out);
                        });
                        true
                    }
                }
            }
            "items" => {
                for (nth, own) in value.as_array().into_iter().flatten().enumerate() {
                    faults(rule, root, own, &format!("{at}/{nth}"), out);
                }
                true
            }
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix('#').unwrap();
                faults(root.pointer(name).unwrap(), root, value, at, out);
                true
            }
            "minimum" => value.as_i64().is_none_or(|value| value >= rule.as_i64().unwrap()),
            other => panic!("a keyword that the test does not know: {other}"),
        };
        if !is_right {
            out.push(format!("{at}: {keyword} {rule}: {value}"));
        }
    }
}

async fn answer(world: &World, page: &str) -> Value {
    serde_json::from_str(&world.get(&format!("?page={page}&format=json")).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_answers_follow_their_schema() {
    let schema = fs::read_to_string(file("docs/dashboard.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    each_store("json_answers_follow_their_schema", "Asia/Kathmandu", async |world| {
        let check = async |name: &str| {
            for page in PAGES {
                let found = answer(world, page).await;
                let mut all = Vec::new();
                faults(&schema, &schema, &found, "", &mut all);
                assert!(all.is_empty(), "{name} {page}: {all:#?}");
                for (table, content) in found["tables"].as_object().unwrap() {
                    let columns = content["columns"].as_array().unwrap().len();
                    for row in content["rows"].as_array().unwrap() {
                        assert_eq!(row.as_array().unwrap().len(), columns, "{page} {table}");
                    }
                }
            }
        };
        check("empty").await;
        world.happen(&Story::new().acts()).await;
        check("full").await;
    })
    .await;
    let mut all = Vec::new();
    faults(&schema, &schema, &serde_json::json!({ "schema": "dodo-dashboard/2" }), "", &mut all);
    assert!(all.len() >= 2, "{all:?}");
}

/// Programs read columns by name: none goes, and none changes its type. `DODO_UPDATE=1` writes the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_keep_their_columns() {
    let world = World::sqlite("UTC").await;
    world.happen(&Story::new().acts()).await;
    let mut lines = BTreeSet::new();
    for page in PAGES {
        let found = answer(&world, page).await;
        for (table, content) in found["tables"].as_object().unwrap() {
            for column in content["columns"].as_array().unwrap() {
                let name = column["name"].as_str().unwrap();
                let page = page.split_once('&').map_or(page, |(page, _)| page);
                // Columns of charts are named after values of the data.
                let is_value = ["newsletter", "partner", "video", "spring", "autumn", "launch"]
                    .contains(&name);
                if !is_value {
                    lines.insert(format!(
                        "{page} {table} {name} {}",
                        column["type"].as_str().unwrap()
                    ));
                }
            }
        }
    }
    world.end().await;
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    let path = file("tests/data/dashboard/columns.txt");
    if std::env::var_os("DODO_UPDATE").is_some_and(|update| update == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap();
    assert_eq!(text, known, "run again with DODO_UPDATE=1 if a column is new");
}

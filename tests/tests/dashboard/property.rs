//! The sums of a page are those of its records, under any filter.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Act, World, ago, paid, refunded};

const SOURCES: [&str; 4] = ["newsletter", "x.com", "a b&c=d", ""];
const CAMPAIGNS: [&str; 3] = ["spring", "autumn", ""];

/// A payment: hours ago, net, source, campaign, and the refunded part.
type Sale = (i64, i64, usize, usize, i64);

fn sale() -> impl Strategy<Value = Sale> {
    (1_i64..24 * 20, 1_i64..100_000, 0..SOURCES.len(), 0..CAMPAIGNS.len(), 0_i64..3)
}

fn acts(sales: &[Sale]) -> Vec<Act> {
    let mut acts = Vec::new();
    for (nth, (hours, net, source, campaign, refunds)) in sales.iter().enumerate() {
        let named = [("utm_source", SOURCES[*source]), ("utm_campaign", CAMPAIGNS[*campaign])];
        let metadata = named.into_iter().filter(|(_, value)| !value.is_empty());
        let metadata: serde_json::Map<String, Value> =
            metadata.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let id = format!("pay_{nth}");
        acts.push(paid(&id, ago(*hours), (*net, 0), json!({ "metadata": metadata })));
        for part in 0..*refunds {
            acts.push(refunded(&format!("ref_{nth}_{part}"), &id, ago(hours - 1), json!(net / 3)));
        }
    }
    acts
}

/// Conditions of a question, as parts of a query string.
fn conditions() -> impl Strategy<Value = String> {
    let value = |name: &'static str, values: &'static [&'static str]| {
        (proptest::sample::select(values), any::<bool>()).prop_map(move |(value, excluded)| {
            let value = if value.is_empty() { "!" } else { value };
            let pair = format!("{name}:{value}");
            let key = if excluded { "not" } else { "is" };
            let mut query = format!("&{key}=");
            query.extend(percent_encoding::utf8_percent_encode(
                &pair,
                percent_encoding::NON_ALPHANUMERIC,
            ));
            query
        })
    };
    let one = prop_oneof![value("source", &SOURCES), value("campaign", &CAMPAIGNS)];
    proptest::collection::vec(one, 0..4).prop_map(|all| all.concat())
}

fn sum(tables: &crate::world::Tables, table: &str) -> i64 {
    let table = &tables.0[table];
    let at = table["columns"].as_array().unwrap().iter().position(|column| column["name"] == "net");
    let rows = table["rows"].as_array().unwrap();
    rows.iter().map(|row| row[at.unwrap()].as_i64().unwrap()).sum()
}

async fn holds(sales: &[Sale], filters: &[String]) {
    let world = World::sqlite("UTC").await;
    world.happen(&acts(sales)).await;
    for filter in filters {
        let overview = world.tables(&format!("?{filter}")).await;
        let total = overview.cell("totals", "now", "net").as_i64().unwrap();
        assert_eq!(sum(&overview, "source"), total, "the card of sources: {filter}");
        for by in ["source", "campaign", "product", "kind", "reason"] {
            let rows = world.tables(&format!("?page=breakdown&by={by}{filter}")).await;
            assert_eq!(sum(&rows, "breakdown"), total, "by {by}: {filter}");
        }
        let records = world.tables(&format!("?page=payments{filter}")).await;
        assert_eq!(sum(&records, "payments"), total, "the records: {filter}");
    }
    world.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn sums_under_any_filter_are_those_of_the_records(
        sales in proptest::collection::vec(sale(), 1..16),
        filters in proptest::collection::vec(conditions(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(holds(&sales, &filters));
    }
}

//! Payouts and the ledger of the business's balance.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    list::page,
    resource::Resource,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::payout::{self, Entry},
    state::{SandboxState, object::field_matches},
};

pub(crate) static PAYOUTS: Resource = Resource {
    name: "payout",
    path: "/payouts",
    id: "payout_id",
    prefix: "pyt_",
    payload_type: "Payout",
    routes: &[
        ("GET /payouts/{}/breakup", |state, call| {
            let mut totals: BTreeMap<&str, i64> = BTreeMap::new();
            for entry in entries(state, call)? {
                *totals.entry(entry.kind).or_default() += entry.amount;
            }
            let row = |(kind, total)| json!({ "event_type": kind, "total": total });
            Ok(Reply::Json(totals.into_iter().map(row).collect()))
        }),
        ("GET /payouts/{}/breakup/details", |state, call| {
            let entries = entries(state, call)?;
            page(state, call, entries.into_iter(), |entry| entry.json(&state.business_id))
        }),
        ("GET /payouts/{}/breakup/details/csv", |state, call| {
            let mut csv = "created_at,event_type,reference_object_id,amount,currency\n".to_owned();
            for entry in entries(state, call)? {
                let date = rfc3339(entry.at);
                let _ =
                    writeln!(csv, "{date},{},{},{},USD", entry.kind, entry.reference, entry.amount);
            }
            Ok(Reply::Bytes(csv.into_bytes()))
        }),
        ("GET /balances/ledger", ledger),
    ],
    ..Resource::PLAIN
};

fn entries(state: &SandboxState, call: &Call) -> Result<Vec<Entry>, Error> {
    Ok(payout::entries(state, state.find(&PAYOUTS, call.id())?))
}

fn ledger(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let (from, to): (Option<jiff::Timestamp>, Option<jiff::Timestamp>) =
        (call.parse("created_at_gte")?, call.parse("created_at_lte")?);
    let limit: usize = call.parse("limit")?.unwrap_or(usize::MAX);
    let mut balance = 0;
    let mut rows: Vec<Value> = Vec::new();
    for entry in payout::ledger(state) {
        let before = balance;
        balance += entry.amount;
        let mut row = entry.json(&state.business_id);
        if let Some(fields) = row.as_object_mut() {
            fields.insert("before_balance".to_owned(), before.into());
            fields.insert("after_balance".to_owned(), balance.into());
        }
        let filters = ["reference_object_id", "event_type", "currency"];
        let wanted = filters
            .iter()
            .all(|name| call.query(name).is_none_or(|wanted| field_matches(row.get(name), wanted)));
        if wanted && from.is_none_or(|from| entry.at >= from) && to.is_none_or(|to| entry.at <= to)
        {
            rows.push(row);
        }
    }
    page(state, call, rows.into_iter().rev().take(limit), |row| row)
}

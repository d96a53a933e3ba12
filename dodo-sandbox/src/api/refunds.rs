//! Refunds and disputes.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    body,
    call::{Call, Reply, Route},
    list::list,
};
use crate::{
    Error,
    flow::reversal::{self, RefundItem, RefundRequest},
    state::World,
};

pub(crate) const ROUTES: &[Route] = &[
    ("GET /refunds", |world, call| list(world, call, &world.refunds)),
    ("POST /refunds", create),
    ("GET /refunds/{}", |world, call| Ok(Reply::Json(world.refunds.find(call.id())?.json(world)))),
    ("GET /disputes", |world, call| list(world, call, &world.disputes)),
    ("GET /disputes/{}", |world, call| {
        Ok(Reply::Json(world.disputes.find(call.id())?.json(world)))
    }),
];

/// The body of POST /refunds.
#[derive(Debug, Deserialize)]
struct Create {
    payment_id: String,
    items: Option<Vec<RefundItem>>,
    metadata: Option<Map<String, Value>>,
    reason: Option<String>,
}

fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let body: Create = call.body()?;
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > 3000) {
        return Err(Error::invalid("reason: at most 3000 characters"));
    }
    let request = RefundRequest {
        payment_id: body.payment_id,
        items: body.items.unwrap_or_default(),
        reason: body.reason,
        metadata: body::metadata(body.metadata)?,
    };
    let id = reversal::refund(world, request)?;
    Ok(Reply::Json(world.refunds.find(&id)?.json(world)))
}

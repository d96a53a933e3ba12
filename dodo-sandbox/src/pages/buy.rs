//! Static payment links: `/buy/{product_id}` with everything in the query.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::Uri;
use serde_json::{Map, Value};

use super::{Page, checkout, form::Form, see_other};
use crate::{
    Error,
    api::{body, list::Query},
    app::App,
    id,
    state::{
        SandboxState,
        address::Address,
        session::{Buyer, CartItem, Session, SessionOrigin},
    },
};

const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// GET /buy/{product_id}: keeps the parameters and takes them out of the address, as Dodo does.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Path(product_id): Path<String>,
    uri: Uri,
) -> Response {
    let query = Query::from_uri(&uri);
    let result = app.change(|state| {
        if let Some(id) = query.get("session") {
            let page = checkout::page(state, id, &Form::default(), None)?;
            return Ok(page.into_response());
        }
        let session = session(state, &product_id, &query)?;
        let url = format!("{}?session={}", state.url(&["buy", &product_id]), session.id);
        state.sessions.insert(session);
        Ok(see_other(&url))
    });
    result.unwrap_or_else(|error: Error| Page::error(&error).into_response())
}

/// The fields of the page that a parameter `disable...` may lock.
const LOCKS: [(&str, &str); 8] = [
    ("disableFullName", "name"),
    ("disableFirstName", "name"),
    ("disableLastName", "name"),
    ("disableEmail", "email"),
    ("disableCountry", "country"),
    ("disableCity", "city"),
    ("disableAddressLine", "street"),
    ("disableZipCode", "zipcode"),
];

fn session(state: &SandboxState, product_id: &str, query: &Query) -> Result<Session, Error> {
    let product = state.products.find(product_id)?;
    let quantity = match query.get("quantity") {
        None => 1,
        Some(text) => {
            text.parse().ok().filter(|quantity| (1..=100_000).contains(quantity)).unwrap_or(1)
        }
    };
    // Below the minimum, and for other products, the amount is ignored.
    let amount = query.get("paymentAmount").and_then(|text| text.parse::<i64>().ok());
    let amount = amount.filter(|amount| product.pay_what_you_want && *amount >= product.price);
    let some = |name| query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let parts: Vec<_> = [some("firstName"), some("lastName")].into_iter().flatten().collect();
    let name = if parts.is_empty() { some("fullName") } else { Some(parts.join(" ")) };
    let address = some("country").filter(|c| c.len() == 2).map(|country| Address {
        country: country.to_ascii_uppercase(),
        city: some("city"),
        state: some("state"),
        street: some("addressLine"),
        zipcode: some("zipCode"),
    });
    let on = |parameter: &str| query.get(parameter) == Some("true");
    let item = CartItem { product_id: product_id.to_owned(), quantity, amount, addons: Vec::new() };
    Ok(Session {
        buyer: Buyer { email: some("email"), name, ..Buyer::default() },
        address,
        metadata: metadata(query)?,
        return_url: body::page_url("redirect_url", some("redirect_url"))?,
        locked: LOCKS.iter().filter(|(switch, _)| on(switch)).map(|(_, field)| *field).collect(),
        ..Session::new(state, id::new("sess_"), SessionOrigin::StaticLink, LIFE, vec![item])
    })
}

/// The parameters `metadata_*`: the rest of the name is the key, the value always text.
fn metadata(query: &Query) -> Result<Map<String, Value>, Error> {
    let pairs = query.pairs().filter_map(|(name, value)| {
        let key = name.strip_prefix("metadata_")?;
        Some((key.to_owned(), Value::from(value)))
    });
    body::metadata(Some(pairs.collect()))
}

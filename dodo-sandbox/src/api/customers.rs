//! Customers and their portal.

use std::{sync::Arc, time::Duration};

use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    list::{Created, Query, page},
};
use crate::{
    Error,
    app::App,
    id,
    state::{PortalLink, customer::Customer},
};

/// How long a portal link works.
const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of POST /customers.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    email: String,
    name: String,
    phone_number: Option<String>,
    metadata: Option<Map<String, Value>>,
}

/// The body of PATCH /customers/{id}.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Patch {
    email: Option<String>,
    name: Option<String>,
    phone_number: Option<String>,
    metadata: Option<Map<String, Value>>,
}

fn email(text: &str) -> Result<(), Error> {
    match body::is_email(text) {
        true => Ok(()),
        false => Err(Error::invalid("email is not an e-mail address")),
    }
}

fn name(text: &str) -> Result<(), Error> {
    match text.trim().is_empty() || text.len() > 512 {
        false => Ok(()),
        true => Err(Error::invalid("name must not be empty or very long")),
    }
}

/// POST /customers
pub(crate) async fn create(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    email(&body.email)?;
    name(&body.name)?;
    let metadata = body::metadata(body.metadata)?;
    app.change(|world| {
        let now = world.now();
        let customer = Customer {
            id: id::new("cus_"),
            email: body.email,
            name: body.name,
            phone: body.phone_number,
            metadata,
            created_at: now,
            updated_at: now,
        };
        let answer = customer.json(&world.business_id);
        world.customers.insert(customer);
        Ok(Json(answer))
    })
}

/// GET /customers
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let created = Created::of(&query)?;
    app.with(|world| {
        let rows = world.customers.iter().filter(|customer| {
            created.covers(customer.created_at)
                && query.get("email").is_none_or(|e| e.eq_ignore_ascii_case(&customer.email))
                && query.matches("name", Some(&customer.name))
        });
        page(&query, rows, |customer| customer.json(&world.business_id))
    })
}

/// GET /customers/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.customers.find(&id)?.json(&world.business_id))))
}

/// PATCH /customers/{id}
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<Patch>,
) -> Answer {
    body.email.as_deref().map_or(Ok(()), email)?;
    body.name.as_deref().map_or(Ok(()), name)?;
    let metadata = body.metadata.map(|metadata| body::metadata(Some(metadata))).transpose()?;
    app.change(|world| {
        let now = world.now();
        let customer = world.customers.find_mut(&id)?;
        customer.email = body.email.unwrap_or_else(|| std::mem::take(&mut customer.email));
        customer.name = body.name.unwrap_or_else(|| std::mem::take(&mut customer.name));
        customer.phone = body.phone_number.or(customer.phone.take());
        if let Some(metadata) = metadata {
            customer.metadata = metadata;
        }
        customer.updated_at = now;
        Ok(Json(world.customers.find(&id)?.json(&world.business_id)))
    })
}

/// POST /customers/{id}/customer-portal/session
pub(crate) async fn portal(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let query = Query::of(&uri);
    query.parse::<bool>("send_email")?;
    let return_url = body::web_url("return_url", query.get("return_url").map(str::to_owned))?;
    app.change(|world| {
        let customer_id = world.customers.find(&id)?.id.clone();
        let link = PortalLink {
            token: id::new("ses_"),
            customer_id,
            return_url,
            expires_at: world.after(LINK_LIFE),
        };
        let url = world.url(&["portal", &link.token]);
        world.portal_links.insert(link);
        Ok(Json(json!({ "link": url })))
    })
}

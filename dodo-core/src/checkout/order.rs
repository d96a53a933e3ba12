//! From a `POST` to the fields that go to Dodo Payments: the steps that both kinds share.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value, json};

use super::{
    fields::{Cleaner, Schema},
    guard, metadata,
    options::{Options, check_server_fields},
    server::ClientBody,
};
use crate::{Captured, Error, ErrorKind, RequestHead, SignedIn};

/// A checkout that was asked for and may go on.
pub(super) struct Order {
    /// Client's and server's fields, with metadata and return URL.
    pub(super) fields: Map<String, Value>,
    pub(super) captured: Captured,
}

/// The product that the URL names, as the fields it stands for.
type Slug = fn(&str) -> (&'static str, Value);

/// As a cart, for sessions.
pub(super) fn slug_cart(id: &str) -> (&'static str, Value) {
    ("product_cart", json!([{ "product_id": id, "quantity": 1 }]))
}

/// As a product, for links.
pub(super) fn slug_product(id: &str) -> (&'static str, Value) {
    ("product_id", id.into())
}

impl Order {
    /// Checks a request and joins it with what server code sets. Nothing is asked of Dodo yet.
    pub(super) async fn take(
        options: &Options,
        schema: &Schema,
        slug: Slug,
        request: Request<Bytes>,
    ) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        guard::check_content_type(&parts.headers)?;
        guard::check_origin(&parts, &options.page_origins)?;
        let mut body = parse(&body)?;
        let mut captured = options.captured(&parts);
        captured.absorb_body(&mut body);
        if options.server.has_hook() {
            parts.extensions.insert(ClientBody(body.clone().into()));
        }
        for name in &options.app_fields {
            body.remove(&**name);
        }
        let mut client = Cleaner::new(&options.policy).clean(schema, body)?;
        options.check_urls(&client)?;
        options.check_products(&client)?;

        let head = RequestHead::from(parts);
        let mut server = check_server_fields(schema, options.server.get(&head).await?)?;
        if let Some(id) = options.slug(&head)? {
            let (name, value) = slug(id.as_str());
            server.entry(name).or_insert(value);
            client.remove("product_cart");
        }
        if options.customer_from_sign_in
            && let Some(customer) =
                head.extension::<SignedIn>().and_then(|user| user.customer_id.as_ref())
        {
            server.insert("customer".into(), json!({ "customer_id": customer.as_str() }));
        }
        Ok(Self { fields: join(options, client, server, &captured)?, captured })
    }
}

fn parse(body: &Bytes) -> Result<Map<String, Value>, Error> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| {
        // serde's text quotes the input.
        Error::new(ErrorKind::InvalidRequest, "the body is not a JSON object")
            .with_code("invalid_json")
    })
}

fn join(
    options: &Options,
    mut client: Map<String, Value>,
    mut server: Map<String, Value>,
    captured: &Captured,
) -> Result<Map<String, Value>, Error> {
    let take = |fields: &mut Map<String, Value>| match fields.remove("metadata") {
        Some(Value::Object(pairs)) => Some(pairs),
        _ => None,
    };
    let (from_client, from_server) = (take(&mut client), take(&mut server));
    let was_set = from_client.is_some() || from_server.is_some();
    let (from_client, from_server) =
        (from_client.unwrap_or_default(), from_server.unwrap_or_default());
    metadata::check_merged(&from_server, &from_client)?;
    let pairs = captured.inject(&from_server, from_client, options.client_metadata());

    let mut fields = client;
    fields.extend(server);
    if was_set || !pairs.is_empty() {
        fields.insert("metadata".to_owned(), pairs.into());
    }
    if let (Some(url), false) = (&options.return_url, fields.contains_key("return_url")) {
        fields.insert("return_url".to_owned(), (&**url).into());
    }
    if fields.contains_key("discount_code") && fields.contains_key("discount_codes") {
        if options.policy.is_express() {
            fields.remove("discount_codes"); // The adaptor sends the one code only.
            return Ok(fields);
        }
        return Err(super::fields::invalid_field(
            "/discount_code",
            "must not be there together with discount_codes",
        ));
    }
    Ok(fields)
}

//! Turns a request into the fields for Dodo Payments: the steps of sessions and links.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value, json};

use super::{
    fields::{Cleaner, Meaning, Schema, check_server_fields, invalid_field},
    form,
    guard::{self, BodyType},
    metadata,
    options::Options,
    server::{ClientBody, PRODUCT_ID, text},
};
use crate::{Error, ErrorKind, RequestHead, SignedIn, capture::Captured};

/// A checkout that may go to Dodo Payments.
pub(super) struct Order {
    /// The fields of client and server, with metadata and return URL.
    pub(super) fields: Map<String, Value>,
    pub(super) captured: Captured,
}

/// Writes a product and its quantity as the fields of a call.
type Goods = fn(&str, &Value) -> Map<String, Value>;

/// A cart of one item, for sessions.
pub(super) fn as_cart(id: &str, quantity: &Value) -> Map<String, Value> {
    let cart = json!([{ "product_id": id, "quantity": quantity }]);
    Map::from_iter([("product_cart".to_owned(), cart)])
}

/// A product, for links.
pub(super) fn as_product(id: &str, quantity: &Value) -> Map<String, Value> {
    Map::from_iter([
        ("product_id".to_owned(), id.into()),
        ("quantity".to_owned(), quantity.clone()),
    ])
}

impl Order {
    /// Checks a request and joins it with the fields of server code. Makes no request to Dodo
    /// Payments.
    pub(super) async fn take(
        options: &Options,
        schema: &Schema,
        goods: Goods,
        request: Request<Bytes>,
    ) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let body_type = guard::body_type(&parts, &body, options.redirect)?;
        guard::check_origin(&parts, &options.page_origins, &options.client)?;
        let mut body = match body_type {
            BodyType::Json => parse(&body)?,
            BodyType::Form => form::read(&body, schema)?,
            BodyType::Nothing => Map::new(),
        };
        let mut captured = options.captured(&parts);
        captured.take_from_body(&mut body);
        if options.server.has_hook() {
            parts.extensions.insert(ClientBody(body.clone().into()));
        }
        let slug = match &options.slugs {
            Some(slugs) => {
                let query = parts.uri.query().unwrap_or_default();
                Some(slugs.take(query, &mut body)?)
            }
            None => {
                expand_product(schema, goods, &mut body, options.policy.is_express())?;
                None
            }
        };
        for name in &options.app_fields {
            body.remove(&**name);
        }
        let mut client = Cleaner::new(&options.policy).clean(schema, body)?;
        options.check_urls(&client)?;
        if slug.is_none() && !sets(schema, options.server.fixed(), Meaning::Goods) {
            options.check_goods(schema, &client)?;
        }

        let head = RequestHead::from(parts);
        let mut server = check_server_fields(schema, options.server.get(&head).await?)?;
        if let (Some(id), false) = (slug, sets(schema, &server, Meaning::Goods)) {
            server.extend(goods(id.as_str(), &json!(1)));
        }
        if options.customer_from_sign_in
            && let Some(payer) = head.extension::<SignedIn>().and_then(payer)
        {
            server.insert("customer".into(), payer);
        }
        client.retain(|name, _| match schema.meaning(name) {
            Some(meaning) => !sets(schema, &server, meaning),
            None => true,
        });
        Ok(Self { fields: join(options, client, server, &captured)?, captured })
    }
}

/// The signed-in user as the field `customer`: by id, else by the verified e-mail address.
fn payer(user: &SignedIn) -> Option<Value> {
    match (&user.customer_id, &user.email) {
        (Some(id), _) => Some(json!({ "customer_id": id.as_str() })),
        (None, Some(email)) => Some(json!({ "email": email })),
        (None, None) => None,
    }
}

/// Whether one of these fields has this meaning.
fn sets(schema: &Schema, fields: &Map<String, Value>, meaning: Meaning) -> bool {
    fields.keys().any(|name| schema.meaning(name) == Some(meaning))
}

/// Reads `productId`, by which pages name one product, as the goods of a call.
fn expand_product(
    schema: &Schema,
    goods: Goods,
    body: &mut Map<String, Value>,
    express: bool,
) -> Result<(), Error> {
    let Some(id) = text(body.remove(PRODUCT_ID), PRODUCT_ID)? else { return Ok(()) };
    let quantity = body.remove("quantity").unwrap_or_else(|| json!(1));
    if !sets(schema, body, Meaning::Goods) {
        body.extend(goods(&id, &quantity));
        return Ok(());
    }
    if express {
        return Ok(()); // The adaptor reads the cart alone.
    }
    Err(invalid_field("/productId", "must not be together with another field that names products"))
}

fn parse(body: &Bytes) -> Result<Map<String, Value>, Error> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| {
        // The text of serde quotes the input, so the error does not include it.
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
    let (mut from_client, from_server) =
        (from_client.unwrap_or_default(), from_server.unwrap_or_default());
    metadata::check_merged(&from_server, &from_client)?;
    options.protect_metadata(captured, &mut from_client);
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
        return Err(invalid_field("/discount_code", "must not be together with discount_codes"));
    }
    Ok(fields)
}

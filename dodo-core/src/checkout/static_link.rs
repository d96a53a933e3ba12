use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    CheckoutBuilder, CheckoutKind, Link, answer,
    fields::{FIELDS, Field, Kind, Where, check_server_value},
    kind::Assemble,
    metadata,
    options::Options,
    request::StaticRequest,
    server::PRODUCT_ID,
};
use crate::{
    Client, Error, ErrorKind, ProductId, RequestHead,
    endpoint::{CheckoutEndpoint, Endpoint, Get, private::Sealed},
    refusal::ErrorPage,
};

/// `GET ?productId=...` answers with a link to a hosted page.
///
/// The endpoint looks the product up and creates nothing. A customer can change everything in the
/// link: if the customer must not change a value, use a [`SessionCheckout`](super::SessionCheckout).
#[derive(Clone, Debug)]
#[must_use]
pub struct StaticCheckout {
    options: Arc<Options>,
}

const METADATA_PREFIX: &str = "metadata_";

impl StaticCheckout {
    /// Starts a static checkout.
    pub fn builder(client: Client) -> CheckoutBuilder<Self> {
        CheckoutBuilder::new(client)
    }

    async fn link(&self, request: Request<Bytes>) -> Result<Link, Error> {
        let options = &*self.options;
        let parts = request.into_parts().0;
        let captured = options.captured(&parts);
        let query = parts.uri.query().unwrap_or_default();
        let mut client = Parameters::read(options, query)?;
        let mut named = Map::new();
        named.extend(client.values.remove(PRODUCT_ID).map(|id| (PRODUCT_ID.to_owned(), id)));
        let slug = match &options.slugs {
            Some(slugs) => Some(slugs.take(query, &mut named)?.clone()),
            None => None,
        };
        let head = RequestHead::from(parts);
        if let Some(url) = client.values.get("redirect_url").and_then(Value::as_str) {
            options
                .return_targets
                .check(url, options.return_url.as_deref())
                .map_err(|refused| refused.with_field("redirect_url"))?;
        }
        let mut server = Parameters::from_server(options.server.get(&head).await?)?;
        let product = match (server.values.remove(PRODUCT_ID), slug) {
            (Some(id), _) => ProductId::new(id.as_str().unwrap_or_default())?,
            (None, Some(product)) => product,
            (None, None) => {
                let id = named.get(PRODUCT_ID).and_then(Value::as_str);
                let id = id.ok_or_else(|| Error::missing_parameter(PRODUCT_ID))?;
                options.check_item(id, PRODUCT_ID)?;
                ProductId::new(id)?
            }
        };
        metadata::check_merged(&server.metadata, &client.metadata)?;
        options.protect_metadata(&captured, &mut client.metadata);
        options.client.product(&product).await?;

        client.values.retain(|name, _| {
            let meaning = parameter(name).and_then(|field| field.meaning);
            let set = |name: &String| parameter(name).and_then(|field| field.meaning) == meaning;
            meaning.is_none() || !server.values.keys().any(set)
        });
        client.values.extend(server.values);
        if let Some(url) = &options.return_url {
            client.values.entry("redirect_url").or_insert_with(|| (&**url).into());
        }
        client.values.entry("quantity").or_insert_with(|| 1.into());
        client.metadata =
            captured.inject(&server.metadata, client.metadata, options.client_metadata());
        let query = client.into_query();
        let host = options.client.checkout_base();
        Ok(Link { checkout_url: format!("{host}/buy/{product}?{query}") })
    }
}

/// The pairs of a query, decoded. Forms encode a blank as `+`. An e-mail address has no blank, so
/// in an address `+` stays `+`.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.flat_map(|pair| {
        let literal = pair.split_once('=').map(|(_, value)| value);
        form_urlencoded::parse(pair.as_bytes()).map(move |(name, text)| {
            let is_email = parameter(&name).is_some_and(|field| field.kind == Kind::Email);
            match literal.filter(|_| is_email) {
                Some(literal) => (name, percent_decode_str(literal).decode_utf8_lossy()),
                None => (name, text),
            }
        })
    })
}

/// The parameters of a static link.
#[derive(Default)]
struct Parameters {
    values: Map<String, Value>,
    metadata: Map<String, Value>,
    /// Metadata keys in the order of the request, which the link keeps.
    order: Vec<Box<str>>,
}

fn parameter(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.on.overlaps(Where::STATIC) && field.path == name)
}

impl Parameters {
    /// Reads a query. It ignores unknown parameters, because the capture or the application may
    /// read them. Empty values count as absent.
    fn read(options: &Options, query: &str) -> Result<Self, Error> {
        let mut read = Self::default();
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (name, text) in pairs(query) {
            let pair = name.strip_prefix(METADATA_PREFIX);
            let field = parameter(&name);
            if pair.is_none() && field.is_none() {
                continue;
            }
            if seen.contains(&name) {
                return Err(Error::duplicate_parameter(&name));
            }
            if !text.is_empty() {
                if let Some(key) = pair {
                    read.order.push(key.into());
                    read.metadata.insert(key.to_owned(), (&*text).into());
                } else if let Some(field) = field {
                    read.take(options, field, &text)?;
                }
            }
            seen.push(name);
        }
        metadata::check(&read.metadata).map_err(|key| {
            let name = key
                .map_or(Cow::Borrowed("metadata"), |key| format!("{METADATA_PREFIX}{key}").into());
            invalid(&name, Kind::Metadata)
        })?;
        Ok(read)
    }

    fn take(&mut self, options: &Options, field: &Field, text: &str) -> Result<(), Error> {
        if !options.policy.permits(field.path, field.class) {
            return Err(Error::new(
                ErrorKind::FieldNotAllowed,
                "this parameter may not be set by a client",
            )
            .with_field(field.path));
        }
        let value = match field.kind {
            Kind::Switch if text != "true" => return Ok(()),
            Kind::Switch | Kind::Bool => match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Int(..) | Kind::Amount(_) => text.parse::<i64>().ok().map(Value::from),
            _ => Some(text.into()),
        };
        let value = value
            .and_then(|value| field.kind.check(value))
            .ok_or_else(|| invalid(field.path, field.kind))?;
        self.values.insert(field.path.to_owned(), value);
        Ok(())
    }

    /// The parameters of server code, with the names of the page instead of the names of the
    /// builder.
    fn from_server(fields: Map<String, Value>) -> Result<Self, Error> {
        let mut read = Self::default();
        let wrong = |name: &str| {
            Error::config("server code set a parameter that a static link does not take")
                .with_field(name)
        };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("metadata", Value::Object(pairs)) => {
                    metadata::check(&pairs).map_err(|key| wrong(key.unwrap_or("metadata")))?;
                    read.metadata = pairs;
                }
                (name, value) => {
                    let name = page_name(name);
                    let field = parameter(&name).ok_or_else(|| wrong(&name))?;
                    match (field.kind, value) {
                        (Kind::Switch, Value::Bool(false)) => {}
                        (_, value) => {
                            let checked = check_server_value(field, value);
                            read.values.insert(name, checked?);
                        }
                    }
                }
            }
        }
        Ok(read)
    }

    /// The query in the order of the table, independent of the order of the request.
    fn into_query(mut self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fields = FIELDS.iter().filter(|field| field.on.overlaps(Where::STATIC));
        for field in fields {
            if let Some(value) = self.values.get(field.path) {
                query.append_pair(field.path, &text(value));
            }
        }
        let mut pairs: Vec<(String, Value)> = Vec::new();
        pairs.extend(self.order.iter().filter_map(|key| self.metadata.remove_entry(&**key)));
        pairs.extend(self.metadata);
        for (key, value) in &pairs {
            query.append_pair(&format!("{METADATA_PREFIX}{key}"), &text(value));
        }
        query.finish()
    }
}

/// `full_name` is `fullName` on the page; `redirect_url` keeps its name.
fn page_name(name: &str) -> String {
    if name == "redirect_url" {
        return name.to_owned();
    }
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

fn invalid(name: &str, kind: Kind) -> Error {
    Error::new(ErrorKind::InvalidRequest, kind.expectation())
        .with_code("invalid_parameter")
        .with_field(name)
}

impl Assemble for StaticCheckout {
    type RedirectMethods = Get;

    fn check_fixed(fields: Map<String, Value>) -> Result<(), Error> {
        Parameters::from_server(fields).map(drop)
    }

    fn assemble(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }
}

impl CheckoutKind for StaticCheckout {
    type Request = StaticRequest;
}

impl Sealed for StaticCheckout {}

impl Endpoint for StaticCheckout {
    type Methods = Get;

    /// A `GET` needs no body. The limit applies to clients that send one.
    fn body_limit(&self, _: &Method) -> usize {
        self.options.body_limit
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        self.options.body_timeout
    }

    fn error_page(&self, _: &Method, headers: &HeaderMap) -> Option<&ErrorPage> {
        self.options.error_page_for(headers)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let options = &self.options;
        let page = options.error_page_for(request.headers());
        answer(options, self.link(request).await, page)
    }
}

impl CheckoutEndpoint for StaticCheckout {}

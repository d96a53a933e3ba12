//! A request that matches the contract, and its reply.

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    Error,
    contract::{Operation, PathParameters, contract},
    state::SandboxState,
};

/// Acts on a request.
pub(crate) type Handler = fn(&mut SandboxState, &Call) -> Result<Reply, Error>;

/// A handler with its method and path.
pub(crate) type Route = (&'static str, Handler);

/// A successful reply, before the contract shapes it.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(Value),
    Bytes(Vec<u8>),
    Empty,
}

/// A checked request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    pub(crate) path: PathParameters,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Map<String, Value>,
}

impl Call {
    /// Reads a request and checks it by the contract. An empty body counts as `{}`.
    ///
    /// # Errors
    /// 400 if the body is not JSON; 422 with the place of the first fault.
    pub(super) fn read(
        operation: &'static Operation,
        path: PathParameters,
        query: Option<&str>,
        bytes: &Bytes,
    ) -> Result<Self, Error> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        contract().check_query(operation, pairs).map_err(|fault| {
            Error::unprocessable("INVALID_REQUEST_PARAMETERS", fault.to_string())
        })?;
        let mut body = Map::new();
        if operation.body.is_some() {
            let value =
                if bytes.is_empty() { Ok(json!({})) } else { serde_json::from_slice(bytes) };
            let value = value.map_err(|_| {
                let message = "the body is not valid JSON";
                Error::refused(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", message)
            })?;
            if operation.body_required || !bytes.is_empty() {
                let checked = contract().check_body(operation, &value);
                checked.map_err(|fault| Error::invalid(fault.to_string()))?;
            }
            if let Value::Object(fields) = value {
                body = fields;
            }
        }
        Ok(Self { operation, path, query, body })
    }

    /// The first parameter of the path.
    pub(crate) fn id(&self) -> &str {
        self.path.first().map_or("", |(_, value)| value)
    }

    /// The last parameter of the path.
    pub(crate) fn last_id(&self) -> &str {
        self.path.last().map_or("", |(_, value)| value)
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query as a number or another parsed value.
    ///
    /// # Errors
    /// 422 if it cannot be read.
    pub(crate) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let unreadable = |_| {
            Error::unprocessable("INVALID_REQUEST_PARAMETERS", format!("{name} cannot be read"))
        };
        self.query(name).map(|text| text.parse().map_err(unreadable)).transpose()
    }

    /// The body as a type.
    ///
    /// # Errors
    /// 422 if it does not fit.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let body = Value::Object(self.body.clone());
        serde_path_to_error::deserialize(body).map_err(|error| Error::invalid(error.to_string()))
    }

    /// The fields of the body that have a value, or are `null` and may be cleared.
    pub(crate) fn given<'a>(
        &'a self,
        clears: &'a [&str],
    ) -> impl Iterator<Item = (String, Value)> + 'a {
        let given =
            |(name, value): &(&String, &Value)| !value.is_null() || clears.contains(&name.as_str());
        self.body.iter().filter(given).map(|(name, value)| (name.clone(), value.clone()))
    }

    /// A text of the body.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

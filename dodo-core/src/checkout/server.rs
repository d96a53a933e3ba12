//! The fields of a checkout that the application's own code sets.

use std::{collections::HashMap, fmt, future::Future, ops::Deref, sync::Arc};

use serde_json::{Map, Value};

use crate::{BoxError, BoxFuture, Error, ProductId, RequestHead};

type Fields = Map<String, Value>;
type Hook = Arc<dyn Fn(RequestHead) -> BoxFuture<Result<Fields, BoxError>> + Send + Sync>;

/// Fields that server code sets: the same for every checkout, and computed for each.
#[derive(Clone, Default)]
pub(super) struct ServerFields {
    fixed: Fields,
    hook: Option<Hook>,
}

impl ServerFields {
    pub(super) fn fix(&mut self, fields: Value) {
        if let Value::Object(fields) = fields {
            merge(&mut self.fixed, fields);
        }
    }

    pub(super) fn fixed(&self) -> &Fields {
        &self.fixed
    }

    pub(super) fn compute<F, Fut, T, E>(&mut self, hook: F)
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Value>,
        E: Into<BoxError>,
    {
        self.hook = Some(Arc::new(move |head| {
            let fields = hook(head);
            Box::pin(async move {
                match fields.await.map_err(Into::into)?.into() {
                    Value::Object(fields) => Ok(fields),
                    _ => Ok(Fields::new()),
                }
            })
        }));
    }

    pub(super) fn has_hook(&self) -> bool {
        self.hook.is_some()
    }

    /// Returns the fields for one request. Computed fields win over fixed ones.
    pub(super) async fn get(&self, head: &RequestHead) -> Result<Fields, Error> {
        let mut fields = self.fixed.clone();
        if let Some(hook) = &self.hook {
            let computed = hook(head.clone()).await.map_err(own_error)?;
            merge(&mut fields, computed);
        }
        Ok(fields)
    }
}

impl fmt::Debug for ServerFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerFields")
            .field("fixed", &self.fixed.keys())
            .field("hook", &self.hook.is_some())
            .finish()
    }
}

fn own_error(error: BoxError) -> Error {
    Error::from_hook(error, "the application failed to prepare the checkout")
}

/// Replaces fields of `fields` with those of `over`, and joins their metadata pairs.
fn merge(fields: &mut Fields, over: Fields) {
    for (name, value) in over {
        match (name.as_str(), fields.get_mut(&name), value) {
            ("metadata", Some(Value::Object(pairs)), Value::Object(more)) => pairs.extend(more),
            (_, _, value) => {
                fields.insert(name, value);
            }
        }
    }
}

/// The body of the client, unchecked, for hooks: `head.extension::<ClientBody>()`. The endpoint does
/// not send it to Dodo Payments.
#[derive(Clone)]
pub struct ClientBody(pub(super) Arc<Map<String, Value>>);

impl Deref for ClientBody {
    type Target = Map<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Shows which fields are set. Their values may be personal.
impl fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Names of products in the shop's own URLs.
#[derive(Clone, Debug)]
pub(super) struct Slugs {
    parameter: Box<str>,
    products: HashMap<Box<str>, ProductId>,
}

impl Slugs {
    pub(super) fn new<S: AsRef<str>>(
        parameter: &str,
        products: impl IntoIterator<Item = (S, ProductId)>,
    ) -> Result<Self, Error> {
        let option = |value: &str, problem| Err(Error::option("products_by_slug", value, problem));
        if parameter.is_empty() {
            return option("", "name the parameter");
        }
        let mut by_slug = HashMap::new();
        for (slug, id) in products {
            let slug = slug.as_ref();
            if slug.is_empty() || by_slug.insert(slug.into(), id).is_some() {
                return option(slug, "use each name once, and no empty name");
            }
        }
        if by_slug.is_empty() {
            return option("", "list at least one product");
        }
        Ok(Self { parameter: parameter.into(), products: by_slug })
    }

    /// The product of a request: the slug in the query or in the body, or `productId` in the body.
    /// Removes these and `quantity` from the body, because a client must not choose the goods.
    ///
    /// # Errors 400 without one and for two; 404 for a product that is not listed.
    pub(super) fn take(
        &self,
        query: &str,
        body: &mut Map<String, Value>,
    ) -> Result<&ProductId, Error> {
        let in_body = body.remove(&*self.parameter);
        let by_id = body.remove(PRODUCT_ID);
        body.remove("quantity");
        let mut slugs = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| *name == *self.parameter)
            .map(|(_, slug)| slug.into_owned())
            .chain(text(in_body, &self.parameter)?);
        let slug = slugs.next();
        if slugs.next().is_some() {
            return Err(Error::duplicate_parameter(&self.parameter));
        }
        let product = match (&slug, text(by_id, PRODUCT_ID)?) {
            (Some(slug), _) => self.products.get(&**slug),
            (None, Some(id)) => self.products.values().find(|product| product.as_str() == id),
            (None, None) => return Err(Error::missing_parameter(&self.parameter)),
        };
        product.ok_or_else(|| {
            Error::product_not_found().with_field(if slug.is_some() {
                &self.parameter
            } else {
                PRODUCT_ID
            })
        })
    }
}

/// The name by which pages send one product.
pub(super) const PRODUCT_ID: &str = "productId";

/// The text of a field that is in no schema.
pub(super) fn text(value: Option<Value>, name: &str) -> Result<Option<String>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(super::fields::invalid_field(&format!("/{name}"), "must be text")),
    }
}

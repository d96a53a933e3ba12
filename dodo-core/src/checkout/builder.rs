//! The builder of all checkouts.

use std::{fmt, marker::PhantomData, time::Duration};

use super::{
    CheckoutKind, FieldSet, PostCheckout, RedirectCheckout,
    options::Options,
    request::SessionRequest,
    return_to::{self, PageOrigin},
    server::Slugs,
};
use crate::{
    BoxError, Client, Error, ProductId, RequestHead,
    capture::{CheckoutContextStore, ErasedContextStore, VisitorCapture, is_metadata_key},
    refusal::ErrorPage,
};

/// Builds a checkout. Options that do not fit a kind of checkout do not exist on its builder.
///
/// ```
/// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
/// use dodo_core::{checkout::{SessionCheckout, StaticCheckout}, endpoint::Endpoint};
/// let session = SessionCheckout::builder(client.clone())
///     .allow_return_origins(["https://www.shop.example"])
///     .build()?;
/// let checkout = StaticCheckout::builder(client).build()?.or(session);
/// # Ok(())
/// # }
/// ```
#[must_use = "call `.build()`"]
pub struct CheckoutBuilder<C> {
    options: Options,
    /// The first option with an unusable value.
    problem: Option<Error>,
    kind: PhantomData<fn() -> C>,
}

impl<C: CheckoutKind> CheckoutBuilder<C> {
    pub(super) fn new(client: Client) -> Self {
        Self { options: Options::new(client), problem: None, kind: PhantomData }
    }

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    fn try_set(mut self, change: impl FnOnce(&mut Options) -> Result<(), Error>) -> Self {
        if self.problem.is_none() {
            self.problem = change(&mut self.options).err();
        }
        self
    }

    /// Sets the URL to which the customer returns: a page, or a link into an app, `myapp://done`.
    /// Default: the [`return_url`](crate::client::ClientBuilder::return_url) of the client.
    pub fn return_url(self, url: impl AsRef<str>) -> Self {
        self.try_set(|options| {
            options.return_url = Some(return_to::own_url(url.as_ref())?);
            Ok(())
        })
    }

    /// Accepts return URLs of clients that lead to these origins, such as `https://shop.example`.
    /// The origin of the shop's own return URL is always accepted.
    pub fn allow_return_origins(self, origins: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.try_set(|options| {
            let mut origins = origins.into_iter();
            origins.try_for_each(|origin| options.return_targets.allow_origin(origin.as_ref()))
        })
    }

    /// Accepts return URLs of clients that lead into an app by this scheme: `myapp` for
    /// `myapp://done`. Call it again for a further scheme.
    pub fn allow_return_scheme(self, scheme: impl AsRef<str>) -> Self {
        self.try_set(|options| options.return_targets.allow_scheme(scheme.as_ref()))
    }

    /// Accepts return URLs of clients that lead to any `https` origin. The client then decides where
    /// the customer goes after the payment.
    pub fn allow_any_return_origin(self) -> Self {
        self.set(|options| options.return_targets.allow_any_origin())
    }

    /// Accepts these guarded fields from clients: by last name, `trial_period_days`, or by whole
    /// path, `subscription_data.trial_period_days`. The page on field policy lists all fields.
    pub fn allow_fields(self, names: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.try_set(|options| {
            names.into_iter().try_for_each(|name| options.policy.allow(name.as_ref()))
        })
    }

    /// Accepts a set of guarded fields from clients.
    pub fn allow_field_set(self, set: FieldSet) -> Self {
        self.set(|options| options.policy.allow_set(set))
    }

    /// Behaves as `@dodopayments/express`: the client may send each documented field, and the
    /// endpoint drops unknown fields. It still refuses invalid values.
    pub fn express_compatible(self) -> Self {
        self.set(|options| options.policy.make_express())
    }

    /// Protects metadata keys of your own: the endpoint removes client values under these keys.
    ///
    /// Under the default policy the endpoint also removes client values under each key that the
    /// product reads back. The page on field policy lists these keys.
    pub fn reserve_metadata(self, keys: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.try_set(|options| {
            for key in keys {
                let key = key.as_ref();
                if !is_metadata_key(key) {
                    let remedy = "write 1 to 40 letters, digits, '_' and '-'";
                    return Err(Error::option("reserve_metadata", key, remedy));
                }
                options.reserved.push(key.into());
            }
            Ok(())
        })
    }

    /// Sets what to read about the visitor. Default: the result of the
    /// [`VisitorLayer`](crate::capture::VisitorLayer) in front of the route.
    pub fn capture(self, capture: VisitorCapture) -> Self {
        self.set(|options| options.capture = Some(capture))
    }

    /// Sets the capture that the whole application shares. The webhooks read its keys, so a client sets
    /// none of them, whatever capture this checkout has.
    pub(crate) fn capture_of_app(self, capture: VisitorCapture) -> Self {
        self.set(|options| {
            options.capture = Some(capture.clone());
            options.app_capture = Some(capture);
        })
    }

    /// Sets fields for every checkout. They override fields of clients, and the field policy does
    /// not apply to them.
    pub fn server_fields(self, fields: C::Request) -> Self {
        self.set(|options| options.server.fix(fields.into()))
    }

    /// Computes fields for each checkout from the head of the request: the cart, a discount, the
    /// trial, metadata. They override fields of clients and [`server_fields`](Self::server_fields).
    ///
    /// The hook runs after the checks of the request. If it returns an [`Error`], this error is the
    /// answer. Every other error is a 500.
    pub fn server_fields_with<F, Fut, E>(self, hook: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Request, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.set(|options| options.server.compute(hook))
    }

    /// Sells these products, each by a name of the shop: with
    /// `products_by_slug("plan", [("pro", pro)])` a request with `plan=pro` in its query or `plan` in
    /// its body buys one `pro`.
    ///
    /// The name is required: the endpoint answers 400 without it, and 404 for a name that is not
    /// listed. `productId` in the body, or in the query of a static checkout, names a listed product
    /// by its id. The endpoint removes every other field of the client that names something to buy.
    pub fn products_by_slug<S: AsRef<str>>(
        self,
        parameter: &str,
        products: impl IntoIterator<Item = (S, ProductId)>,
    ) -> Self {
        self.try_set(|options| {
            options.slugs = Some(Slugs::new(parameter, products)?);
            Ok(())
        })
    }

    /// Accepts only these ids from clients, wherever a client names something to buy: products,
    /// add-ons, one-time carts, collections.
    pub fn allow_products(self, products: impl IntoIterator<Item = ProductId>) -> Self {
        self.try_set(|options| {
            let allowed = options.products.get_or_insert_default();
            allowed.extend(products);
            if allowed.is_empty() {
                return Err(Error::option("allow_products", "", "list at least one product"));
            }
            Ok(())
        })
    }

    /// Sends browsers to this page if the checkout fails: a path of the application, or an absolute
    /// URL. Default: the answer is a problem document in JSON.
    ///
    /// A browser is a request that accepts `text/html`. The answer is 303, and the query of the page
    /// gets the code of the error: `/checkout/error?code=product_not_found`. This holds for every
    /// error, also for a wrong method and for a body that is too large or late.
    pub fn error_page(self, url: impl AsRef<str>) -> Self {
        self.try_set(|options| {
            options.error_page = Some(ErrorPage::new("error_page", url.as_ref())?);
            Ok(())
        })
    }

    /// Answers 303 to the payment page, so that a link or an HTML form starts the checkout.
    ///
    /// A checkout that creates something then also takes `GET`, where server code or a slug decides
    /// the goods, forms (`application/x-www-form-urlencoded`) and empty bodies. In a form,
    /// `customer.email` is a field of `customer`. Requests that the browser marks as cross-site are
    /// refused: on other sites, link to a page of the shop.
    pub fn redirect(self) -> CheckoutBuilder<RedirectCheckout<C>> {
        let Self { mut options, problem, kind: _ } = self;
        options.redirect = true;
        CheckoutBuilder { options, problem, kind: PhantomData }
    }

    /// Builds the endpoint.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for the first option with an unusable value, and for fixed
    /// fields that Dodo Payments does not take. The message names the option and the problem.
    pub fn build(self) -> Result<C, Error> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        C::check_fixed(self.options.server.fixed().clone())?;
        Ok(C::assemble(self.options))
    }
}

impl<C: PostCheckout> CheckoutBuilder<C> {
    /// Accepts requests of pages on these origins, such as `https://www.shop.example`, or
    /// `tauri://localhost` for the pages of an app. Pages of the same origin are always accepted.
    pub fn allow_page_origins(self, origins: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.try_set(|options| {
            for origin in origins {
                options.page_origins.push(PageOrigin::configured(origin.as_ref())?);
            }
            Ok(())
        })
    }

    /// Names fields of the body that only the application reads, in
    /// [`server_fields_with`](Self::server_fields_with) through
    /// [`ClientBody`](super::ClientBody). The endpoint does not send them to Dodo Payments.
    pub fn app_fields(self, names: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.set(|options| {
            options.app_fields.extend(names.into_iter().map(|name| name.as_ref().into()));
        })
    }

    /// Takes the customer from the [`SignedIn`](crate::SignedIn) in the request's extensions.
    ///
    /// A client can then never name an existing customer, a saved payment method or `confirm`, even
    /// if no user is signed in, and even if another option allows these fields. A guest may give
    /// name and e-mail address.
    pub fn customer_from_sign_in(self) -> Self {
        self.set(|options| {
            options.customer_from_sign_in = true;
            options.policy.deny_set(FieldSet::ExistingCustomer);
            options.policy.deny_set(FieldSet::SavedPaymentMethods);
        })
    }

    /// Sets the largest body in bytes. Default: 100 KiB.
    pub fn body_limit(self, bytes: usize) -> Self {
        self.set(|options| options.body_limit = bytes)
    }

    /// Sets the time limit for the arrival of the body. Default: 10 seconds.
    pub fn body_timeout(self, limit: Duration) -> Self {
        self.set(|options| options.body_timeout = limit)
    }
}

impl<C: CheckoutKind<Request = SessionRequest>> CheckoutBuilder<C> {
    /// Stores the context of the visitor under the id of the session: landing path, referrer and
    /// other data that does not belong in metadata.
    ///
    /// The endpoint waits at most 2 seconds for the store. If the store fails, the endpoint logs an
    /// error, and the checkout continues.
    pub fn context_store(self, store: impl CheckoutContextStore) -> Self {
        self.set(|options| options.store = Some(ErasedContextStore::new(store)))
    }
}

impl<C> fmt::Debug for CheckoutBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutBuilder")
            .field("options", &self.options)
            .field("problem", &self.problem)
            .finish()
    }
}

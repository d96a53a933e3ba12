use std::cell::RefMut;

use actix_web::{HttpMessage, HttpRequest};

/// What travels from actix-web's middleware to dodo-core.
///
/// actix-web's own extensions cannot be read as a whole, so this map of `http` 1 is carried inside
/// them, and every hook and resolver sees it as the extensions of the request.
///
/// ```
/// use actix_web::{HttpMessage, dev::ServiceRequest};
/// use dodo_actix::DodoExtensions;
/// use dodo_core::{CustomerId, SignedIn};
///
/// # #[derive(Clone)] struct Account { dodo_customer: CustomerId }
/// /// Called by the application's own middleware once it knows who asks.
/// fn signed_in(request: &ServiceRequest, account: &Account) {
///     let user = SignedIn::new(account.dodo_customer.clone());
///     request.dodo_extensions_mut().insert(user);
/// }
/// ```
pub trait DodoExtensions {
    /// The map. As with `extensions_mut`, do not hold it across an `await`.
    ///
    /// # Panics
    /// If the request's extensions are borrowed already, as `extensions_mut` does.
    fn dodo_extensions_mut(&self) -> RefMut<'_, http::Extensions>;
}

impl<T: HttpMessage> DodoExtensions for T {
    fn dodo_extensions_mut(&self) -> RefMut<'_, http::Extensions> {
        RefMut::map(self.extensions_mut(), |map| {
            &mut map.get_or_insert_with(|| Carried(http::Extensions::new())).0
        })
    }
}

struct Carried(http::Extensions);

pub(crate) fn carried(request: &HttpRequest) -> http::Extensions {
    request.extensions().get::<Carried>().map(|carried| carried.0.clone()).unwrap_or_default()
}

use std::cell::RefMut;

use actix_web::{HttpMessage, HttpRequest};
use dodo_core::SignedIn;

/// The values that actix-web's middleware passes to dodo-core.
///
/// An adapter cannot copy actix-web's own extensions, so they hold this map of `http` 1. Every hook
/// and resolver sees the map as the extensions of the request.
///
/// ```
/// use actix_web::{HttpMessage, dev::ServiceRequest};
/// use dodo_actix::DodoExtensions;
///
/// #[derive(Clone)]
/// struct Team(u64);
///
/// /// Called by the application's own middleware.
/// fn remember_team(request: &ServiceRequest, team: Team) {
///     request.dodo_extensions_mut().insert(team);
/// }
/// ```
pub trait DodoExtensions {
    /// Returns the map. As with `extensions_mut`, do not hold it across an `await`.
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

/// Signs a user in, for every route of this crate.
///
/// ```
/// use actix_web::dev::ServiceRequest;
/// use dodo_actix::SignIn;
/// use dodo_core::{CustomerId, SignedIn};
///
/// /// Called by the application's own middleware once it knows the user.
/// fn sign_in(request: &ServiceRequest, user: &str, customer: CustomerId) {
///     request.sign_in(SignedIn::user(user).customer(customer));
/// }
/// ```
pub trait SignIn {
    /// Puts `user` into the request's [`dodo_extensions_mut`](DodoExtensions::dodo_extensions_mut).
    ///
    /// # Panics
    /// If the request's extensions are borrowed already, as `extensions_mut` does.
    fn sign_in(&self, user: SignedIn);
}

impl<T: HttpMessage> SignIn for T {
    fn sign_in(&self, user: SignedIn) {
        self.dodo_extensions_mut().insert(user);
    }
}

struct Carried(http::Extensions);

pub(crate) fn carried(request: &HttpRequest) -> http::Extensions {
    request.extensions().get::<Carried>().map(|carried| carried.0.clone()).unwrap_or_default()
}

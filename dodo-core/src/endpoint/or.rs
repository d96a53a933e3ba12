use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};

use super::{CheckoutEndpoint, Disjoint, Endpoint, accepts, private::Sealed};
use crate::refusal::ErrorPage;

/// Two endpoints on one path. Created by [`Endpoint::or`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A, B> Or<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: Endpoint, B: Endpoint> Sealed for Or<A, B> {}

impl<A, B> Endpoint for Or<A, B>
where
    A: Endpoint<Methods: Disjoint<B::Methods>>,
    B: Endpoint,
{
    type Methods = <A::Methods as Disjoint<B::Methods>>::Union;

    const ANSWERS_HEAD: bool = A::ANSWERS_HEAD || B::ANSWERS_HEAD;

    fn body_limit(&self, method: &Method) -> usize {
        if accepts::<A>(method) {
            self.first.body_limit(method)
        } else {
            self.second.body_limit(method)
        }
    }

    fn body_timeout(&self, method: &Method) -> Duration {
        if accepts::<A>(method) {
            self.first.body_timeout(method)
        } else {
            self.second.body_timeout(method)
        }
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        if accepts::<A>(request.method()) {
            self.first.run(request).await
        } else {
            self.second.run(request).await
        }
    }

    fn error_page(&self, method: &Method, headers: &HeaderMap) -> Option<&ErrorPage> {
        let second = || self.second.error_page(method, headers);
        match (accepts::<A>(method), accepts::<B>(method)) {
            (true, _) => self.first.error_page(method, headers),
            (false, true) => second(),
            // If neither endpoint answers the method, uses the error page of either one.
            (false, false) => self.first.error_page(method, headers).or_else(second),
        }
    }

    fn owns_caching(&self, method: &Method) -> bool {
        if accepts::<A>(method) {
            self.first.owns_caching(method)
        } else {
            self.second.owns_caching(method)
        }
    }
}

impl<A, B> CheckoutEndpoint for Or<A, B>
where
    A: CheckoutEndpoint<Methods: Disjoint<B::Methods>>,
    B: CheckoutEndpoint,
{
}

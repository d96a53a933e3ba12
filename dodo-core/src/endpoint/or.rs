use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};

use super::{Endpoint, Methods, private::Sealed};

/// Two endpoints on one path. Made by [`Endpoint::or`].
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

impl<A: Endpoint, B: Endpoint> Endpoint for Or<A, B> {
    const METHODS: Methods = A::METHODS.and(B::METHODS);

    fn body_limit(&self, method: &Method) -> usize {
        if A::METHODS.contains(method) {
            self.first.body_limit(method)
        } else {
            self.second.body_limit(method)
        }
    }

    fn body_deadline(&self, method: &Method) -> Duration {
        if A::METHODS.contains(method) {
            self.first.body_deadline(method)
        } else {
            self.second.body_deadline(method)
        }
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        if A::METHODS.contains(request.method()) {
            self.first.run(request).await
        } else {
            self.second.run(request).await
        }
    }
}

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dodo_core::Endpoint;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::{
    Service, ServiceExt,
    util::{BoxCloneSyncService, Oneshot},
};

use super::{Application, Mount, Source};

type Answer = Response<Full<Bytes>>;
type Route = BoxCloneSyncService<Request<Incoming>, Answer, Infallible>;

/// Whole paths to services: all the router that these routes need.
#[derive(Clone)]
pub(super) struct Paths(Arc<HashMap<String, Route>>);

pub(super) fn router(application: &impl Application) -> Paths {
    let mut routes = Routes(HashMap::new());
    application.mount(&mut routes);
    Paths(Arc::new(routes.0))
}

impl Service<Request<Incoming>> for Paths {
    type Response = Answer;
    type Error = Infallible;
    type Future = Oneshot<Route, Request<Incoming>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let route = self.0.get(request.uri().path()).cloned();
        route.unwrap_or_else(|| constant(StatusCode::NOT_FOUND)).oneshot(request)
    }
}

fn constant(status: StatusCode) -> Route {
    let answer = move |_| async move {
        let mut response = Answer::default();
        *response.status_mut() = status;
        Ok(response)
    };
    BoxCloneSyncService::new(tower::service_fn(answer))
}

struct Routes(HashMap<String, Route>);

impl Routes {
    fn route(&mut self, path: &str, endpoint: impl Endpoint) {
        self.0.insert(path.to_owned(), BoxCloneSyncService::new(endpoint.into_service()));
    }
}

impl Mount for Routes {
    fn checkout(&mut self, path: &str, checkout: impl Endpoint) {
        self.route(path, checkout);
    }

    fn portal(&mut self, path: &str, portal: impl Endpoint) {
        self.route(path, portal);
    }

    fn webhooks(&mut self, path: &str, hooks: impl Endpoint) {
        self.route(path, hooks);
    }

    fn control(&mut self, path: &str, source: Source) {
        let answer = move |request: Request<Incoming>| {
            let response = match *request.method() {
                Method::GET => Response::builder()
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Full::from(source().to_string())),
                _ => Response::builder().status(405).body(Full::default()),
            };
            async move { Ok(response.expect("the parts are constant")) }
        };
        self.0.insert(path.to_owned(), BoxCloneSyncService::new(tower::service_fn(answer)));
    }
}

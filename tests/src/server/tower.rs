use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dodo_core::{
    CustomerPortal, Error, WebhookKey, Webhooks,
    capture::{VisitorId, VisitorLayer},
    endpoint::{CheckoutEndpoint, Endpoint},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, MapRequestLayer, Oneshot, option_layer},
};

use super::{
    Application, CUSTOMER_HEADER, Mount, Source, USER_HEADER, delivery_shown, payment_shown, shown,
};

type Answer = Response<Full<Bytes>>;
type Route = BoxCloneSyncService<Request<Incoming>, Answer, Infallible>;

/// Whole paths to services: all the router that these routes need.
#[derive(Clone)]
struct Paths(Arc<HashMap<String, Route>>);

pub(super) fn router(application: &impl Application) -> Route {
    let mut routes = Routes(HashMap::new());
    application.mount(&mut routes);
    let middleware = application.middleware();
    let capture = middleware.capture.clone().map(VisitorLayer::new);
    let sign_in = MapRequestLayer::new(move |mut request: Request<Incoming>| {
        let named = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let user = middleware.signed_in(named(USER_HEADER), named(CUSTOMER_HEADER));
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        request
    });
    let stack = ServiceBuilder::new().layer(sign_in).layer(option_layer(capture));
    Route::new(stack.service(Paths(Arc::new(routes.0))))
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

    /// What an extractor and its rejection do, without a framework.
    fn page<F, Fut>(&mut self, path: &str, text: F)
    where
        F: Fn(Parts, Incoming) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<String, Error>> + Send + 'static,
    {
        let answer = move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            let text = text(parts, body);
            async move {
                let response = match text.await {
                    Ok(text) => Response::builder()
                        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
                        .body(Bytes::from(text))
                        .expect("the parts are constant"),
                    Err(error) => error.to_response(),
                };
                Ok(response.map(Full::new))
            }
        };
        self.0.insert(path.to_owned(), BoxCloneSyncService::new(tower::service_fn(answer)));
    }
}

impl Mount for Routes {
    fn checkout(&mut self, path: &str, checkout: impl CheckoutEndpoint) {
        self.route(path, checkout);
    }

    fn portal(&mut self, path: &str, portal: CustomerPortal) {
        self.route(path, portal);
    }

    fn webhooks(&mut self, path: &str, hooks: Webhooks) {
        self.route(path, hooks);
    }

    fn visitor_page(&mut self, path: &str) {
        self.page(path, async |parts, _| {
            VisitorId::from_extensions(&parts.extensions).map(|visitor| visitor.as_str().to_owned())
        });
    }

    fn optional_visitor_page(&mut self, path: &str) {
        self.page(path, async |parts, _| {
            Ok(shown(VisitorId::from_extensions(&parts.extensions).ok().as_ref()))
        });
    }

    fn verified_page(&mut self, path: &str, key: WebhookKey) {
        self.page(path, move |parts, body| {
            let key = key.clone();
            async move { Ok(delivery_shown(&key.verify_request(&parts.headers, body).await?)) }
        });
    }

    fn payment_page(&mut self, path: &str, key: WebhookKey) {
        self.page(path, move |parts, body| {
            let key = key.clone();
            async move { Ok(payment_shown(&key.verify_request(&parts.headers, body).await?.typed()?)) }
        });
    }

    fn control(&mut self, path: &str, source: Source) {
        let answer = move |request: Request<Incoming>| {
            let source = source.clone();
            async move {
                let response = match *request.method() {
                    Method::GET => Response::builder()
                        .header(header::CONTENT_TYPE, "application/json")
                        .body(Full::from(source().await.to_string())),
                    _ => Response::builder().status(405).body(Full::default()),
                };
                Ok(response.expect("the parts are constant"))
            }
        };
        self.0.insert(path.to_owned(), BoxCloneSyncService::new(tower::service_fn(answer)));
    }
}

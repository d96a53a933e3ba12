//! The guard and the extractor for actix-web.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::StatusCode,
    middleware::Next,
};
use bytes::Bytes;
use dodo_actix::DodoExtensions;
use dodo_core::SignedIn;
use http::{HeaderValue, Request, Response, header};

use crate::{
    access::Access,
    gate::{AccessLayer, no_access},
};

impl AccessLayer {
    /// The layer as a middleware of actix-web. Your own middleware signs the user in before.
    ///
    /// ```
    /// use actix_web::{Scope, middleware::from_fn, web};
    /// use dodo_billing::{Access, Billing};
    ///
    /// async fn export(access: Access) -> String {
    ///     access.reason().to_string()
    /// }
    ///
    /// fn reports(billing: &Billing) -> impl actix_web::dev::HttpServiceFactory + 'static {
    ///     let layer = billing.require_feature("export");
    ///     web::resource("/export")
    ///         .wrap(from_fn(move |request, next| layer.clone().guard(request, next)))
    ///         .route(web::get().to(export))
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of the route.
    pub async fn guard<B: MessageBody + 'static>(
        self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
        let (mut parts, ()) = Request::new(()).into_parts();
        let accept = request.headers().get(actix_web::http::header::ACCEPT);
        if let Some(accept) = accept.and_then(|a| HeaderValue::from_bytes(a.as_bytes()).ok()) {
            parts.headers.insert(header::ACCEPT, accept);
        }
        let user = request.dodo_extensions_mut().get::<SignedIn>().cloned();
        if let Some(user) = user {
            parts.extensions.insert(user);
        }
        match self.check(&parts).await {
            Ok(access) => {
                if let Some(access) = access {
                    request.dodo_extensions_mut().insert(access);
                }
                Ok(next.call(request).await?.map_into_boxed_body())
            }
            Err(refusal) => Ok(request.into_response(converted(refusal))),
        }
    }
}

fn converted(response: Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut converted = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &parts.headers {
        converted.insert_header((name.as_str(), value.as_bytes()));
    }
    converted.body(body)
}

/// The access that a [guard](AccessLayer::guard) read. 401 without a sign-in, 500 without the guard.
impl FromRequest for Access {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let access = request.dodo_extensions_mut().get::<Self>().cloned();
        ready(access.ok_or_else(|| {
            let error = no_access(request.dodo_extensions_mut().get::<SignedIn>());
            let response = converted(error.to_response());
            InternalError::from_response("no access in the request", response).into()
        }))
    }
}

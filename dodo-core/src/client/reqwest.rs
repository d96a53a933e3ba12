//! The transport for production.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::{redirect, retry};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{Transport, TransportError};
use crate::BoxError;

/// The longest answer that is read, in bytes. A page of 100 payments is about 300 KB.
const MAX_RESPONSE: usize = 4 << 20;

/// `reqwest` over rustls with ring, the certificates being the operating system's.
///
/// System roots rather than a compiled-in list: an operator's own proxy or a distrusted authority is
/// then theirs to decide without a release of this crate.
///
/// Redirects are not followed, nothing is repeated, and answers are bounded. Deadlines are the
/// caller's.
#[derive(Clone, Debug)]
pub struct ReqwestTransport(reqwest::Client);

impl ReqwestTransport {
    /// A transport for HTTP of your own, such as a sink's.
    ///
    /// # Errors
    /// When the operating system's certificates cannot be used, or `proxy` is no URL.
    pub fn new(connect_timeout: Duration, proxy: Option<&str>) -> Result<Self, BoxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Or HTTP_PROXY and its kin would see the key of a base URL without TLS.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(Duration::from_secs(50))
            .user_agent(concat!("dodo-core/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy)?);
        }
        Ok(Self(builder.build()?))
    }
}

impl Transport for ReqwestTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let request = reqwest::Request::try_from(request)?;
        let mut response = self.0.execute(request).await.map_err(classify)?;
        let mut out = Response::new(Bytes::new());
        *out.status_mut() = response.status();
        *out.headers_mut() = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                return Err("the answer is too large".into());
            }
            body.extend_from_slice(&chunk);
        }
        *out.body_mut() = body.freeze();
        Ok(out)
    }
}

/// `without_url`: the query of a URL may hold an e-mail address.
fn classify(error: reqwest::Error) -> BoxError {
    let (connect, timeout) = (error.is_connect(), error.is_timeout());
    let mut failure = TransportError::new(error.without_url());
    if connect {
        failure = failure.not_sent();
    }
    if timeout {
        failure = failure.timed_out();
    }
    failure.into()
}

//! The transport for production.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use reqwest::{Url, redirect, retry};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{Transport, TransportError};
use crate::BoxError;

/// The largest answer that is read, in bytes. A page of 100 payments is about 300 KB.
const MAX_RESPONSE: usize = 10 << 20;

/// `reqwest` over rustls with ring, and the certificates of the operating system.
///
/// With the system's certificates, an operator can add a proxy or remove an authority without a
/// release of this crate.
///
/// It follows no redirects, repeats no request, and limits the size of answers. The caller sets
/// deadlines.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    last: Arc<LastTarget>,
}

impl ReqwestTransport {
    /// Creates a transport for other HTTP requests, such as those of a sink.
    ///
    /// # Errors
    /// If the certificates of the operating system are unusable, or `proxy` is not a URL.
    pub fn new(connect_timeout: Duration, proxy: Option<&str>) -> Result<Self, BoxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Otherwise the proxy of HTTP_PROXY would see the key of a base URL without TLS.
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
        Ok(Self { client: builder.build()?, last: Arc::default() })
    }
}

impl Transport for ReqwestTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, self.last.url(&parts.uri)?);
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.into());
        let mut response = self.client.execute(request).await.map_err(classify)?;
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

/// Caches the parsed URL of the last request, because it is often the URL of the next one, and
/// parsing costs more than the check of a whole checkout. It does not cache a URL with a query,
/// which may be personal.
#[derive(Default)]
struct LastTarget(Mutex<Option<(Uri, Url)>>);

impl LastTarget {
    fn url(&self, uri: &Uri) -> Result<Url, BoxError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, url)) = last.as_ref().filter(|(known, _)| known == uri) {
            return Ok(url.clone());
        }
        let url = Url::parse(&uri.to_string())?;
        if uri.query().is_none() {
            *last = Some((uri.clone(), url.clone()));
        }
        Ok(url)
    }
}

impl fmt::Debug for LastTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastTarget")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_url_never_replaces_another_url() {
        let last = LastTarget::default();
        for target in [
            "http://127.0.0.1:4010/checkouts",
            "http://127.0.0.1:4010/checkouts",
            "http://127.0.0.1:4010/checkouts?page=2",
            "http://127.0.0.1:4010/checkouts?page=3",
            "http://127.0.0.1:4010/checkouts",
            "http://127.0.0.1:4010/payments",
            "http://127.0.0.1:4011/payments",
            "https://127.0.0.1:4011/payments",
            "https://test.dodopayments.com/payments",
            "http://127.0.0.1:4010/checkouts",
        ] {
            let url = last.url(&target.parse().unwrap()).unwrap();
            assert_eq!(url.as_str(), target);
            let kept = last.0.lock().unwrap();
            assert!(kept.as_ref().is_some_and(|(_, url)| url.query().is_none()), "{target}");
        }
    }
}

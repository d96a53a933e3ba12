use actix_web::{
    Error,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web::Bytes,
};

const AUDITED: HeaderName = HeaderName::from_static("x-audited-bytes");

/// Reads every body and says in `x-audited-bytes` how long it was, as a firewall or a log would.
///
/// A signature covers the bytes as sent: pass on exactly the bytes that were read. A middleware
/// that parses JSON and writes it again breaks every webhook.
///
/// # Errors
/// For bodies over the limit of actix-web's `PayloadConfig` (default: 256 KiB), and the errors of
/// the rest of the application.
pub async fn audit(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let bytes = request.extract::<Bytes>().await?;
    let length = HeaderValue::from(bytes.len());
    request.set_payload(Payload::from(bytes));
    let mut response = next.call(request).await?;
    response.headers_mut().insert(AUDITED, length);
    Ok(response)
}

//! How an endpoint tells the log that it refused or failed.

/// Logs an [`Error`](crate::Error) under a target: what a client did wrong for the curious,
/// everything else so that somebody looks. Never Dodo's text, and no value that a client sent.
macro_rules! log_refusal {
    ($target:literal, $error:expr) => {{
        let error: &$crate::Error = $error;
        let upstream = $crate::UpstreamFailure::of(error);
        let cause = std::error::Error::source(error).map(tracing::field::display);
        match error.kind() {
            $crate::ErrorKind::CallbackFailed | $crate::ErrorKind::Config => {
                tracing::error!(target: $target, code = error.code(), cause, "{}", error.message());
            }
            _ if upstream.is_some() || error.status().is_server_error() => tracing::warn!(
                target: $target,
                code = error.code(),
                upstream_status = upstream.and_then(|u| u.status()).map(|s| s.as_u16()),
                dodo_code = upstream.and_then($crate::UpstreamFailure::code),
                request_id = upstream.and_then($crate::UpstreamFailure::request_id),
                cause,
                "{}",
                error.message()
            ),
            // Not where: names of fields are the client's own words too.
            _ => tracing::debug!(target: $target, code = error.code(), "refused"),
        }
    }};
}
pub(crate) use log_refusal;

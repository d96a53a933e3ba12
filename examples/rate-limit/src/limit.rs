//! The limit: a token bucket for each client network.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

pub(crate) type Limits = Arc<DefaultKeyedRateLimiter<IpAddr>>;

/// How often full buckets are removed from memory.
const CLEAN_UP: Duration = Duration::from_secs(60);

const TOO_MANY: &str = r#"{"type":"about:blank","title":"Too Many Requests","status":429,"code":"too_many_requests","detail":"too many checkouts: wait, then send the request again"}"#;

/// Creates the buckets, and a task that removes full ones: they say nothing about their network.
pub(crate) fn limits(quota: Quota) -> Limits {
    let limits = Arc::new(RateLimiter::keyed(quota));
    let cleaned = Arc::downgrade(&limits);
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(CLEAN_UP);
        loop {
            interval.tick().await;
            let Some(limits) = cleaned.upgrade() else { return };
            limits.retain_recent();
            limits.shrink_to_fit();
        }
    });
    limits
}

/// Answers 429 with `Retry-After` when the bucket of the client's network is empty.
///
/// Behind a proxy, each connection comes from the proxy. Then read the address from the header that
/// your own proxy sets, and only if every request comes through this proxy.
pub(crate) async fn limit(
    State(limits): State<Limits>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match limits.check_key(&network(client.ip())) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            let wait = refused.wait_time_from(limits.clock().now());
            let seconds = wait.as_secs().saturating_add(1).to_string();
            let headers = [
                (header::RETRY_AFTER, seconds.as_str()),
                (header::CONTENT_TYPE, "application/problem+json"),
            ];
            (StatusCode::TOO_MANY_REQUESTS, headers, TOO_MANY).into_response()
        }
    }
}

/// Returns an IPv4 address, or the first 64 bits of an IPv6 address: one customer of a provider can
/// use all addresses with these bits.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::network;

    #[test]
    fn addresses_of_one_network_share_a_bucket() {
        for (client, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            let address: Result<IpAddr, _> = client.parse();
            assert_eq!(address.map(network), expected.parse(), "{client}");
        }
    }
}

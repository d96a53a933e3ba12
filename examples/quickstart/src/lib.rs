//! The parts that the programs of README.md leave to your own application.

use dodo_axum::CustomerId;

/// The address to listen at: `PORT` of this machine. Default: 3000.
#[must_use]
pub fn address() -> (&'static str, u16) {
    let port = dodo_axum::env::variable("PORT").ok().flatten().and_then(|port| port.parse().ok());
    ("127.0.0.1", port.unwrap_or(3000))
}

/// The customer of the signed-in user. Here no user is signed in: ask your own sign-in.
#[must_use]
pub fn current_customer<R>(_request: &R) -> Option<CustomerId> {
    None
}

/// Ends when the program is to stop.
pub async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

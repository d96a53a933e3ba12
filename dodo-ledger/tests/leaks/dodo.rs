//! Dodo's API as reconciliation asks it, over a real connection.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::get,
};
use serde_json::json;

use crate::canary::{API_KEY, EMAIL, payment};

/// How it answers when it is asked for refunds.
#[derive(Clone, Copy)]
pub(crate) enum Refunds {
    None,
    /// An error that quotes the key and a customer.
    Error(u16),
    /// An answer that is not a list.
    Garbage,
}

/// Starts it and gives its URL.
pub(crate) async fn serve(refunds: Refunds) -> String {
    let routes = Router::new()
        .route("/payments", get(payments))
        .route("/payments/{id}", get(async |Path(id): Path<String>| payment(&id).to_string()))
        .route("/refunds", get(list_refunds))
        .with_state(refunds);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

async fn payments(RawQuery(query): RawQuery) -> String {
    let first = query.unwrap_or_default().contains("page_number=0");
    let items = if first { vec![payment("pay_asked")] } else { Vec::new() };
    json!({ "items": items }).to_string()
}

async fn list_refunds(State(refunds): State<Refunds>) -> (StatusCode, String) {
    match refunds {
        Refunds::None => (StatusCode::OK, json!({ "items": [] }).to_string()),
        Refunds::Error(status) => {
            let message = format!("{EMAIL} is not known to {API_KEY}");
            let body = json!({ "code": "REFUSED", "message": message });
            (StatusCode::from_u16(status).unwrap(), body.to_string())
        }
        Refunds::Garbage => (StatusCode::OK, json!({ "items": EMAIL }).to_string()),
    }
}

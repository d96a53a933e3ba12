//! The return of the customer after the payment.

use crate::api::{customers::CUSTOMERS, licenses::LICENSES};
use crate::state::{SandboxState, session::Session};

/// The return URL with the parameters that Dodo Payments adds.
pub(crate) fn url(state: &SandboxState, session: &Session, payment_id: &str) -> Option<String> {
    let return_url = session.return_url.as_deref()?;
    let payment = state.payments.get(payment_id)?;
    let subscription = payment.subscription_id().and_then(|id| state.subscriptions.get(id));
    let mut query = form_urlencoded::Serializer::new(String::new());
    match subscription {
        Some(subscription) => query
            .append_pair("subscription_id", &subscription.id)
            .append_pair("status", subscription.status),
        None => query
            .append_pair("payment_id", payment_id)
            .append_pair("status", payment.status.unwrap_or("requires_payment_method")),
    };
    let keys: Vec<&str> = state
        .matching(&LICENSES, "payment_id", payment_id)
        .map(|license| license.str("key"))
        .collect();
    if !keys.is_empty() {
        query.append_pair("license_key", &keys.join(","));
    }
    if let Some(customer) = state.get(&CUSTOMERS, &payment.customer_id) {
        query.append_pair("email", customer.str("email"));
    }
    Some(with_query(return_url, &query.finish()))
}

/// Adds parameters to a URL, before its fragment.
fn with_query(url: &str, query: &str) -> String {
    let (page, fragment) = match url.split_once('#') {
        Some((page, fragment)) => (page, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let joint = match page.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{page}{joint}{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn parameters_go_before_the_fragment() {
        for (url, expected) in [
            ("https://a.example/r", "https://a.example/r?x=1"),
            ("https://a.example/r?a=b", "https://a.example/r?a=b&x=1"),
            ("https://a.example/r?", "https://a.example/r?x=1"),
            ("https://a.example/r#top", "https://a.example/r?x=1#top"),
        ] {
            assert_eq!(with_query(url, "x=1"), expected);
        }
    }
}

//! `GET /api/customer-portal` and `GET /api/me/portal`.

use http::Method;

use crate::{case::Case, server::CUSTOMER_HEADER, stub::Call};

const QUERY: &str = "/api/customer-portal";
const RESOLVER: &str = "/api/me/portal";

fn opens(id: &str, query: &str) -> Call {
    let mut call =
        Call::post(&format!("/customers/{id}/customer-portal/session"), serde_json::Value::Null);
    call.query = query.to_owned();
    call
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let get = |query: &str| Case::get(format!("{QUERY}?{query}"), &format!("{QUERY}?{query}"));
    for (query, sent) in [
        ("customer_id=cus_1", ""),
        ("customer_id=cus_1&send_email=true", "send_email=true"),
        ("customer_id=cus_1&send_email=false", "send_email=false"),
        ("customer_id=cus_1&send_email=TRUE", "send_email=false"),
        ("customer_id=cus_1&send_email=1", "send_email=false"),
        ("customer_id=cus_1&send_email", "send_email=false"),
        ("customer_id=cus_1&return_url=https%3A%2F%2Fevil.example", ""),
        ("x=1&customer_id=cus_1&y", ""),
    ] {
        all.push(
            get(query)
                .status(302)
                .answer_header("location", "https://customer.dodopayments.com/session/cus_1")
                .answer_header("cache-control", "no-store")
                .upstream([opens("cus_1", sent)]),
        );
    }
    for (query, code, name) in [
        ("", "missing_parameter", "customer_id"),
        ("customer_id=", "missing_parameter", "customer_id"),
        ("customerId=cus_1", "missing_parameter", "customer_id"),
        ("customer_id%5B%5D=cus_1", "missing_parameter", "customer_id"),
        ("send_email=true", "missing_parameter", "customer_id"),
        ("customer_id=cus_1&customer_id=cus_2", "duplicate_parameter", "customer_id"),
        ("customer_id=cus_1&send_email=true&send_email=false", "duplicate_parameter", "send_email"),
        ("customer_id=..%2Fproducts", "invalid_id", "customer_id"),
        ("customer_id=.", "invalid_id", "customer_id"),
        ("customer_id=%2e%2e", "invalid_id", "customer_id"),
        ("customer_id=cus_1%2F..%2F..%2Fx", "invalid_id", "customer_id"),
        ("customer_id=cus_1%00", "invalid_id", "customer_id"),
        ("customer_id=cus_1%0D%0AX", "invalid_id", "customer_id"),
        ("customer_id=%3Cscript%3E", "invalid_id", "customer_id"),
        ("customer_id=cus_%E4%B8%AD", "invalid_id", "customer_id"),
    ] {
        all.push(get(query).problem(400, code).at(name).upstream([]));
    }
    let failures = [
        ("fail400", 422, "rejected_by_dodo"),
        ("fail401", 502, "credentials_refused"),
        ("fail403", 502, "credentials_refused"),
        ("fail404", 404, "customer_not_found"),
        ("fail409", 422, "rejected_by_dodo"),
        ("fail422", 422, "rejected_by_dodo"),
        ("fail429", 503, "rate_limited"),
        ("fail500", 502, "upstream_failed"),
        ("fail503html", 502, "upstream_failed"),
        ("echo", 404, "customer_not_found"),
        ("redirect", 502, "upstream_failed"),
        ("reset", 502, "upstream_failed"),
        ("badjson", 502, "upstream_failed"),
        ("empty", 502, "upstream_failed"),
        ("text", 502, "upstream_failed"),
        ("hang", 504, "upstream_timeout"),
        ("nolink", 502, "upstream_failed"),
        ("badlink", 502, "upstream_failed"),
        ("jslink", 502, "upstream_failed"),
    ];
    for (marker, status, code) in failures {
        let id = format!("cus_{marker}");
        let call = opens(&id, "");
        all.push(get(&format!("customer_id={id}")).problem(status, code).upstream([call.clone()]));
        let case = Case::get(format!("{RESOLVER}: {marker}"), RESOLVER);
        all.push(case.header(CUSTOMER_HEADER, &id).problem(status, code).upstream([call]));
    }
    all.extend(resolver());
    all
}

/// Only the signed-in user decides.
fn resolver() -> Vec<Case> {
    let get = |name: &str, query: &str| {
        Case::get(format!("{RESOLVER}: {name}"), &format!("{RESOLVER}{query}"))
    };
    let mut all = vec![
        get("nobody", "").problem(401, "not_signed_in").upstream([]),
        get("not signed in, with an id", "?customer_id=cus_victim")
            .problem(401, "not_signed_in")
            .upstream([]),
    ];
    for query in
        ["", "?customer_id=cus_victim", "?send_email=true", "?return_url=https://evil.example"]
    {
        all.push(
            get(&format!("signed in {query}"), query)
                .header(CUSTOMER_HEADER, "cus_me")
                .status(302)
                .answer_header("location", "https://customer.dodopayments.com/session/cus_me")
                .upstream([opens("cus_me", "")]),
        );
    }
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let case = Case::new(format!("{RESOLVER}: {method}"), method, RESOLVER);
        all.push(
            case.header(CUSTOMER_HEADER, "cus_me")
                .status(405)
                .answer_header("allow", "GET")
                .upstream([]),
        );
    }
    all
}

use dodo_tests::{
    case::Case,
    conformance::Conformance,
    fixture::Shop,
    parity::Parity,
    server::{CUSTOMER_HEADER, USER_HEADER},
    stub::{Call, INTERNAL_TEXTS},
};
use serde_json::Value;

fn session_of(customer: &str) -> Call {
    Call::post(&format!("/customers/{customer}/customer-portal/session"), Value::Null)
}

fn link_of(customer: &str) -> String {
    format!("https://customer.dodopayments.com/session/{customer}")
}

/// What Dodo's API may answer to the creation of a link, and what the caller gets.
const UPSTREAM: [(&str, u16, &str); 14] = [
    ("cus_fail400", 422, "rejected_by_dodo"),
    ("cus_fail401", 502, "credentials_refused"),
    ("cus_fail403", 502, "credentials_refused"),
    ("cus_fail404", 404, "customer_not_found"),
    ("cus_fail409", 422, "rejected_by_dodo"),
    ("cus_fail422", 422, "rejected_by_dodo"),
    ("cus_fail429", 503, "rate_limited"),
    ("cus_fail500", 502, "upstream_failed"),
    ("cus_fail503html", 502, "upstream_failed"),
    ("cus_reset", 502, "upstream_failed"),
    ("cus_redirect", 502, "upstream_failed"),
    ("cus_badjson", 502, "upstream_failed"),
    ("cus_hang", 504, "upstream_timeout"),
    ("cus_jslink", 502, "upstream_failed"),
];

fn upstream_failures(of: impl Fn(&str) -> Case) -> impl Iterator<Item = Case> {
    UPSTREAM.into_iter().map(move |(customer, status, code)| {
        of(customer).problem(status, code).upstream([session_of(customer)])
    })
}

#[tokio::test]
async fn query_mode_opens_the_portal_of_the_named_customer() {
    let open = |query: &str| Case::get(query, &format!("/api/customer-portal?{query}"));
    let opens = |query: &str, sent: &str| {
        let mut call = session_of("cus_1");
        sent.clone_into(&mut call.query);
        open(query).status(302).answer_header("location", &link_of("cus_1")).upstream([call])
    };
    let refused = |query: &str, code: &str| open(query).problem(400, code).upstream([]);
    let mut cases = vec![
        opens("customer_id=cus_1", ""),
        opens("customer_id=cus_1&send_email=true", "send_email=true"),
        opens("customer_id=cus_1&send_email=TRUE", "send_email=false"),
        refused("", "missing_parameter"),
        refused("customer_id=", "missing_parameter"),
        refused("customerId=cus_1", "missing_parameter"),
        refused("customer_id=..%2Fproducts", "invalid_id"),
        refused("customer_id=.", "invalid_id"),
        refused("customer_id=%2e%2e", "invalid_id"),
        refused("customer_id=cus_1%23x", "invalid_id"),
        refused("customer_id=cus_%E4%B8%AD", "invalid_id"),
        refused("customer_id=cus_1%0d%0aset-cookie:x", "invalid_id"),
        refused("customer_id=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "invalid_id"),
    ];
    cases.extend(upstream_failures(|customer| open(&format!("customer_id={customer}"))));
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("portal by query");
}

#[tokio::test]
async fn signed_in_mode_never_looks_at_the_query() {
    let mut report = dodo_tests::parity::Report::default();
    let conformance = Parity::start(Conformance::surrounded).await.unwrap();
    let shop = Parity::start(Shop::surrounded).await.unwrap();
    for (parity, path) in [(&conformance, "/api/me/portal"), (&shop, "/portal")] {
        let as_a = |name: &str, query: &str| {
            Case::get(format!("{path} {name}"), &format!("{path}{query}"))
                .header(CUSTOMER_HEADER, "cus_A")
                .status(302)
                .answer_header("location", &link_of("cus_A"))
                .upstream([session_of("cus_A")])
        };
        let nobody = |query: &str| {
            let case =
                Case::get(format!("{path} not signed in {query}"), &format!("{path}{query}"));
            case.problem(401, "not_signed_in").upstream([])
        };
        let mut cases = vec![
            Case::get(format!("{path} user without a customer"), path)
                .header(USER_HEADER, "user_1")
                .problem(404, "no_customer")
                .upstream([]),
            as_a("own portal", "").header(USER_HEADER, "user_1"),
            as_a("own portal", ""),
            as_a("asks for another's", "?customer_id=cus_B"),
            as_a("asks for a mail to another", "?customer_id=cus_B&send_email=true"),
            nobody(""),
            nobody("?customer_id=cus_B"),
        ];
        cases.extend(upstream_failures(|customer| {
            Case::get(format!("{path} {customer}"), path).header(CUSTOMER_HEADER, customer)
        }));
        report = report.and(parity.check(cases).await);
    }
    report.assert_equal("portal of the signed-in customer");
}

#[tokio::test]
async fn failed_resolver_answers_500_without_reason() {
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    let cases = ["/portal/broken", "/portal/panics"]
        .map(|path| Case::get(path, path).problem(500, "callback_failed").upstream([]));
    for case in &cases {
        for (framework, observed) in parity.observe(case).await.unwrap() {
            assert!(!observed.body.contains("10.0.0.9"), "{framework}: {}", observed.body);
            assert!(!observed.body.contains("a bug"), "{framework}: {}", observed.body);
        }
    }
    parity.check(cases).await.assert_equal("portal resolvers");
}

/// A request of a browser that is sent to the page for errors.
fn browser(case: Case, code: &str) -> Case {
    case.header("accept", "text/html,application/xhtml+xml")
        .status(303)
        .answer_header("location", &format!("/oops?code={code}"))
        .answer_header("cache-control", "no-store")
        .upstream([])
}

#[tokio::test]
async fn error_of_a_resolver_and_error_page_are_answers() {
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    let path = "/portal/refuses";
    let cases = [
        Case::get("a script", path).problem(403, "origin_not_allowed").upstream([]),
        browser(Case::get("a browser", path), "origin_not_allowed"),
        browser(Case::post("a form of a browser", path, "a=b"), "method_not_allowed")
            .answer_header("allow", "GET"),
        Case::post("a script that posts", path, "{}").problem(405, "method_not_allowed"),
        browser(
            Case::get("a long body of a browser", path).body(vec![b'x'; 200 << 10]),
            "body_too_large",
        ),
        Case::get("a long body", path).body(vec![b'x'; 200 << 10]).problem(413, "body_too_large"),
    ];
    parity.check(cases).await.assert_equal("portal refusals");
}

#[tokio::test]
async fn no_text_of_the_upstream_reaches_the_caller() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    for (customer, ..) in UPSTREAM {
        let target = format!("/api/customer-portal?customer_id={customer}");
        for (framework, observed) in parity.observe(&Case::get(customer, &target)).await.unwrap() {
            let answer = format!("{:?} {}", observed.headers, observed.body);
            for text in INTERNAL_TEXTS {
                assert!(!answer.contains(text), "{framework}, {customer}: {answer}");
            }
        }
    }
}

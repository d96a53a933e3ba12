use dodo_tests::{case::Case, conformance::Conformance, fixture::Shop, parity::Parity};
use http::Method;

const ROUTES: [(&str, &str); 8] = [
    ("/api/checkout/static", "GET"),
    ("/api/checkout/dynamic", "POST"),
    ("/api/checkout/session", "POST"),
    ("/strict/api/checkout/static", "GET"),
    ("/strict/api/checkout/dynamic", "POST"),
    ("/strict/api/checkout/session", "POST"),
    ("/api/customer-portal", "GET"),
    ("/api/me/portal", "GET"),
];

/// `CONNECT` has no path, so it reaches no route.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get"];

fn refused<'a>(path: &'a str, allow: &'a str) -> impl Iterator<Item = Case> + 'a {
    let refused =
        METHODS.into_iter().filter(move |method| !allow.split(", ").any(|m| m == *method));
    refused.map(move |name| {
        let method = Method::from_bytes(name.as_bytes()).unwrap();
        let case = Case::new(format!("{name} {path}"), method, path)
            .answer_header("allow", allow)
            .answer_header("x-content-type-options", "nosniff")
            .upstream([])
            .callbacks([]);
        if name == "HEAD" { case.status(405) } else { case.problem(405, "method_not_allowed") }
    })
}

#[tokio::test]
async fn every_other_method_is_405_with_allow_and_does_nothing() {
    let conformance = Parity::start(Conformance::surrounded).await.unwrap();
    let routes = ROUTES.iter().flat_map(|(path, allow)| refused(path, allow));
    let report = conformance.check(routes).await;

    let shop = Parity::start(Shop::surrounded).await.unwrap();
    let report = report.and(shop.check(refused("/checkout", "GET, POST")).await);
    report.assert_equal("methods");
}

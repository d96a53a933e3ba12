//! Every table of the project through axum, actix-web and bare tower.

use dodo_tests::{case::Case, conformance::Conformance, parity::Parity};
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

#[tokio::test]
async fn methods() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let mut cases = Vec::new();
    for (path, allowed) in ROUTES {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"]
        {
            if method == allowed {
                continue;
            }
            let name = format!("{method} {path}");
            let case = Case::new(name, Method::from_bytes(method.as_bytes()).unwrap(), path)
                .status(405)
                .answer_header("allow", allowed)
                .upstream([])
                .callbacks([]);
            cases.push(if method == "HEAD" {
                case
            } else {
                case.problem(405, "method_not_allowed")
            });
        }
    }
    parity.check(cases).await.assert_equal("methods");
}

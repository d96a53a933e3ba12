use std::collections::BTreeMap;

use dodo_tests::{case::Case, client::raw, conformance::Conformance, parity::Parity};

const KIB: usize = 1024;
const PATHS: [&str; 4] = [
    "/api/checkout/dynamic",
    "/api/checkout/session",
    "/strict/api/checkout/dynamic",
    "/strict/api/checkout/session",
];

/// JSON of exactly this many bytes, unusable as a checkout.
fn json_of(length: usize) -> Vec<u8> {
    let mut body = b"{\"x\":\"".to_vec();
    body.resize(length - 2, b'x');
    body.extend(b"\"}");
    body
}

#[tokio::test]
async fn invalid_checkout_bodies() {
    let mut cases = Vec::new();
    for path in PATHS {
        let post = |name: &str, body: &[u8]| {
            Case::post(format!("{path} {name}"), path, body).upstream([]).callbacks([])
        };
        for (name, body) in [
            ("empty", &b""[..]),
            ("null", b"null"),
            ("a number", b"1"),
            ("a list", b"[]"),
            ("an empty object", b"{}"),
            ("broken off", b"{\"product_cart\":["),
            ("not UTF-8", b"{\"a\":\"\xff\xfe\"}"),
            ("a byte order mark", b"\xef\xbb\xbf{}"),
            ("a NUL", b"{}\0"),
            ("two values", b"{}{}"),
            ("half a surrogate", b"{\"product_id\":\"\\ud800\"}"),
            (
                "a huge number",
                b"{\"product_cart\":[{\"product_id\":\"pdt_a\",\"quantity\":1e999}]}",
            ),
        ] {
            cases.push(post(name, body).status(400));
        }
        cases.push(post("deep", "[".repeat(50_000).as_bytes()).status(400));
        cases.push(post("at the limit", &json_of(100 * KIB)).status(400));
        cases.push(post("over the limit", &json_of(100 * KIB + 1)).problem(413, "body_too_large"));
        cases.push(post("300 KiB", &json_of(300 * KIB)).problem(413, "body_too_large"));

        let typed = |name: &str, kind: Option<&str>| {
            let case = Case::new(format!("{path} {name}"), http::Method::POST, path).body("{}");
            let case = case.problem(415, "unsupported_media_type").upstream([]);
            if let Some(kind) = kind { case.header("content-type", kind) } else { case }
        };
        cases.push(typed("no content type", None));
        cases.push(typed("a form", Some("application/x-www-form-urlencoded")));
        cases.push(typed("text", Some("text/plain")));
        cases.push(typed("multipart", Some("multipart/form-data; boundary=x")));
    }
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("bad bodies");
}

#[tokio::test]
async fn heads_that_are_unusual() {
    let long = "x".repeat(6 * KIB);
    let id = |name: &str, id: &str| {
        let case = Case::get(name, &format!("/api/checkout/static?productId={id}"));
        case.status(400).upstream([])
    };
    let ok = |name: &str| Case::get(name, "/api/checkout/static?productId=pdt_a").status(200);
    let mut cases = vec![
        id("traversal", "..%2Fpayments"),
        id("encoded twice", "..%252Fpayments"),
        id("a backslash", "..%5C..%5Cx"),
        id("another query", "pdt_a%3Fx=1"),
        id("a fragment", "pdt_a%23x"),
        id("a line break", "pdt_a%0D%0Ax:1"),
        id("no UTF-8", "%FF%FE"),
        id("half an escape", "%E0%A4%A"),
        id("a long id", &long),
        Case::get("a parameter twice", "/api/checkout/static?productId=pdt_a&productId=pdt_b")
            .status(400)
            .upstream([]),
        Case::get("an unknown product", "/api/checkout/static?productId=pdt_missing")
            .problem(404, "product_not_found"),
        ok("a header of bytes").header("x-bytes", b"\xe4\xb8\xad\x80\xff"),
        ok("a header with a tab").header("x-tab", "a\tb"),
        ok("an empty header").header("x-empty", ""),
        ok("a long header").header("x-long", &long),
        Case::get("another host", "/api/checkout/static?productId=pdt_a")
            .header("host", "other.example:8080")
            .status(200),
        Case::get("an unknown path", "/api/checkout").status(404),
        Case::get("a path with a slash more", "/api/checkout/static/").status(404),
    ];
    let many = (0..60).fold(ok("many headers"), |case, n| case.header(&format!("x-{n}"), "v"));
    cases.push(many);
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("unusual heads");
}

/// What the servers themselves refuse never reaches a route; here it is only seen that nothing
/// gets through to Dodo's API in one framework that another refuses.
#[tokio::test]
async fn requests_that_are_not_http_reach_nothing() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let target = "/api/checkout/static?productId=pdt_a";
    for (name, request) in [
        ("a control character in a header", format!("GET {target} HTTP/1.1\r\nhost: x\r\nx: a\x01b\r\nconnection: close\r\n\r\n")),
        ("a name with a space", format!("GET {target} HTTP/1.1\r\nhost: x\r\nx y: z\r\nconnection: close\r\n\r\n")),
        ("no version", format!("GET {target}\r\n\r\n")),
        ("bytes in the target", "GET /api/checkout/static?productId=\x01 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned()),
        ("a broken chunk", "POST /api/checkout/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n".to_owned()),
        ("two lengths", "POST /api/checkout/session HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\nconnection: close\r\n\r\n{} ".to_owned()),
    ] {
        let mut statuses = BTreeMap::new();
        for subject in parity.subjects() {
            let answer = raw(subject.address, request.as_bytes()).await.unwrap_or_default();
            let status = answer.split(' ').nth(1).unwrap_or("closed").to_owned();
            assert!(matches!(&*status, "400" | "closed"), "{name}, {}: {answer}", subject.framework);
            assert_eq!(subject.take_calls(), [], "{name}, {}", subject.framework);
            statuses.insert(subject.framework, status);
        }
        println!("{name}: {statuses:?}");
    }
}

//! `GET /api/checkout/static`.

use serde_json::json;

use crate::{case::Case, stub::Call};

const EXPRESS: &str = "/api/checkout/static";
const STRICT: &str = "/strict/api/checkout/static";
const RETURN: &str = "&redirect_url=https%3A%2F%2Fmerchant.example%2Freturn";

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for path in [EXPRESS, STRICT] {
        let get = |query: &str| Case::get(format!("{path}?{query}"), &format!("{path}?{query}"));
        for (query, link) in good() {
            let url = format!("https://checkout.dodopayments.com/buy/pdt_a?{link}");
            let case = get(&format!("productId=pdt_a{query}"));
            all.push(
                case.status(200)
                    .answer(json!({ "checkout_url": url }))
                    .upstream([Call::get("/products/pdt_a")]),
            );
        }
        for (query, code, name) in BAD {
            all.push(get(query).problem(400, code).at(name).upstream([]));
        }
        for (id, status, code) in LOOK_UPS {
            let case = get(&format!("productId={id}"));
            all.push(case.problem(*status, code).upstream([Call::get(&format!("/products/{id}"))]));
        }
    }
    let guarded = Case::get("amount, strict", &format!("{STRICT}?productId=pdt_a&paymentAmount=1"));
    all.push(guarded.problem(400, "field_not_allowed").at("paymentAmount").upstream([]));
    let url =
        format!("https://checkout.dodopayments.com/buy/pdt_a?quantity=1{RETURN}&paymentAmount=1");
    let sent = Case::get("amount, Express", &format!("{EXPRESS}?productId=pdt_a&paymentAmount=1"));
    all.push(sent.status(200).answer(json!({ "checkout_url": url })));
    all
}

/// The parameters after the product, and the query of the link.
fn good() -> Vec<(&'static str, String)> {
    let with = |rest: &str| format!("quantity=1{RETURN}{rest}");
    let redirect = "https%3A%2F%2Fmerchant.example%2Fthanks%3Fa%3D1";
    vec![
        ("", with("")),
        ("&quantity=3", format!("quantity=3{RETURN}")),
        ("&quantity=", with("")),
        ("&fullName=Jane%20Doe", with("&fullName=Jane+Doe")),
        ("&fullName=J%C3%BCrgen", with("&fullName=J%C3%BCrgen")),
        ("&firstName=J&lastName=D", with("&firstName=J&lastName=D")),
        ("&email=a%2Bb%40c.de&disableEmail=true", with("&email=a%2Bb%40c.de&disableEmail=true")),
        ("&disableEmail=1&disableCity=TRUE", with("")),
        (
            "&country=DE&city=K&state=S&zipCode=1&addressLine=A",
            with("&country=DE&addressLine=A&city=K&state=S&zipCode=1"),
        ),
        ("&paymentCurrency=EUR", with("&paymentCurrency=EUR")),
        (
            "&showCurrencySelector=false&showDiscounts=true",
            with("&showCurrencySelector=false&showDiscounts=true"),
        ),
        ("&metadata_b=1&metadata_a=x%20y", with("&metadata_b=1&metadata_a=x+y")),
        ("&metadata_a=", with("")),
        ("&metadata_x=!'()*~%20-_.", with("&metadata_x=%21%27%28%29*%7E+-_.")),
        ("&Metadata_x=1&metadata.x=1&x=1&__proto__=1", with("")),
        ("&utm_source=a&utm_source=b", with("")),
        ("&return_url=https%3A%2F%2Fevil.example&returnUrl=x", with("")),
        (
            "&redirect_url=https%3A%2F%2Fmerchant.example%2Fthanks%3Fa%3D1",
            format!("quantity=1&redirect_url={redirect}"),
        ),
    ]
}

const BAD: &[(&str, &str, &str)] = &[
    ("", "missing_parameter", "productId"),
    ("productId=", "missing_parameter", "productId"),
    ("product_id=pdt_a", "missing_parameter", "productId"),
    ("productid=pdt_a", "missing_parameter", "productId"),
    ("productId%5B%5D=pdt_a", "missing_parameter", "productId"),
    ("productId=pdt_a&productId=pdt_b", "duplicate_parameter", "productId"),
    ("productId=..%2Fpayments", "invalid_parameter", "productId"),
    ("productId=.", "invalid_parameter", "productId"),
    ("productId=pdt_a%3Fx%3D1", "invalid_parameter", "productId"),
    ("productId=pdt_a%23x", "invalid_parameter", "productId"),
    ("productId=pdt_a%20", "invalid_parameter", "productId"),
    ("productId=%E4%B8%AD", "invalid_parameter", "productId"),
    ("productId=pdt_a&quantity=0", "invalid_parameter", "quantity"),
    ("productId=pdt_a&quantity=-5", "invalid_parameter", "quantity"),
    ("productId=pdt_a&quantity=1.5", "invalid_parameter", "quantity"),
    ("productId=pdt_a&quantity=abc", "invalid_parameter", "quantity"),
    ("productId=pdt_a&quantity=99999999999999999999", "invalid_parameter", "quantity"),
    ("productId=pdt_a&quantity=1&quantity=2", "duplicate_parameter", "quantity"),
    ("productId=pdt_a&email=nope", "invalid_parameter", "email"),
    ("productId=pdt_a&email=a%40b.co&email=c%40d.co", "duplicate_parameter", "email"),
    ("productId=pdt_a&country=Wonderland", "invalid_parameter", "country"),
    ("productId=pdt_a&country=de", "invalid_parameter", "country"),
    ("productId=pdt_a&paymentCurrency=euro", "invalid_parameter", "paymentCurrency"),
    ("productId=pdt_a&showDiscounts=yes", "invalid_parameter", "showDiscounts"),
    ("productId=pdt_a&fullName=a%00b", "invalid_parameter", "fullName"),
    ("productId=pdt_a&fullName=a%0D%0Ab", "invalid_parameter", "fullName"),
    ("productId=pdt_a&metadata_=x", "invalid_parameter", "metadata_"),
    ("productId=pdt_a&metadata_a%20b=x", "invalid_parameter", "metadata_a b"),
    ("productId=pdt_a&metadata_x%5By%5D=1", "invalid_parameter", "metadata_x[y]"),
    ("productId=pdt_a&metadata_x=1&metadata_x=2", "duplicate_parameter", "metadata_x"),
    ("productId=pdt_a&redirect_url=javascript%3Aalert(1)", "invalid_parameter", "redirect_url"),
];

const LOOK_UPS: &[(&str, u16, &str)] = &[
    ("pdt_missing", 404, "product_not_found"),
    ("pdt_fail400", 422, "rejected_by_dodo"),
    ("pdt_fail401", 502, "credentials_refused"),
    ("pdt_fail403", 502, "credentials_refused"),
    ("pdt_fail404", 404, "product_not_found"),
    ("pdt_fail409", 422, "rejected_by_dodo"),
    ("pdt_fail422", 422, "rejected_by_dodo"),
    ("pdt_fail429", 503, "rate_limited"),
    ("pdt_fail500", 502, "upstream_failed"),
    ("pdt_fail503html", 502, "upstream_failed"),
    ("pdt_redirect", 502, "upstream_failed"),
    ("pdt_reset", 502, "upstream_failed"),
    ("pdt_badjson", 502, "upstream_failed"),
    ("pdt_empty", 502, "upstream_failed"),
    ("pdt_text", 502, "upstream_failed"),
    ("pdt_hang", 504, "upstream_timeout"),
];

//! Routes where server code decides: the goods, the customer, the plan, the way back.

use http::Method;
use serde_json::{Value, json};

use super::merged;
use crate::{case::Case, conformance::RETURN_URL, server::CUSTOMER_HEADER, stub::Call};

/// All cases.
pub fn cases() -> Vec<Case> {
    [pinned(), customers(), slugs(), products(), apps(), forms(), captured()].concat()
}

fn buyer() -> Value {
    json!({ "billing": { "country": "US" }, "customer": { "email": "a@b.co" } })
}

fn item(id: &str) -> Value {
    json!({ "product_id": id, "quantity": 1 })
}

fn session(fields: Value) -> Call {
    Call::post("/checkouts", merged(&json!({ "return_url": RETURN_URL }), &fields))
}

fn payment(product: &str, fields: Value) -> Vec<Call> {
    let always = json!({
        "payment_link": true, "return_url": RETURN_URL, "product_cart": [item(product)],
    });
    let body = merged(&merged(&buyer(), &always), &fields);
    vec![Call::get(&format!("/products/{product}")), Call::post("/payments", body)]
}

/// Everything by which a client could buy something else, or cheaper.
fn pinned() -> Vec<Case> {
    let mut all = Vec::new();
    let order = json!({ "metadata": { "order": "o_1" } });
    let discounted = merged(&order, &json!({ "discount_codes": ["SERVER5"] }));
    for suffix in ["", "-compat"] {
        for over in [
            json!({}),
            json!({ "product_cart": [item("pdt_cnr7")] }),
            json!({ "product_id": "pdt_cnr7", "quantity": 7 }),
            json!({ "quantity": 99 }),
            json!({ "one_time_product_cart": [item("pdt_cnr7")] }),
            json!({ "addons": [{ "addon_id": "adn_cnr7", "quantity": 1 }] }),
            json!({ "productId": "pdt_cnr7" }),
            json!({ "metadata": { "order": "cnr7" } }),
        ] {
            let body = merged(&buyer(), &over).to_string();
            let path = format!("/api/pinned{suffix}/dynamic");
            let case = Case::post(format!("{path} {over}"), &path, body.clone());
            all.push(case.status(200).upstream(payment("pdt_server", order.clone())));
            let path = format!("/api/pinned-cart{suffix}/dynamic");
            let case = Case::post(format!("{path} {over}"), &path, body);
            all.push(case.status(200).upstream(payment("pdt_server", discounted.clone())));
        }
        let cart = json!({ "product_cart": [item("pdt_server")] });
        let expected = session(merged(&discounted, &cart));
        for over in [
            json!({}),
            json!({ "product_cart": [item("pdt_cnr7")] }),
            json!({ "productId": "pdt_cnr7", "quantity": 3 }),
            json!({ "discount_code": "CNR7" }),
            json!({ "discount_codes": ["CNR7"] }),
            json!({ "metadata": { "order": "cnr7" } }),
        ] {
            let path = format!("/api/pinned-cart{suffix}/session");
            let case = Case::post(format!("{path} {over}"), &path, over.to_string());
            all.push(case.status(200).upstream([expected.clone()]));
        }
        let path = format!("/api/pinned-cart{suffix}/session");
        let body = json!({ "product_collection_id": "col_cnr7" }).to_string();
        let case = Case::post(format!("{path} collection"), &path, body);
        all.push(match suffix {
            "" => case.problem(400, "field_not_allowed").upstream([]),
            _ => case.status(200).upstream([expected.clone()]),
        });
    }
    all
}

/// The signed-in customer pays. A guest is not an existing customer.
fn customers() -> Vec<Case> {
    let mut all = Vec::new();
    let cart = json!({ "product_cart": [item("pdt_a")] });
    let guest = json!({ "customer": { "email": "a@b.co" } });
    for (name, over, left) in [
        ("nothing", json!({}), json!({})),
        ("an id", json!({ "customer": { "customer_id": "cus_cnr7" } }), json!({})),
        (
            "an id and an address",
            json!({ "customer": { "customer_id": "cus_cnr7", "email": "a@b.co" } }),
            guest.clone(),
        ),
        (
            "a saved card",
            json!({ "payment_method_id": "pm_cnr7", "confirm": true, "show_saved_payment_methods": true }),
            json!({}),
        ),
        ("an address", guest.clone(), guest.clone()),
    ] {
        let path = "/api/customer/session";
        let body = merged(&cart, &over).to_string();
        let case = Case::post(format!("guest with {name}"), path, body.clone());
        all.push(case.status(200).upstream([session(merged(&cart, &left))]));
        let me = json!({ "customer": { "customer_id": "cus_me" } });
        let case = Case::post(format!("customer with {name}"), path, body);
        let case = case.header(CUSTOMER_HEADER, "cus_me");
        all.push(case.status(200).upstream([session(merged(&cart, &me))]));

        let path = "/api/customer/dynamic";
        let body = merged(&merged(&buyer(), &cart), &over).to_string();
        let case = Case::post(format!("link: customer with {name}"), path, body);
        let case = case.header(CUSTOMER_HEADER, "cus_me");
        all.push(case.status(200).upstream(payment("pdt_a", me)));
    }
    let body = json!({
        "billing": { "country": "US" }, "product_id": "pdt_a", "payment_method_id": "pm_cnr7",
        "customer": { "customer_id": "cus_cnr7" },
    });
    let case = Case::post("link: guest with an id", "/api/customer/dynamic", body.to_string());
    all.push(case.problem(400, "missing_field").at("/customer").upstream([]));
    all
}

fn slugs() -> Vec<Case> {
    let mut all = Vec::new();
    let path = "/api/slugs/session";
    let pro = || session(json!({ "product_cart": [item("pdt_pro")] }));
    for (target, body) in [
        ("/api/slugs/session?plan=pro", json!({})),
        (path, json!({ "plan": "pro" })),
        (path, json!({ "productId": "pdt_pro" })),
        ("/api/slugs/session?plan=pro", json!({ "product_cart": [item("pdt_cnr7")] })),
        (path, json!({ "plan": "pro", "productId": "pdt_cnr7" })),
        (path, json!({ "plan": "pro", "quantity": 9 })),
        (path, json!({ "productId": "pdt_pro", "quantity": "many" })),
    ] {
        let case = Case::post(format!("{target} {body}"), target, body.to_string());
        all.push(case.status(200).upstream([pro()]));
    }
    let empty = Case::new("a slug and no body", Method::POST, "/api/slugs/session?plan=pro");
    all.push(empty.status(200).upstream([pro()]));
    for (target, body, status, code, place) in [
        (path, json!({}), 400, "missing_parameter", "plan"),
        (path, json!({ "product_cart": [item("pdt_cnr7")] }), 400, "missing_parameter", "plan"),
        (path, json!({ "plan": "gold" }), 404, "product_not_found", "plan"),
        (path, json!({ "productId": "pdt_cnr7" }), 404, "product_not_found", "productId"),
        (path, json!({ "plan": 5 }), 400, "invalid_field", "/plan"),
        (
            "/api/slugs/session?plan=pro",
            json!({ "plan": "team" }),
            400,
            "duplicate_parameter",
            "plan",
        ),
        ("/api/slugs/session?plan=pro&plan=pro", json!({}), 400, "duplicate_parameter", "plan"),
    ] {
        let case = Case::post(format!("{target} {body}"), target, body.to_string());
        all.push(case.problem(status, code).at(place).upstream([]));
    }
    for over in [
        json!({}),
        json!({ "product_id": "pdt_cnr7" }),
        json!({ "product_cart": [item("pdt_cnr7")] }),
        json!({ "quantity": 9, "addons": [{ "addon_id": "adn_cnr7", "quantity": 1 }] }),
        json!({ "quantity": "many" }),
    ] {
        let body = merged(&merged(&buyer(), &json!({ "plan": "team" })), &over).to_string();
        let case = Case::post(format!("link with a slug {over}"), "/api/slugs/dynamic", body);
        all.push(case.status(200).upstream(payment("pdt_team", json!({}))));
    }
    let body = merged(&buyer(), &json!({ "product_id": "pdt_cnr7" })).to_string();
    let case = Case::post("link without a slug", "/api/slugs/dynamic", body);
    all.push(case.problem(400, "missing_parameter").at("plan").upstream([]));
    all
}

fn products() -> Vec<Case> {
    let mut all = Vec::new();
    let addons = json!([{ "addon_id": "adn_cnr7", "quantity": 1 }]);
    for (over, place) in [
        (json!({ "product_cart": [item("pdt_cnr7")] }), "/product_cart/0/product_id"),
        (json!({ "productId": "pdt_cnr7" }), "/product_cart/0/product_id"),
        (
            json!({ "product_cart": [merged(&item("pdt_a"), &json!({ "addons": addons }))] }),
            "/product_cart/0/addons/0/addon_id",
        ),
    ] {
        let case =
            Case::post(format!("not sold: {over}"), "/api/products/session", over.to_string());
        all.push(case.problem(400, "product_not_allowed").at(place).upstream([]));
    }
    for (over, place) in [
        (json!({ "product_id": "pdt_cnr7" }), "/product_id"),
        (json!({ "product_id": "pdt_a", "addons": addons }), "/addons/0/addon_id"),
        (
            json!({ "product_id": "pdt_a", "one_time_product_cart": [item("pdt_cnr7")] }),
            "/one_time_product_cart/0/product_id",
        ),
    ] {
        let body = merged(&buyer(), &over).to_string();
        let case = Case::post(format!("link, not sold: {over}"), "/api/products/dynamic", body);
        all.push(case.problem(400, "product_not_allowed").at(place).upstream([]));
    }
    let case = Case::get("static, not sold", "/api/products/static?productId=pdt_cnr7");
    all.push(case.problem(400, "product_not_allowed").at("productId").upstream([]));
    let case = Case::get("static, sold", "/api/products/static?productId=pdt_a");
    all.push(case.status(200).upstream([Call::get("/products/pdt_a")]));
    all
}

fn apps() -> Vec<Case> {
    let mut all = Vec::new();
    let path = "/api/app/session";
    let cart = json!({ "product_cart": [item("pdt_a")] });
    for url in ["myapp://done", "MyApp://done?x=1", "myapp:done", "https://merchant.example/x"] {
        let body = merged(&cart, &json!({ "return_url": url }));
        let case = Case::post(format!("back to {url}"), path, body.to_string());
        all.push(case.status(200).upstream([Call::post("/checkouts", body)]));
    }
    for (url, code) in [
        ("otherapp://done", "return_url_not_allowed"),
        ("https://evil.example/", "return_url_not_allowed"),
        ("https://éevil.example/", "return_url_not_allowed"),
        ("javascript:alert(1)//myapp://", "invalid_field"),
        ("data:text/html,myapp", "invalid_field"),
        ("myapp", "invalid_field"),
        ("myapp://do ne", "invalid_field"),
    ] {
        let body = merged(&cart, &json!({ "return_url": url }));
        let case = Case::post(format!("back to {url}"), path, body.to_string());
        all.push(case.problem(400, code).at("/return_url").upstream([]));
    }
    for (origin, site, allowed) in [
        ("tauri://localhost", None, true),
        ("capacitor://localhost", Some("cross-site"), true),
        ("https://shop.example", Some("cross-site"), true),
        ("tauri://evil", None, false),
        ("ionic://localhost", None, false),
        ("Tauri://localhost", None, false),
        ("null", None, false),
    ] {
        let case = Case::post(format!("page of {origin} {site:?}"), path, cart.to_string());
        let mut case = case.header("origin", origin);
        if let Some(site) = site {
            case = case.header("sec-fetch-site", site);
        }
        all.push(match allowed {
            true => case.status(200).upstream([session(cart.clone())]),
            false => case.problem(403, "origin_not_allowed").upstream([]),
        });
    }
    all
}

fn forms() -> Vec<Case> {
    let mut all = Vec::new();
    let path = "/api/form/session";
    let cart = || json!({ "product_cart": [item("pdt_server")] });
    let page = "https://test.checkout.dodopayments.com/session/cks_1";
    let opens = |case: Case, fields: Value| {
        case.status(303).answer_header("location", page).upstream([session(fields)])
    };
    let form = |name: &str, body: &str| {
        let case = Case::new(name, Method::POST, path).body(body);
        case.header("content-type", "application/x-www-form-urlencoded")
    };
    all.push(opens(Case::get("a link", path), cart()));
    all.push(opens(Case::new("an empty post", Method::POST, path), cart()));
    all.push(opens(form("an empty form", ""), cart()));
    all.push(opens(Case::post("JSON", path, "{}"), cart()));
    let own = form("a form of ours", "").header("origin", "https://merchant.example");
    all.push(opens(own, cart()));
    let private = form("a form without a referrer", "").header("origin", "null");
    all.push(opens(private.header("sec-fetch-site", "same-origin"), cart()));
    let filled = form(
        "a form with fields",
        "customer.email=a%2Bb%40b.co&minimal_address=on&metadata.note=hi+there&tax_id=",
    );
    let fields = json!({
        "customer": { "email": "a+b@b.co" }, "minimal_address": true, "metadata": { "note": "hi there" },
    });
    all.push(opens(filled, merged(&cart(), &fields)));
    let goods = form("a form with goods", "productId=pdt_cnr7&quantity=7");
    all.push(opens(goods, cart()));

    let deep = format!("{}a=1", "a.".repeat(40_000));
    for (name, body, code) in [
        ("a form with a name of 40,000 levels", &*deep, "invalid_field"),
        ("a form with a guarded field", "confirm=true", "field_not_allowed"),
        ("a form with an unknown field", "is_admin=1", "field_not_allowed"),
        ("a form with a field twice", "tax_id=a&tax_id=b", "duplicate_parameter"),
        ("a form with a field and an object", "customer=a&customer.email=b", "invalid_field"),
    ] {
        all.push(form(name, body).problem(400, code).upstream([]));
    }
    for (name, case) in [
        ("link", Case::get("a foreign link", path)),
        ("form", form("a foreign form", "")),
        ("post", Case::new("a foreign post", Method::POST, path)),
    ] {
        let marked = case.clone().header("sec-fetch-site", "cross-site");
        all.push(marked.problem(403, "origin_not_allowed").upstream([]));
        let mut case = case.header("origin", "https://evil.example");
        case.name = format!("{name} of another origin");
        all.push(case.problem(403, "origin_not_allowed").upstream([]));
    }
    let multipart = Case::new("a multipart form", Method::POST, path).body("--x--");
    let multipart = multipart.header("content-type", "multipart/form-data; boundary=x");
    all.push(multipart.problem(415, "unsupported_media_type").upstream([]));
    let elsewhere = Case::new("a form for a script", Method::POST, "/api/app/session");
    let elsewhere = elsewhere.header("content-type", "application/x-www-form-urlencoded");
    all.push(elsewhere.problem(415, "unsupported_media_type").upstream([]));
    all
}

/// The visitor and the campaign of the request, whatever the client writes into metadata.
fn captured() -> Vec<Case> {
    let path = "/api/captured/session?utm_source=newsletter&utm_campaign=autumn";
    let cart = json!({ "product_cart": [item("pdt_a")] });
    let mut metadata =
        json!({ "visitor": "v1", "utm_source": "newsletter", "utm_campaign": "autumn" });
    let mut sent = metadata.clone();
    for key in
        ["visitor", "user_id", "utm_source", "utm_term", "datafast_visitor_id", "dub_external_id"]
    {
        metadata[key] = "cnr7".into();
    }
    metadata["source"] = "mobile-app".into();
    sent["source"] = "mobile-app".into();
    let body = merged(&cart, &json!({ "metadata": metadata })).to_string();
    let case = Case::post("metadata of a client", path, body).header("cookie", "visitor=v1");
    let expected = session(merged(&cart, &json!({ "metadata": sent })));
    vec![case.status(200).upstream([expected])]
}

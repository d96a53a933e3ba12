//! Each field of an order or a product has an effect, or is refused. The contract lists the fields: one
//! that this table does not have turns the test red.
//!
//! A field has an effect if a world with it differs from a world without it. Both worlds have the same
//! seed and a stopped clock, so nothing else can differ.

use std::{collections::HashMap, fmt::Write};

use dodo_sandbox::{Product, Sandbox, cards};
use http::Method;
use serde_json::{Value, json};

use crate::{
    contract::{Found, contract},
    support::http,
};

mod orders;
mod products;

/// What a value of a field leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// Something beside the object itself differs.
    Effect,
    /// The object shows it, and nothing else: Dodo does no more with it.
    Shown,
    /// 422 with the name of the field.
    Refused,
    /// Dodo ignores it, by the words of its documentation.
    Ignored,
}

/// A field: its place, the body that it is added to, and its value.
type Row = (&'static str, Value, Value, Expected);

/// A sandbox with a few objects.
struct World {
    sandbox: Sandbox,
    /// The ids that rows name by placeholders.
    ids: HashMap<&'static str, String>,
    /// What a customer and a merchant see.
    seen: String,
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::builder()
            .seed(7)
            .now("2026-03-01T12:00:00Z".parse().unwrap())
            .clock_rate(0.0)
            .product(Product::one_time("pdt_book", "Book", "USD", 2000))
            .product(Product::one_time("pdt_tip", "Tip", "USD", 100).pay_what_you_want(500))
            .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
            .product(Product::monthly("pdt_india", "India", "INR", 9_000))
            .discount("HALF", 5000)
            .start()
            .await
            .unwrap();
        let mut world = Self { sandbox, ids: HashMap::new(), seen: String::new() };
        for (name, path, body, id) in [
            (
                "ADDON",
                "/addons",
                json!({ "name": "Seat", "price": 500, "currency": "USD", "tax_category": "saas" }),
                "id",
            ),
            ("BRAND", "/brands", json!({ "name": "Second" }), "brand_id"),
            (
                "METER",
                "/meters",
                json!({ "name": "Calls", "event_name": "call", "measurement_unit": "call", "aggregation": { "type": "count" } }),
                "id",
            ),
            (
                "CREDIT",
                "/credit-entitlements",
                json!({ "name": "Tokens", "unit": "token", "precision": 2, "overage_enabled": false, "rollover_enabled": false }),
                "id",
            ),
            (
                "ENTITLEMENT",
                "/entitlements",
                json!({ "name": "Files", "integration_type": "digital_files", "integration_config": { "digital_file_ids": ["00000000-0000-4000-8000-000000000001"] } }),
                "id",
            ),
            (
                "COLLECTION",
                "/product-collections",
                json!({ "name": "Plans", "groups": [{ "group_name": "All", "products": [{ "product_id": "pdt_pro" }] }] }),
                "id",
            ),
        ] {
            let (status, answer) = world.call("POST", path, body).await;
            assert!(status < 300, "{path}: {answer}");
            world.ids.insert(name, answer[id].as_str().unwrap().to_owned());
        }
        let add = json!({ "addons": ["ADDON"] });
        assert_eq!(world.call("PATCH", "/products/pdt_pro", add).await.0, 200);
        // A customer with a saved card.
        let cart = json!([{ "product_id": "pdt_book", "quantity": 1 }]);
        let customer = json!({ "email": "ada@example.com", "name": "Ada" });
        let order = json!({ "product_cart": cart, "customer": customer });
        let (_, session) = world.call("POST", "/checkouts", order).await;
        let paid = world.sandbox.pay_session(session["session_id"].as_str().unwrap(), cards::OK);
        let path = format!("/payments/{}", paid.unwrap().payment_id);
        let (_, payment) = world.call("GET", &path, Value::Null).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        world.ids.insert("CUSTOMER", text(&payment["customer"]["customer_id"]));
        world.ids.insert("METHOD", text(&payment["payment_method_id"]));
        world
    }

    /// Puts the ids in the place of the placeholders.
    fn fill(&self, text: String) -> String {
        let fill = |text: String, (name, id): (&&str, &String)| text.replace(*name, id);
        self.ids.iter().fold(text, fill)
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = self.fill(format!("{}{path}", self.sandbox.url()));
        let request = http().request(method.parse().unwrap(), url);
        let request = request.bearer_auth(self.sandbox.api_key());
        let request = match &body {
            Value::Null => request,
            body => {
                request.header("content-type", "application/json").body(self.fill(body.to_string()))
            }
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Makes a request that succeeds.
    async fn make(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let (status, answer) = self.call(method, path, body).await;
        if status < 300 { Ok(answer) } else { Err(answer["message"].to_string()) }
    }

    fn see(&mut self, what: &str, text: impl std::fmt::Display) {
        let text = text.to_string().replace(self.sandbox.url(), "");
        writeln!(self.seen, "{what}: {text}").unwrap();
    }

    /// Looks at answers.
    async fn look(&mut self, paths: &[&str]) {
        for path in paths {
            let (_, answer) = self.call("GET", path, Value::Null).await;
            self.see(path, answer);
        }
    }

    /// Opens a page and pays on it, in the country that it shows; looks at both, and at what follows within six weeks.
    async fn buy(&mut self, url: &str) {
        let page = http().get(url).send().await.unwrap();
        // A short link, and the page behind it.
        let url = page
            .headers()
            .get("location")
            .map_or(url.to_owned(), |url| url.to_str().unwrap().to_owned());
        self.see("address", &url);
        let html = http().get(&url).send().await.unwrap().text().await.unwrap();
        self.see("page", &html);
        let field = |name: &str| {
            let value = html.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
            value.split('"').next().map(str::to_owned)
        };
        let country = html.split(" selected>").next().filter(|rest| rest.len() < html.len());
        let country = country.and_then(|rest| rest.rsplit('"').nth(1)).unwrap_or("US");
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, typed) in [
            ("email", "ada@example.com"),
            ("name", "Ada"),
            ("country", country),
            ("card", cards::OK),
            ("city", "Berlin"),
        ] {
            let shown = field(name).filter(|own| !own.is_empty() && name != "city");
            form.append_pair(name, shown.as_deref().unwrap_or(typed));
        }
        let request = http().post(format!("{url}/pay")).body(form.finish());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        self.see(
            "redirect",
            format!("{:?} {:?}", answer.status(), answer.headers().get("location")),
        );
        let html = answer.text().await.unwrap();
        self.see("result", html);
        let html = http().get(&url).send().await.unwrap().text().await.unwrap();
        self.see("end", html);
        self.use_up().await;
        self.sandbox.advance(std::time::Duration::from_secs(42 * 86_400)).unwrap();
        self.books().await;
    }

    /// The newest subscription's customer uses what it pays for.
    async fn use_up(&mut self) {
        let (_, list) = self.call("GET", "/customers", Value::Null).await;
        let customer = &list["items"][0]["customer_id"];
        let events: Vec<_> = (0..30)
            .map(|at| json!({ "event_id": format!("e{at}"), "customer_id": customer, "event_name": "call" }))
            .collect();
        self.call("POST", "/events/ingest", json!({ "events": events })).await;
    }

    /// Looks at what the account has.
    async fn books(&mut self) {
        self.look(&["/payments", "/subscriptions", "/customers", "/license_keys", "/entitlements"])
            .await;
        self.look(&["/credit-entitlements/CREDIT/balances", "/discounts"]).await;
        for path in ["/payments", "/subscriptions", "/customers"] {
            let (_, list) = self.call("GET", path, Value::Null).await;
            let id = format!("{}_id", path.trim_start_matches('/').trim_end_matches('s'));
            for item in list["items"].as_array().unwrap() {
                let own = format!("{path}/{}", item[&id].as_str().unwrap());
                match path {
                    "/payments" => self.look(&[&own, &format!("{own}/line-items")]).await,
                    "/customers" => {
                        let credits = format!(
                            "/credit-entitlements/CREDIT/balances/{}/ledger",
                            item[&id].as_str().unwrap()
                        );
                        self.look(&[
                            &format!("{own}/emails"),
                            &format!("{own}/entitlement-grants"),
                            &credits,
                        ])
                        .await;
                        let (_, emails) =
                            self.call("GET", &format!("{own}/emails"), Value::Null).await;
                        for email in emails["items"].as_array().unwrap() {
                            self.look(&[&format!(
                                "{own}/emails/{}/body",
                                email["email_log_id"].as_str().unwrap()
                            )])
                            .await;
                        }
                    }
                    _ => self.look(&[&own, &format!("{own}/usage-history")]).await,
                }
            }
        }
        self.look(&["/__sandbox/events"]).await;
    }
}

/// `base` with the fields of `extra`: objects are merged, and `null` removes a field.
fn merged(base: &Value, extra: &Value) -> Value {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            let mut all = base.clone();
            for (name, value) in extra {
                let own = all.remove(name).unwrap_or_default();
                if !value.is_null() {
                    all.insert(name.clone(), merged(&own, value));
                }
            }
            Value::Object(all)
        }
        (_, extra) => extra.clone(),
    }
}

/// Sets the value at a place; `[]` is the first item of a list.
fn set(body: &mut Value, place: &str, value: Value) {
    let (first, rest) = place.split_once('.').unwrap_or((place, ""));
    let (name, in_list) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    if !body.is_object() {
        *body = json!({});
    }
    let mut own = &mut body[name];
    if in_list {
        if !own.is_array() {
            *own = json!([{}]);
        }
        own = &mut own[0];
    }
    if rest.is_empty() { *own = value } else { set(own, rest, value) }
}

/// Compares the worlds of all rows. `act` makes the request with a body, and looks at the effects.
async fn check(
    operation: (&str, &str),
    base: Value,
    rows: Vec<Row>,
    act: impl AsyncFn(&mut World, Value) -> Result<String, String>,
) {
    let Found::Operation(known, _) =
        contract().find(&operation.0.parse::<Method>().unwrap(), operation.1)
    else {
        panic!("{operation:?} is not in the contract")
    };
    let mut fields: Vec<_> = rows.iter().map(|(place, ..)| (*place).to_owned()).collect();
    fields.sort();
    fields.dedup();
    let declared = contract().request_fields(known);
    let missing: Vec<_> = declared.iter().filter(|own| !fields.contains(own)).collect();
    assert!(missing.is_empty(), "{operation:?}: this table lacks {missing:?}");
    let unknown: Vec<_> = fields.iter().filter(|own| !declared.contains(own)).collect();
    assert!(unknown.is_empty(), "{operation:?}: the contract lacks {unknown:?}");
    let mut known: HashMap<String, (Result<String, String>, String)> = HashMap::new();
    let mut faults = Vec::new();
    for (place, extra, value, expected) in rows {
        let without = merged(&base, &extra);
        let mut with = without.clone();
        set(&mut with, place, value);
        let mut outcomes = Vec::new();
        for body in [without, with] {
            let key = body.to_string();
            if !known.contains_key(&key) {
                let mut world = World::new().await;
                let result = act(&mut world, body).await;
                known.insert(key.clone(), (result, world.seen));
            }
            outcomes.push(known[&key].clone());
        }
        let [(before, seen_before), (after, seen_after)] = outcomes.try_into().unwrap();
        if let Err(error) = &before {
            faults.push(format!("{place}: refused without the field: {error}"));
            continue;
        }
        let name = place.rsplit('.').next().unwrap();
        let got = match &after {
            // The value of an id has the effect that another object is sold, or is unknown.
            Err(_) if expected == Expected::Effect => Expected::Effect,
            Err(error) if error.contains(name) => Expected::Refused,
            Err(error) => {
                faults.push(format!("{place}: refused without its name: {error}"));
                continue;
            }
            Ok(_) if seen_before != seen_after => Expected::Effect,
            Ok(shown) if before.as_ref() != Ok(shown) => Expected::Shown,
            Ok(_) => Expected::Ignored,
        };
        if got != expected {
            faults.push(format!("{place}: {got:?} instead of {expected:?}"));
        }
    }
    assert!(faults.is_empty(), "{operation:?}:\n{}", faults.join("\n"));
}

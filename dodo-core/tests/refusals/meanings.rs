//! No client value of a meaning goes to Dodo Payments if server code set the meaning.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment, Error,
    checkout::{
        self, CheckoutBuilder, CheckoutKind, DynamicCheckout, FieldRule, FieldSet, SessionCheckout,
        StaticCheckout,
        request::{DynamicRequest, SessionRequest, StaticRequest},
    },
    endpoint::Endpoint,
};
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

/// In every value of a client, as text or as number.
const CLIENT: &str = "client";
const CLIENT_NUMBER: i64 = 7_777;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Session,
    Dynamic,
    Static,
}

const KINDS: [Kind; 3] = [Kind::Session, Kind::Dynamic, Kind::Static];

#[derive(Clone, Copy, Debug)]
enum Rules {
    Default,
    EverySet,
    Express,
}

const RULES: [Rules; 3] = [Rules::Default, Rules::EverySet, Rules::Express];

/// The fields of a checkout that have a meaning.
fn with_meaning(kind: Kind) -> Vec<FieldRule> {
    let takes = |field: &FieldRule| match kind {
        Kind::Session => field.session,
        Kind::Dynamic => field.payment || field.subscription,
        Kind::Static => field.static_link,
    };
    checkout::fields().filter(|field| field.meaning.is_some() && takes(field)).collect()
}

/// A valid value of a field, made of a word and a number.
fn sample(name: &str, word: &str, number: i64, yes: bool) -> Value {
    let item = json!({ "product_id": format!("pdt_{word}"), "quantity": number });
    match name {
        "product_cart" | "one_time_product_cart" => json!([item]),
        "addons" => json!([{ "addon_id": format!("adn_{word}"), "quantity": number }]),
        "product_id" | "productId" => format!("pdt_{word}").into(),
        "product_collection_id" => format!("col_{word}").into(),
        "payment_method_id" => format!("pm_{word}").into(),
        "customer" => json!({ "customer_id": format!("cus_{word}") }),
        "email" => format!("{word}@shop.example").into(),
        "discount_codes" => json!([word]),
        "return_url" | "cancel_url" | "redirect_url" => {
            format!("https://shop.example/{word}").into()
        }
        "billing_address" | "billing" => json!({ "country": "DE", "city": word }),
        "billing_currency" | "paymentCurrency" | "country" => {
            let currency = if yes { "XCL" } else { "EUR" };
            currency[..if name == "country" { 2 } else { 3 }].into()
        }
        "subscription_data" => json!({ "trial_period_days": number }),
        "on_demand" => json!({ "mandate_only": true, "product_description": word }),
        "quantity" | "trial_period_days" | "mandate_min_amount_inr_paise" => number.into(),
        "confirm" | "adaptive_currency_fees_inclusive" | "showCurrencySelector" => yes.into(),
        name if name.starts_with("disable") => true.into(),
        _ => word.into(),
    }
}

fn client_value(name: &str) -> Value {
    sample(name, CLIENT, CLIENT_NUMBER, true)
}

fn server_value(name: &str) -> Value {
    sample(name, "server", 3, false)
}

/// Whether a client sent this value, or a part of it.
fn is_of_client(name: &str, value: &Value) -> bool {
    let text = value.to_string();
    let marked = text.contains(CLIENT) || text.contains("7777") || text.contains("XC");
    marked || (value == &json!(true) && client_value(name) == json!(true))
}

fn built<C: CheckoutKind>(
    builder: CheckoutBuilder<C>,
    rules: Rules,
    fields: C::Request,
    fixed: bool,
) -> C
where
    C::Request: Clone + Sync,
{
    let builder = match rules {
        Rules::Default => builder,
        Rules::Express => builder.express_compatible(),
        Rules::EverySet => [
            FieldSet::PayWhatYouWant,
            FieldSet::Trial,
            FieldSet::OnDemand,
            FieldSet::ExistingCustomer,
            FieldSet::SavedPaymentMethods,
            FieldSet::Credits,
            FieldSet::Risk,
            FieldSet::Collections,
        ]
        .into_iter()
        .fold(builder, CheckoutBuilder::allow_field_set),
    };
    let builder = if fixed {
        builder.server_fields(fields)
    } else {
        builder.server_fields_with(move |_| {
            let fields = fields.clone();
            async move { Ok::<_, Error>(fields) }
        })
    };
    builder.build().unwrap()
}

/// The fields that go to Dodo Payments, or into the link. `None` if the checkout is refused.
fn sent(
    kind: Kind,
    rules: Rules,
    fixed: bool,
    server: &[&'static str],
    client: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let recurring = server.len() % 2 == 1;
    let transport = move |request: Request<Bytes>| {
        if request.method() == "POST" {
            *keep.lock().unwrap() = serde_json::from_slice(request.body()).ok();
        }
        let answer = json!({
            "session_id": "cks_1", "checkout_url": "https://checkout.example/",
            "payment_link": "https://checkout.example/",
            "is_recurring": recurring,
        });
        async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
    };
    let server: Vec<String> = server.iter().map(|name| (*name).to_owned()).collect();
    let builder =
        Client::builder("sk_test", Environment::Test).return_url("https://shop.example/done");
    let dodo = builder.with_transport(transport).build().unwrap();
    let json = || {
        let request = Request::post("/").header("content-type", "application/json");
        request.body(Bytes::from(Value::from(client.clone()).to_string())).unwrap()
    };
    macro_rules! fields {
        ($request:ident) => {
            server.iter().fold($request::new(), |fields, name| {
                fields.set_raw(name.clone(), server_value(name))
            })
        };
    }
    let answer = match kind {
        Kind::Session => {
            let builder = SessionCheckout::builder(dodo);
            let endpoint = built(builder, rules, fields!(SessionRequest), fixed);
            RUNTIME.block_on(endpoint.handle(json()))
        }
        Kind::Dynamic => {
            let builder = DynamicCheckout::builder(dodo);
            let endpoint = built(builder, rules, fields!(DynamicRequest), fixed);
            RUNTIME.block_on(endpoint.handle(json()))
        }
        Kind::Static => {
            let builder = StaticCheckout::builder(dodo);
            let endpoint = built(builder, rules, fields!(StaticRequest), fixed);
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in client {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                query.append_pair(name, &text);
            }
            let request = Request::get(format!("/?{}", query.finish()));
            RUNTIME.block_on(endpoint.handle(request.body(Bytes::new()).unwrap()))
        }
    };
    if answer.status() != 200 {
        assert!(answer.status().is_client_error(), "{answer:?}");
        return None;
    }
    if kind != Kind::Static {
        return seen.lock().unwrap().take();
    }
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let (path, query) = answer["checkout_url"].as_str()?.split_once('?')?;
    let mut fields = Map::new();
    fields.insert("productId".into(), path.rsplit('/').next()?.into());
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let value = if text == "true" { true.into() } else { Value::from(&*text) };
        fields.insert(name.into_owned(), value);
    }
    Some(fields)
}

/// The law, for one checkout. Answers whether the checkout went to Dodo Payments.
fn holds(
    kind: Kind,
    rules: Rules,
    fixed: bool,
    server: &[&'static str],
    client: &Map<String, Value>,
) -> bool {
    let meanings: BTreeMap<_, _> =
        with_meaning(kind).iter().map(|field| (field.path, field.meaning)).collect();
    let Some(upstream) = sent(kind, rules, fixed, server, client) else { return false };
    for (name, value) in &upstream {
        let Some(meaning) = meanings.get(&**name) else { continue };
        let is_set = server.iter().any(|set| meanings.get(set) == Some(meaning));
        let own = server.contains(&&**name) && *value == server_value(name);
        assert!(
            !is_set || own || !is_of_client(name, value),
            "{kind:?} {rules:?}: server code set {server:?}, and {name} is {value}"
        );
    }
    true
}

fn required(kind: Kind) -> Map<String, Value> {
    match kind {
        Kind::Session => json!({ "product_cart": client_value("product_cart") }),
        Kind::Dynamic => json!({
            "product_id": "pdt_client", "billing": { "country": "US" },
            "customer": { "email": "client@shop.example" },
        }),
        Kind::Static => json!({ "productId": "pdt_client" }),
    }
    .as_object()
    .unwrap()
    .clone()
}

/// Server code sets one field; the client sends one other field of the meaning.
#[test]
fn server_field_removes_each_client_field_of_its_meaning() {
    let (mut pairs, mut passed) = (0, 0);
    for kind in KINDS {
        let fields = with_meaning(kind);
        for set in &fields {
            for other in fields.iter().filter(|other| other.meaning == set.meaning) {
                let mut client = required(kind);
                client.insert(other.path.to_owned(), client_value(other.path));
                for rules in RULES {
                    pairs += 1;
                    passed += usize::from(holds(kind, rules, true, &[set.path], &client));
                }
            }
        }
    }
    assert!(pairs > 500 && passed > pairs / 3, "{passed} of {pairs} went to Dodo Payments");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn server_values_are_alone_in_their_meaning(
        kind in prop::sample::select(KINDS.to_vec()),
        rules in prop::sample::select(RULES.to_vec()),
        fixed in any::<bool>(),
        server in any::<[bool; 32]>(),
        client in any::<[bool; 32]>(),
    ) {
        let fields = with_meaning(kind);
        let chosen = |bits: [bool; 32]| {
            fields.iter().zip(bits).filter_map(|(field, chosen)| chosen.then_some(field.path)).collect::<Vec<_>>()
        };
        let mut body = required(kind);
        body.extend(chosen(client).into_iter().map(|name| (name.to_owned(), client_value(name))));
        holds(kind, rules, fixed, &chosen(server), &body);
    }
}

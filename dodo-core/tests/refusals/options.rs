use std::time::Duration;

use dodo_core::{
    Client, Environment, Error, ErrorKind, ProductId, WebhookKey, Webhooks,
    checkout::{
        CheckoutBuilder, CheckoutKind, DynamicCheckout, SessionCheckout, StaticCheckout,
        request::{DynamicRequest, SessionRequest, StaticRequest},
    },
};
use serde_json::Value;

use super::upstream;

/// The error of a builder.
fn refused<C: CheckoutKind>(builder: CheckoutBuilder<C>) -> Error {
    builder.build().map(drop).unwrap_err()
}

/// What `build` refuses, with the words that its message must have.
fn rows(client: &Client) -> Vec<(Error, Vec<&'static str>)> {
    let session = || SessionCheckout::builder(client.clone());
    let dynamic = || DynamicCheckout::builder(client.clone());
    let link = || StaticCheckout::builder(client.clone());
    let pro = || ("pro", ProductId::new("pdt_pro").unwrap());
    let nothing: [(&str, ProductId); 0] = [];
    vec![
        (refused(session().return_url("/done")), vec!["return_url", "\"/done\""]),
        (refused(link().return_url("")), vec!["return_url"]),
        (
            refused(session().allow_return_origins(["shop.example"])),
            vec!["allow_return_origins", "\"shop.example\""],
        ),
        (
            refused(link().allow_return_origins(["https://shop.example/path"])),
            vec!["allow_return_origins", "/path"],
        ),
        (refused(session().allow_page_origins(["*"])), vec!["allow_page_origins", "\"*\""]),
        (refused(dynamic().allow_page_origins([""])), vec!["allow_page_origins"]),
        (refused(session().allow_fields(["trial_days"])), vec!["allow_fields", "\"trial_days\""]),
        (refused(session().allow_fields(["customer"])), vec!["allow_fields", "\"customer\""]),
        (refused(dynamic().products_by_slug("plan", nothing)), vec!["products_by_slug"]),
        (refused(link().products_by_slug("", [pro()])), vec!["products_by_slug"]),
        (refused(link().products_by_slug("plan", [pro(), pro()])), vec!["products_by_slug", "pro"]),
        (refused(session().allow_products([])), vec!["allow_products"]),
        (refused(session().error_page("oops")), vec!["error_page", "\"oops\""]),
        // The first of two problems, and no later option hides it.
        (
            refused(session().allow_page_origins(["x"]).error_page("y")),
            vec!["allow_page_origins", "\"x\""],
        ),
        (
            refused(session().return_url("x").return_url("https://shop.example/")),
            vec!["return_url", "\"x\""],
        ),
        (
            refused(session().server_fields(SessionRequest::new().discount_codes(vec!["A"; 21]))),
            vec!["/discount_codes"],
        ),
        (
            refused(dynamic().server_fields(DynamicRequest::new().metadata("a b", "x"))),
            vec!["/metadata/a b"],
        ),
        (refused(link().server_fields(StaticRequest::new().metadata("a b", "x"))), vec!["a b"]),
    ]
}

/// What `build` of the webhooks refuses, with the option that its message must name.
fn webhook_rows() -> [(Error, Vec<&'static str>); 3] {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let hooks = || Webhooks::builder(WebhookKey::new(key, Environment::Test).unwrap());
    [
        (hooks().body_limit(0), "body_limit"),
        (hooks().body_timeout(Duration::ZERO), "body_timeout"),
        (hooks().callback_timeout(Duration::ZERO), "callback_timeout"),
    ]
    .map(|(hooks, option)| (hooks.build().map(drop).unwrap_err(), vec![option]))
}

#[test]
fn build_names_the_option_and_its_value() {
    let (client, _) = upstream(Value::Null);
    for (error, words) in rows(&client).into_iter().chain(webhook_rows()) {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        for word in words {
            assert!(text.contains(word), "{text} lacks {word}");
        }
    }
}

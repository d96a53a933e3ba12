//! All environment variables follow one rule. Each row runs in a process of its own, because the
//! environment of a process cannot be changed safely.
#![cfg(feature = "reqwest")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::{
    env,
    ffi::{OsStr, OsString},
    future::ready,
    os::unix::ffi::OsStringExt,
    process::Command,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use dodo_core::{BoxError, Dodo, client::DodoBuilder, endpoint::Endpoint};
use http::{Request, Response};

const CHILD: &str = "DODO_TEST_VARIABLES_CHILD";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Runs `Dodo::from_env` with these variables, and returns the line that the child prints.
fn from_env(variables: &[(&str, &OsStr)]) -> String {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, "1");
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("DODO_P") {
            child.env_remove(name);
        }
    }
    child.env("DODO_PAYMENTS_API_KEY", "sk_canary").env("DODO_PAYMENTS_WEBHOOK_KEY", KEY);
    child.envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("> ")).unwrap_or_else(|| panic!("{text}"));
    line.split_once("> ").unwrap().1.to_owned()
}

#[tokio::test]
async fn child() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    match Dodo::from_env() {
        Ok(dodo) => {
            let (api, return_url) = api_and_return_url().await;
            println!(
                "> {} {api} {return_url:?} {:?} {:?}",
                dodo.environment(),
                dodo.client().public_url(),
                dodo.webhook_key(),
            );
        }
        Err(error) => println!("> {:?} {error}", error.kind()),
    }
}

/// Asks for a static link. Returns the origin of the API that it looks the product up at, and the page
/// that the link returns to.
async fn api_and_return_url() -> (String, Option<String>) {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let transport = move |request: Request<Bytes>| {
        let origin = request.uri().to_string();
        *seen.lock().unwrap() = origin.strip_suffix("/products/pdt_a").unwrap().to_owned();
        let product = r#"{"product_id":"pdt_a","is_recurring":false}"#;
        ready(Ok::<_, BoxError>(Response::new(Bytes::from(product))))
    };
    let dodo = DodoBuilder::from_env().unwrap();
    let dodo = dodo.client(|client| client.with_transport(transport)).build().unwrap();
    let request = Request::get("/?productId=pdt_a").body(Bytes::new()).unwrap();
    let answer = dodo.static_checkout().build().unwrap().handle(request).await.into_body();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let link = url::Url::parse(answer["checkout_url"].as_str().unwrap()).unwrap();
    let return_url = link.query_pairs().find(|(name, _)| name == "redirect_url");
    let asked = asked.lock().unwrap().clone();
    (asked, return_url.map(|(_, url)| url.into_owned()))
}

#[test]
fn variables_are_trimmed_and_have_defaults() {
    let both = format!(" {KEY}\n{OTHER}\t");
    for (variables, expected) in [
        (vec![], "live_mode https://live.dodopayments.com None None"),
        (vec![("DODO_PAYMENTS_ENVIRONMENT", "")], "live_mode "),
        (vec![("DODO_PAYMENTS_ENVIRONMENT", " \n")], "live_mode "),
        (vec![("DODO_PAYMENTS_ENVIRONMENT", " test_mode\r\n")], "test_mode https://test."),
        (vec![("DODO_PAYMENTS_API_KEY", "\u{feff} sk_canary\n")], "live_mode "),
        (
            vec![("DODO_PAYMENTS_BASE_URL", " http://127.0.0.1:4010/ ")],
            "live_mode http://127.0.0.1:4010 ",
        ),
        (
            vec![("DODO_PAYMENTS_RETURN_URL", "https://a.example/thanks\n")],
            "live_mode https://live.dodopayments.com Some(\"https://a.example/thanks\") None",
        ),
        (
            vec![("DODO_PUBLIC_URL", " https://shop.example/ ")],
            "live_mode https://live.dodopayments.com Some(\"https://shop.example\") Some(\"https://shop.example\")",
        ),
        (vec![("DODO_PAYMENTS_WEBHOOK_KEY", &both)], "secrets: 2"),
        (vec![("DODO_PAYMENTS_WEBHOOK_SECRET", OTHER)], "secrets: 2"),
        (
            vec![("DODO_PAYMENTS_WEBHOOK_KEY", " "), ("DODO_PAYMENTS_WEBHOOK_SECRET", KEY)],
            "secrets: 1",
        ),
    ] {
        let variables: Vec<_> = variables.iter().map(|&(n, v)| (n, OsStr::new(v))).collect();
        let line = from_env(&variables);
        assert!(line.contains(expected), "{variables:?}: {line}");
        assert!(!line.contains("canary"), "{line}");
    }
}

#[test]
fn unusable_variable_is_named_with_problem_and_action() {
    const NAMES: [&str; 9] = [
        "DODO_PAYMENTS_API_KEY",
        "DODO_PAYMENTS_WEBHOOK_KEY",
        "DODO_PAYMENTS_WEBHOOK_SECRET",
        "DODO_PAYMENTS_ENVIRONMENT",
        "DODO_PAYMENTS_RETURN_URL",
        "DODO_PAYMENTS_BASE_URL",
        "DODO_PAYMENTS_CHECKOUT_URL",
        "DODO_PUBLIC_URL",
        "DODO_PAYMENTS_LOG",
    ];
    let good = |name: &str| match name {
        "DODO_PAYMENTS_API_KEY" => "sk_canary",
        "DODO_PAYMENTS_ENVIRONMENT" => "test_mode",
        "DODO_PAYMENTS_LOG" => "debug",
        name if name.contains("WEBHOOK") => KEY,
        _ => "https://canary.example",
    };
    for name in NAMES {
        let value = good(name);
        for quoted in [
            format!("\"{value}\""),
            format!("'{value}'"),
            format!("`{value}`"),
            format!("\"{value}"),
            format!("\u{201c}{value}\u{201d}"),
        ] {
            let line = from_env(&[(name, OsStr::new(&quoted))]);
            let expected = format!("Config {name} has quotes in its value: remove the quotes");
            assert_eq!(line, expected, "{quoted}");
        }
        if !name.contains("WEBHOOK") {
            let line = from_env(&[(name, OsStr::new(&format!("{value} {value}")))]);
            assert_eq!(line, format!("Config {name} has a blank inside: set it to one value"));
        }
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        let line = from_env(&[(name, &bytes)]);
        assert_eq!(line, format!("Config {name} is not UTF-8: type the value again"));
    }
    for (name, value, says) in [
        (
            "DODO_PAYMENTS_API_KEY",
            "",
            "missing API key: set DODO_PAYMENTS_API_KEY, or run `cargo install dodo-sandbox`, then `dodo-sandbox`",
        ),
        (
            "DODO_PAYMENTS_API_KEY",
            "sk_kän",
            "the API key is not visible ASCII: copy it from the dashboard (DODO_PAYMENTS_API_KEY)",
        ),
        (
            "DODO_PAYMENTS_ENVIRONMENT",
            "production",
            "unknown mode: write test_mode or live_mode (DODO_PAYMENTS_ENVIRONMENT)",
        ),
        (
            "DODO_PAYMENTS_LOG",
            "verbose",
            "DODO_PAYMENTS_LOG is unknown: write debug, info, warn, error or off",
        ),
        (
            "DODO_PAYMENTS_ENVIRONMENT",
            "TEST_MODE",
            "unknown mode: write test_mode or live_mode (DODO_PAYMENTS_ENVIRONMENT)",
        ),
        (
            "DODO_PAYMENTS_WEBHOOK_KEY",
            "",
            "missing webhook key: set DODO_PAYMENTS_WEBHOOK_KEY to the `whsec_...` of the endpoint",
        ),
        (
            "DODO_PAYMENTS_WEBHOOK_KEY",
            "whsec_AAAA",
            "the webhook key is shorter than 24 bytes: copy all of `whsec_...` (DODO_PAYMENTS_WEBHOOK_KEY)",
        ),
        (
            "DODO_PAYMENTS_WEBHOOK_SECRET",
            "whsec_AAAA",
            "the webhook key is shorter than 24 bytes: copy all of `whsec_...` (DODO_PAYMENTS_WEBHOOK_SECRET)",
        ),
        (
            "DODO_PAYMENTS_BASE_URL",
            "http://shop.example",
            "DODO_PAYMENTS_BASE_URL is not https, nor http on this machine: correct the URL",
        ),
        (
            "DODO_PAYMENTS_CHECKOUT_URL",
            "ftp://shop.example",
            "DODO_PAYMENTS_CHECKOUT_URL is not https, nor http on this machine: correct the URL",
        ),
        (
            "DODO_PAYMENTS_RETURN_URL",
            "shop.example",
            "DODO_PAYMENTS_RETURN_URL is not an absolute URL: correct the URL",
        ),
        (
            "DODO_PUBLIC_URL",
            "https://shop.example/shop",
            "DODO_PUBLIC_URL has a path: leave only scheme, host and port",
        ),
        (
            "DODO_PUBLIC_URL",
            "https://a.example,https://b.example",
            "DODO_PUBLIC_URL is not one http or https URL: set it to `https://` and a host",
        ),
        (
            "DODO_PUBLIC_URL",
            "shop.example",
            "DODO_PUBLIC_URL is not one http or https URL: set it to `https://` and a host",
        ),
    ] {
        let line = from_env(&[(name, OsStr::new(value))]);
        assert_eq!(line, format!("Config {says}"), "{value}");
    }
}

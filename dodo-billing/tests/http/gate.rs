//! The layers: who passes, and what the others get.

use std::convert::Infallible;

use bytes::Bytes;
use dodo_billing::Access;
use dodo_core::SignedIn;
use dodo_sandbox::cards;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::app::App;

/// Answers with the state that the layer read.
async fn page(request: Request<()>) -> Result<Response<Bytes>, Infallible> {
    let access = request.extensions().get::<Access>();
    let state = access.map_or("nobody", |access| access.state().as_str());
    Ok(Response::new(Bytes::from(state)))
}

async fn ask(
    layer: dodo_billing::AccessLayer,
    user: &str,
    accept: &str,
) -> (u16, Option<String>, Bytes) {
    let mut request = Request::get("/page").header("accept", accept).body(()).unwrap();
    if !user.is_empty() {
        request.extensions_mut().insert(SignedIn::user(user));
    }
    let response = layer.layer(service_fn(page)).oneshot(request).await.unwrap();
    let location = response.headers().get("location").map(|url| url.to_str().unwrap().to_owned());
    (response.status().as_u16(), location, response.into_body())
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_let_only_owners_pass() {
    let app = App::with(true, |billing| billing.paywall_page("/pricing")).await;
    app.buys("payer", "pro", cards::OK).await;
    app.until("payer", |access| access.can("export")).await;
    let billing = &app.billing;
    for (layer, user, status, body) in [
        (billing.require_feature("export"), "payer", 200, "active"),
        (billing.require_plan("pro"), "payer", 200, "active"),
        (billing.require_plan("free"), "other", 200, "none"),
        (billing.access_layer(), "other", 200, "none"),
        (billing.access_layer(), "", 200, "nobody"),
        (billing.require_plan("team"), "payer", 402, ""),
        (billing.require_feature("export"), "other", 402, ""),
        (billing.require_feature("export"), "", 401, ""),
    ] {
        let case = format!("{layer:?} {user}");
        let (found, _, shown) = ask(layer, user, "application/json").await;
        assert_eq!(found, status, "{case}");
        assert!(body.is_empty() || shown == body, "{case}");
    }
    let (_, _, body) = ask(billing.require_feature("export"), "other", "*/*").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (problem["code"].as_str(), &problem["plans"]),
        (Some("feature_required"), &json!(["pro", "team"]))
    );
    assert_eq!(
        problem["checkout"],
        json!({ "method": "POST", "href": "/billing/checkout", "body": { "plan": "pro" } })
    );
    let (status, location, _) = ask(billing.require_plan("team"), "other", "text/html,*/*").await;
    assert_eq!((status, location.as_deref()), (303, Some("/pricing")));
    app.stop().await;
}

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
    let state = access.map_or("signed out", |access| access.state().as_str());
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
        (billing.access_layer(), "", 200, "signed out"),
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

/// The same answers from actix-web.
#[cfg(feature = "actix-web")]
#[tokio::test(flavor = "multi_thread")]
async fn guard_of_actix_answers_as_the_layer_does() {
    use actix_web::{App as ActixApp, dev::Service as _, middleware::from_fn, test, web};
    use dodo_actix::SignIn as _;

    async fn page(access: Access) -> String {
        access.state().as_str().to_owned()
    }

    let app = App::with(true, |billing| billing.paywall_page("/pricing")).await;
    app.buys("payer", "pro", cards::OK).await;
    app.until("payer", |access| access.can("export")).await;
    let layer = app.billing.require_feature("export");
    let open = app.billing.access_layer();
    let guarded = web::resource("/page")
        .wrap(from_fn(move |request, next| layer.clone().guard(request, next)))
        .route(web::get().to(page));
    let free = web::resource("/free")
        .wrap(from_fn(move |request, next| open.clone().guard(request, next)))
        .route(web::get().to(page));
    let bare = web::resource("/bare").route(web::get().to(page));
    let service =
        ActixApp::new().service(guarded).service(free).service(bare).wrap_fn(|request, next| {
            let user =
                request.headers().get("x-user").map(|user| user.to_str().unwrap().to_owned());
            if let Some(user) = user {
                request.sign_in(SignedIn::user(user));
            }
            next.call(request)
        });
    let service = test::init_service(service).await;
    for (path, user, accept, status, body) in [
        ("/page", "payer", "*/*", 200, "active"),
        ("/free", "other", "*/*", 200, "none"),
        ("/page", "other", "*/*", 402, "feature_required"),
        ("/page", "other", "text/html", 303, ""),
        ("/page", "", "*/*", 401, "not_signed_in"),
        ("/free", "", "*/*", 401, "not_signed_in"),
        ("/bare", "", "*/*", 401, "not_signed_in"),
        ("/bare", "payer", "*/*", 500, "misconfigured"),
    ] {
        let request = test::TestRequest::get().uri(path).insert_header(("accept", accept));
        let request = match user {
            "" => request,
            user => request.insert_header(("x-user", user)),
        };
        let response = test::call_service(&service, request.to_request()).await;
        assert_eq!(response.status().as_u16(), status, "{path} {user}");
        let shown = test::read_body(response).await;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(shown.contains(body), "{path} {user}: {shown}");
    }
    app.stop().await;
}

/// The extractor of axum answers without a layer as that of actix-web does.
#[cfg(feature = "axum")]
#[tokio::test]
async fn extractor_refuses_without_a_layer() {
    use axum::extract::FromRequestParts as _;

    for (user, status) in [(None, 401), (Some(SignedIn::user("payer")), 500)] {
        let (mut parts, ()) = Request::new(()).into_parts();
        if let Some(user) = user {
            parts.extensions.insert(user);
        }
        let refused = Access::from_request_parts(&mut parts, &()).await.unwrap_err();
        assert_eq!(refused.status(), status);
    }
}

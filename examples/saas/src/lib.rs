//! A SaaS app: a free plan, two plans that are sold, a limit, and an export that needs a plan.

use axum::{
    Json, Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use dodo_axum::{BoxError, SignedIn, Webhooks, mount, webhooks};
use dodo_billing::{Access, AccessChanged, AccessListener, Billing, Plan, Plans};
use dodo_ledger::projection::ProjectionTx;

/// The plans of the app. One product sells one plan.
pub fn plans() -> Result<Plans, dodo_billing::Error> {
    Plans::builder()
        .free_plan(Plan::new("free").limit("projects", 3))
        .plan(Plan::new("pro").product("pdt_pro").feature("export").limit("projects", 100))
        .plan(Plan::new("team").product("pdt_team").includes("pro").seats("seats"))
        .build()
}

/// The routes of the app.
pub fn app(billing: &Billing, hooks: Webhooks) -> Router {
    Router::new()
        .route("/projects", post(create_project).layer(billing.access_layer()))
        .route("/export", get(export).layer(billing.require_feature("export")))
        .nest("/billing", mount(billing.endpoints("/account")))
        .layer(middleware::from_fn(sign_in))
        .route("/webhooks/dodo", webhooks(hooks))
}

/// A real app reads its session here. This one believes a header.
async fn sign_in(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
    if let Some(user) = user.map(str::to_owned) {
        request.extensions_mut().insert(SignedIn::user(user));
    }
    next.run(request).await
}

/// The body is the number of projects that the user has.
async fn create_project(access: Access, Json(have): Json<u64>) -> Result<Json<u64>, StatusCode> {
    if have >= access.limit("projects").unwrap_or(0) {
        return Err(StatusCode::PAYMENT_REQUIRED);
    }
    Ok(Json(have + 1))
}

async fn export(access: Access) -> String {
    format!("{}: {}", access.state(), access.reason())
}

/// Tells who gained or lost something. A real app writes it with `tx`, once for each change.
pub struct Log;

impl AccessListener for Log {
    async fn access_changed(
        &self,
        event: &AccessChanged,
        _tx: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        println!("{}: {}", event.owner.as_str(), event.change.reason);
        Ok(())
    }
}

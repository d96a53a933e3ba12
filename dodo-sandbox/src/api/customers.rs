//! Customers and their portal.

use std::{sync::Arc, time::Duration};

use axum::extract::{Path, State};
use http::Uri;
use serde_json::json;

use super::{Answer, Json, body, list::Query};
use crate::{app::App, id, state::PortalLink};

/// How long a portal link works.
const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// POST /customers/{id}/customer-portal/session
pub(crate) async fn portal(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let query = Query::of(&uri);
    query.parse::<bool>("send_email")?;
    let return_url = body::web_url("return_url", query.get("return_url").map(str::to_owned))?;
    app.change(|world| {
        let customer_id = world.customers.find(&id)?.id.clone();
        let link = PortalLink {
            token: id::new("ses_"),
            customer_id,
            return_url,
            expires_at: world.after(LINK_LIFE),
        };
        let url = world.url(&["portal", &link.token]);
        world.portal_links.insert(link);
        Ok(Json(json!({ "link": url })))
    })
}

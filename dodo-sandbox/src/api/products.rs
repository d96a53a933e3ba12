//! The catalogue.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;

use super::{
    Answer, Json,
    list::{Query, page},
};
use crate::app::App;

/// GET /products
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let recurring: Option<bool> = query.parse("recurring")?;
    app.with(|world| {
        let rows = world.products.iter();
        let rows = rows.filter(|p| recurring.is_none_or(|wanted| wanted == p.recurring.is_some()));
        page(&query, rows, |product| product.list_json(&world.business_id))
    })
}

/// GET /products/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| {
        let product = world.products.find(&id)?;
        Ok(Json(product.json(&world.business_id, &world.brand_id)))
    })
}

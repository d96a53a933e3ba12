//! The dashboard over HTTP: access, headers, pages and files.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use dodo_core::{BoxError, RequestHead, endpoint::Endpoint, webhook::Inbox as _};
use dodo_dashboard::{Dashboard, Denied, Permission, Theme};
use dodo_ledger::Ledger;
use http::{Request, Response, StatusCode, header};

async fn get(dashboard: &Dashboard, query: &str) -> Response<Bytes> {
    let request = Request::get(format!("/admin{query}")).body(Bytes::new()).unwrap();
    dashboard.handle(request).await
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

async fn dashboard(permission: Permission) -> Dashboard {
    let ledger = Ledger::in_memory().await.unwrap();
    let allow = move |_: RequestHead| async move { Ok::<_, BoxError>(permission) };
    Dashboard::builder(&ledger).allow(allow).build().unwrap()
}

#[tokio::test]
async fn empty_ledger_shows_the_checklist() {
    let all = dashboard(Permission::view().with_operations()).await;
    let page = get(&all, "").await;
    println!("{}", text(&page));
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(&page).contains("Deliveries arrive"));
}

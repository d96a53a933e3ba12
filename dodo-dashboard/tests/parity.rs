//! The dashboard answers alike in axum, actix-web and tower, nested or not.

#![expect(clippy::unwrap_used, reason = "tests")]

use actix_web::{App, test, web};
use axum::{Router, body::to_bytes};
use bytes::Bytes;
use dodo_core::{BoxError, RequestHead, endpoint::Endpoint};
use dodo_dashboard::{Dashboard, Permission};
use dodo_ledger::Ledger;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

const LIMIT: usize = 1 << 20;

/// Status, headers that count, and body without the moment of the answer.
type Answer = (u16, Vec<String>, String);

fn answer(status: u16, headers: &HeaderMap, body: &[u8]) -> Answer {
    let shown =
        ["allow", "cache-control", "content-security-policy", "content-type", "etag", "vary"];
    let of = |name: &&str| Some(format!("{name}: {}", headers.get(*name)?.to_str().unwrap()));
    let body = String::from_utf8_lossy(body);
    let body = match body.split_once("As of ") {
        Some((before, after)) => format!("{before}{}", after.split_once("</time>").unwrap().1),
        None => body.into_owned(),
    };
    (status, shown.iter().filter_map(of).collect(), body)
}

async fn axum(dashboard: &Dashboard, path: &str, request: Request<()>) -> Answer {
    let app: Router = match path {
        "" | "/" => Router::new().fallback_service(dashboard.clone().into_service()),
        // `nest` leaves out the path with a slash at its end.
        nested if nested.ends_with('/') => {
            let prefix = nested.trim_end_matches('/');
            Router::new().nest_service(prefix, dodo_axum::mount::<()>(dashboard.clone()))
        }
        nested => {
            Router::new().nest(nested.trim_end_matches('/'), dodo_axum::mount(dashboard.clone()))
        }
    };
    let response = app.oneshot(request.map(|()| axum::body::Body::empty())).await.unwrap();
    let (parts, body) = response.into_parts();
    answer(parts.status.as_u16(), &parts.headers, &to_bytes(body, LIMIT).await.unwrap())
}

async fn tower(dashboard: &Dashboard, request: Request<()>) -> Answer {
    let service = dashboard.clone().into_service();
    let response = service.oneshot(request.map(|()| Full::new(Bytes::new()))).await.unwrap();
    let (parts, body) = response.into_parts();
    answer(parts.status.as_u16(), &parts.headers, &body.collect().await.unwrap().to_bytes())
}

async fn actix(dashboard: &Dashboard, path: &str, request: Request<()>) -> Answer {
    let scope =
        web::scope(path.trim_end_matches('/')).service(dodo_actix::mount(dashboard.clone()));
    let app = test::init_service(App::new().service(scope)).await;
    let method = actix_web::http::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut asked = test::TestRequest::default().method(method).uri(&request.uri().to_string());
    for (name, value) in request.headers() {
        asked = asked.insert_header((name.as_str(), value.to_str().unwrap()));
    }
    let response = test::call_service(&app, asked.to_request()).await;
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers() {
        let name: http::HeaderName = name.as_str().parse().unwrap();
        headers.insert(name, value.to_str().unwrap().parse().unwrap());
    }
    let status = response.status().as_u16();
    answer(status, &headers, &test::read_body(response).await)
}

#[actix_web::test]
async fn frameworks_give_the_same_answers() {
    let ledger = Ledger::in_memory().await.unwrap();
    let dashboard = Dashboard::builder(&ledger)
        .allow(async |head: RequestHead| {
            Ok::<_, BoxError>(match head.header("x-staff") {
                Some(_) => Permission::view().with_operations(),
                None => Permission::denied(),
            })
        })
        .build()
        .unwrap();
    let ask = |method: &Method, uri: String, staff: bool, tag: Option<&str>| {
        let mut request = Request::builder().method(method).uri(uri);
        if staff {
            request = request.header("x-staff", "1");
        }
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        request.body(()).unwrap()
    };
    let first = tower(&dashboard, ask(&Method::GET, "/".into(), true, None)).await;
    let tag = first.1.iter().find_map(|header| header.strip_prefix("etag: ")).unwrap();
    for (method, query, staff, tag, status) in [
        (Method::GET, "", true, None, 200),
        (Method::GET, "?page=settings", true, None, 200),
        (Method::GET, "?format=json", true, None, 200),
        (Method::GET, "?page=deliveries&format=csv&table=sinks", true, None, 200),
        (Method::GET, "", true, Some(tag), 304),
        (Method::GET, "", false, Some(tag), 403),
        (Method::GET, "?format=json", false, None, 403),
        (Method::POST, "", true, None, 405),
        (Method::HEAD, "", true, None, 200),
    ] {
        let own = tower(&dashboard, ask(&method, format!("/{query}"), staff, tag)).await;
        assert_eq!(own.0, status, "{method} {query}");
        for path in ["/admin/revenue", "/admin/revenue/"] {
            let uri = format!("{path}{query}");
            let name = format!("{method} {uri}");
            let mut nested = axum(&dashboard, path, ask(&method, uri.clone(), staff, tag)).await;
            let mut other = actix(&dashboard, path, ask(&method, uri, staff, tag)).await;
            if method == Method::HEAD {
                // Servers leave the body out.
                (nested.2, other.2) = (own.2.clone(), own.2.clone());
            }
            if query == "?format=json" && status == 200 {
                // It holds the moment of the answer.
                (nested.2, other.2) = (own.2.clone(), own.2.clone());
            }
            assert_eq!(nested, own, "axum: {name}");
            assert_eq!(other, own, "actix: {name}");
        }
        let root = axum(&dashboard, "/", ask(&method, format!("/{query}"), staff, tag)).await;
        assert_eq!((root.0, &root.1), (own.0, &own.1), "axum at the root: {method} {query}");
    }
    let below = ask(&Method::GET, "/admin/revenue/other".into(), true, None);
    assert_eq!(axum(&dashboard, "/admin/revenue", below).await.0, 404);
    let below = ask(&Method::GET, "/admin/revenue/other".into(), true, None);
    assert_eq!(actix(&dashboard, "/admin/revenue", below).await.0, 404);
}

//! A part of an application with the capture in front of it, and a middleware behind that refuses.

use std::net::TcpListener;

use dodo_core::capture::{CampaignCookie, Preset, VisitorCapture};
use dodo_tests::{case::Case, client::send, subject::without_time};

fn capture() -> VisitorCapture {
    VisitorCapture::visitors_now().preset(Preset::Utm).campaign_cookie(CampaignCookie::last_touch())
}

fn on_axum(listener: TcpListener) {
    use axum::{
        Router,
        extract::Request,
        http::StatusCode,
        middleware::{Next, from_fn},
        response::Response,
        routing::get,
    };
    use dodo_axum::VisitorLayer;

    let closed = from_fn(async |_: Request, _: Next| {
        Err::<Response, _>((StatusCode::FORBIDDEN, "members only"))
    });
    let shop = Router::new()
        .route("/members", get(async || "members").layer(closed))
        .route("/pricing", get(async || "prices"))
        .layer(VisitorLayer::new(capture()));
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let server = axum::serve(listener, Router::new().nest("/shop", shop));
    tokio::spawn(async move { server.await });
}

fn on_actix(listener: TcpListener) {
    use std::future::ready;

    use actix_web::{App, HttpServer, dev::ServiceResponse, error::ErrorForbidden, web};
    use dodo_actix::VisitorMiddleware;

    let server = HttpServer::new(|| {
        let shop =
            web::scope("/shop")
                .route("/pricing", web::get().to(async || "prices"))
                .service(web::resource("/members").wrap_fn(|_, _| {
                    ready(Err::<ServiceResponse, _>(ErrorForbidden("members only")))
                }))
                .wrap(VisitorMiddleware::new(capture()));
        App::new().service(shop)
    });
    tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
}

#[tokio::test]
async fn visit_is_kept_inside_scope_and_after_refusal() {
    type Serve = fn(TcpListener);
    for (framework, serve) in [("axum", on_axum as Serve), ("actix", on_actix)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener);
        for (path, status, body) in
            [("/shop/pricing", 200, "prices"), ("/shop/members", 403, "members only")]
        {
            let case = Case::get(path, &format!("{path}?utm_source=news"));
            let page = send(address, &case.header("accept", "text/html")).await.unwrap();
            assert_eq!((page.status.as_u16(), &page.body[..]), (status, body.as_bytes()));
            let cookies: Vec<_> = page.headers.get_all("set-cookie").iter().collect();
            let [cookie] = cookies[..] else { panic!("{framework}{path}: {cookies:?}") };
            let cookie = without_time(cookie.to_str().unwrap());
            for kept in [&format!("\"{path}\""), "\"utm_source\":\"news\""] {
                assert!(cookie.contains(kept), "{framework}{path}: {kept} is not in {cookie}");
            }
        }
    }
}

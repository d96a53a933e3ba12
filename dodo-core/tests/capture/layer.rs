//! The layer in front of pages.

use std::convert::Infallible;

use dodo_core::capture::{CampaignCookie, Captured, Preset, VisitorCapture, VisitorLayer};
use http::{Request, Response, header};
use tower::{ServiceBuilder, ServiceExt, service_fn};

async fn answer(
    capture: VisitorCapture,
    request: Request<&'static str>,
) -> Response<(Option<String>, &'static str)> {
    let page = service_fn(async |request: Request<&'static str>| {
        let captured = request.extensions().get::<Captured>().unwrap();
        let visitor = captured.visitor().map(|visitor| visitor.as_str().to_owned());
        let response = Response::builder().header(header::SET_COOKIE, "own=1");
        Ok::<_, Infallible>(response.body((visitor, request.into_body())).unwrap())
    });
    let service = ServiceBuilder::new().layer(VisitorLayer::new(capture)).service(page);
    service.oneshot(request).await.unwrap()
}

fn page(uri: &str) -> http::request::Builder {
    Request::get(uri).header("host", "shop.example").header("accept", "text/html")
}

#[tokio::test]
async fn page_gets_visitor_and_unchanged_request() {
    let request = page("/").header("cookie", "visitor=v1").body("body").unwrap();
    let response = answer(VisitorCapture::visitors_now(), request).await;
    assert_eq!(*response.body(), (Some("v1".to_owned()), "body"));
    let cookies: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["own=1"], "no cookie of ours unless the app turns it on");
}

#[tokio::test]
async fn our_cookie_goes_beside_the_pages_own() {
    let capture =
        VisitorCapture::new().preset(Preset::Utm).campaign_cookie(CampaignCookie::last_touch());
    let response = answer(capture, page("/?utm_source=s").body("").unwrap()).await;
    let cookies: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies.len(), 2);
    assert_eq!(cookies[0], "own=1");
    assert!(cookies[1].to_str().unwrap().starts_with("dodo_campaign="));
}

#[test]
fn what_frameworks_share_between_threads_can_be_shared() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<VisitorCapture>();
    shared::<VisitorLayer>();
    shared::<Captured>();
}

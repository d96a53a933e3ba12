//! The typed calls of the client, against the sandbox.

use dodo_core::{
    Client, CustomerId, Environment, ErrorKind, ProductId,
    checkout::request::{CheckoutCustomer, CheckoutItem, SessionRequest},
    client::{
        Cancellation, ChangeTime, NewCustomer, PaymentId, PlanChange, Proration, SessionId,
        SubscriptionId,
    },
    event::SubscriptionStatus,
};
use dodo_sandbox::cards;

use crate::app::App;

pub(crate) fn client(app: &App) -> Client {
    let client = Client::builder(app.sandbox.api_key(), Environment::Test);
    client.base_url(app.sandbox.url()).checkout_url(app.sandbox.url()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_calls_read_and_change_what_they_name() {
    let app = App::start().await;
    let client = client(&app);
    let new = NewCustomer::new("grace@example.com", "Grace").metadata("team", "7");
    let customer = client.create_customer(&new).await.unwrap();
    let read = client.customer(&customer).await.unwrap();
    assert_eq!(
        (read.email.as_deref(), read.metadata.get("team").and_then(|v| v.to_text())),
        (Some("grace@example.com"), Some("7".into()))
    );
    let link = client.portal_link(&customer, None).await.unwrap();
    assert!(link.starts_with(app.sandbox.url()), "{link}");

    let item = CheckoutItem::new(ProductId::new("pdt_pro").unwrap(), 1);
    let request =
        SessionRequest::new().product_cart([item]).customer(CheckoutCustomer::existing(&customer));
    let session = client.create_session(request).await.unwrap();
    let session_id = SessionId::new(session.session_id()).unwrap();
    assert_eq!(client.checkout_session(&session_id).await.unwrap().payment_id, None);
    app.sandbox.pay_session(session.session_id(), cards::OK).unwrap();
    let paid = client.checkout_session(&session_id).await.unwrap().payment_id.unwrap();
    let payment = PaymentId::new(&paid).unwrap();
    let subscription = client.payment(&payment).await.unwrap().subscription_id.unwrap();
    assert!(client.invoice(&payment).await.unwrap().starts_with(b"%PDF-"));

    let id = SubscriptionId::new(&subscription).unwrap();
    assert_eq!(client.subscription(&id).await.unwrap().status, Some(SubscriptionStatus::Active));
    let flag =
        |subscription: dodo_core::event::Subscription| subscription.cancel_at_next_billing_date;
    assert!(flag(client.cancel_subscription(&id, &Cancellation::at_period_end()).await.unwrap()));
    assert!(!flag(client.uncancel_subscription(&id).await.unwrap()));
    let team = ProductId::new("pdt_team").unwrap();
    let change = PlanChange::new(&team, 2, Proration::ProratedImmediately);
    let price = client.preview_plan_change(&id, &change).await.unwrap();
    assert!(price.due_now.unwrap() > 0 && !price.lines.is_empty(), "{price:?}");
    client.change_plan(&id, &change).await.unwrap();
    assert_eq!(client.subscription(&id).await.unwrap().quantity, Some(2));
    let pro = ProductId::new("pdt_pro").unwrap();
    let later =
        PlanChange::new(&pro, 1, Proration::ProratedImmediately).at(ChangeTime::NextBillingDate);
    client.change_plan(&id, &later).await.unwrap();
    assert!(client.subscription(&id).await.unwrap().scheduled_change.is_some());
    client.drop_scheduled_change(&id).await.unwrap();
    let link = client.payment_method_link(&id, None).await.unwrap();
    assert!(link.payment_link.unwrap().starts_with(app.sandbox.url()));
    assert_eq!(
        client.pause_subscription(&id).await.unwrap().status,
        Some(SubscriptionStatus::Paused)
    );
    assert_eq!(
        client.unpause_subscription(&id).await.unwrap().status,
        Some(SubscriptionStatus::Active)
    );
    let ended = client.cancel_subscription(&id, &Cancellation::now()).await.unwrap();
    assert_eq!(ended.status, Some(SubscriptionStatus::Cancelled));

    // Objects that do not exist have their own codes.
    let unknown = [
        client.customer(&CustomerId::new("cus_none").unwrap()).await.unwrap_err(),
        client.subscription(&SubscriptionId::new("sub_none").unwrap()).await.unwrap_err(),
        client.payment(&PaymentId::new("pay_none").unwrap()).await.unwrap_err(),
        client.checkout_session(&SessionId::new("cks_none").unwrap()).await.unwrap_err(),
        client.license_key("lic_none").await.unwrap_err(),
    ];
    let codes = unknown.each_ref().map(|error| (error.kind(), error.code()));
    let missing = |code| (ErrorKind::NotFound, code);
    assert_eq!(
        codes,
        [
            "customer_not_found",
            "subscription_not_found",
            "payment_not_found",
            "session_not_found",
            "license_not_found"
        ]
        .map(missing)
    );
    assert!(!client.validate_license("none", None).await.unwrap());
    app.stop().await;
}

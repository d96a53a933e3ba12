//! A checkout session.

use serde_json::{Map, Value};

use super::builder::builder;
use crate::capture::{Captured, ClientMetadata};

builder! {
    /// A checkout session, `POST /checkouts`, built in code.
    ///
    /// Pass it to [`Client::create_session`](crate::Client::create_session), or to `server_fields` of
    /// a checkout:
    ///
    /// ```
    /// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{
    ///     ProductId,
    ///     checkout::{
    ///         SessionCheckout,
    ///         request::{CheckoutItem, SessionRequest, SubscriptionData},
    ///     },
    /// };
    /// let pro = SessionRequest::new()
    ///     .product_cart([CheckoutItem::new(ProductId::new("pdt_pro")?, 1)])
    ///     .discount_codes(["LAUNCH"])
    ///     .subscription_data(SubscriptionData::new().trial_period_days(14))
    ///     .metadata("plan", "pro");
    /// let endpoint = SessionCheckout::builder(client).server_fields(pro).build()?;
    /// # Ok(())
    /// # }
    /// ```
    SessionRequest() {
        /// The items: 1 to 20, or none with a product collection.
        product_cart: cart,
        /// The customer.
        customer: customer,
        /// The billing address of the customer. The country is required.
        billing_address: address,
        /// ISO 4217. Ignored by Dodo unless adaptive pricing is on.
        billing_currency: text,
        /// Adds a pair of metadata, which Dodo Payments copies to the payment and the subscription.
        metadata: metadata,
        /// The page to which the customer returns, after success and after failure.
        return_url: text,
        /// The page of the back button.
        cancel_url: text,
        /// At most 20 codes.
        discount_codes: texts,
        /// The older form of `discount_codes`.
        discount_code: text,
        /// The offered payment methods. Dodo Payments recommends to include `credit` and `debit`.
        allowed_payment_method_types: texts,
        /// A saved payment method; needs `confirm` and an existing customer.
        payment_method_id: text,
        /// Charges at once. The session is then valid for 15 minutes instead of 24 hours.
        confirm: flag,
        /// Asks only for the parts of the address that tax needs.
        minimal_address: flag,
        /// Offers the customer's saved payment methods.
        show_saved_payment_methods: flag,
        /// Makes the link short.
        short_link: flag,
        /// Requires 3-D Secure.
        force_3ds: flag,
        /// The buyer's tax id; needs the country.
        tax_id: text,
        /// The buyer's company.
        customer_business_name: text,
        /// The smallest charge that an Indian mandate allows, in paise.
        mandate_min_amount_inr_paise: amount,
        /// A collection whose products are offered.
        product_collection_id: text,
        /// At most five questions of your own.
        custom_fields: questions,
        /// Trial and on-demand terms.
        subscription_data: subscription,
        /// The appearance of the page.
        customization: look,
        /// The questions and the permissions of the page.
        feature_flags: flags,
    }
}

impl SessionRequest {
    /// Adds the captured values of the visitor to the metadata, for sessions that handlers of the
    /// app create. Existing values stay. Call it last, once per checkout.
    ///
    /// ```
    /// # use dodo_core::{
    /// #     Client, Error,
    /// #     capture::Captured,
    /// #     checkout::{CreatedSession, request::{CheckoutItem, SessionRequest}},
    /// # };
    /// # async fn f(client: Client, request: http::Request<()>, book: CheckoutItem) -> Result<(), Error> {
    /// // `VisitorLayer` is in front of this handler.
    /// let mut session = SessionRequest::new().product_cart([book]).metadata("order", "o_1");
    /// if let Some(captured) = request.extensions().get::<Captured>() {
    ///     session = session.captured(captured);
    /// }
    /// let session: CreatedSession = client.create_session(session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn captured(self, captured: &Captured) -> Self {
        let own = match self.fields.get("metadata") {
            Some(Value::Object(pairs)) => pairs.clone(),
            _ => Map::new(),
        };
        let pairs = captured.inject(&own, Map::new(), ClientMetadata::Strict);
        if pairs.is_empty() { self } else { self.set_raw("metadata", pairs) }
    }
}

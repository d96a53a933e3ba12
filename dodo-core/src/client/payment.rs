use std::fmt;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::Client;
use crate::{
    Error, ErrorKind, PaymentId, SessionId,
    event::{Payment, PaymentStatus, fields},
};

/// The largest accepted invoice, in bytes.
const MAX_INVOICE: usize = 10 << 20;

/// The state of a checkout session.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct CheckoutStatus {
    /// `cks_...`.
    #[serde(deserialize_with = "fields::id")]
    pub id: String,
    /// The payment, if the customer tried to pay.
    pub payment_id: Option<String>,
    /// The status of the payment. `None`: the customer did not try to pay.
    pub payment_status: Option<PaymentStatus>,
}

impl fmt::Debug for CheckoutStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutStatus")
            .field("id", &self.id)
            .field("payment_id", &self.payment_id)
            .field("payment_status", &self.payment_status)
            .finish()
    }
}

impl Client {
    /// Returns the state of a checkout session.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `session_not_found`, else as [`call`](Self::call).
    pub async fn checkout_session(&self, id: &SessionId) -> Result<CheckoutStatus, Error> {
        self.call(Method::GET, &format!("/checkouts/{id}"), &[], None)
            .missing("session_not_found", "there is no such checkout session")
            .object()
            .await
    }

    /// Returns a payment.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `payment_not_found`, else as [`call`](Self::call).
    pub async fn payment(&self, id: &PaymentId) -> Result<Payment, Error> {
        self.call(Method::GET, &format!("/payments/{id}"), &[], None)
            .missing("payment_not_found", "there is no such payment")
            .object()
            .await
    }

    /// Returns the invoice of a payment, as a PDF of at most 10 MB.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `payment_not_found`; [`UpstreamFailed`](ErrorKind::UpstreamFailed)
    /// for an answer that is not a PDF, or is too large; else as [`call`](Self::call).
    pub async fn invoice(&self, id: &PaymentId) -> Result<Bytes, Error> {
        let pdf = self
            .call(Method::GET, &format!("/invoices/payments/{id}"), &[], None)
            .missing("payment_not_found", "there is no such payment")
            .bytes()
            .await?;
        if pdf.starts_with(b"%PDF-") && pdf.len() <= MAX_INVOICE {
            return Ok(pdf);
        }
        Err(Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable invoice"))
    }
}

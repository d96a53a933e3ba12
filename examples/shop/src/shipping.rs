//! The callback for one-time payments, which ships the goods.
//!
//! The callback writes through the event's own transaction ([`Database::join`](crate::database::Database)),
//! which commits with the "done" mark of the event. So each payment has one shipment, in any number of
//! deliveries. Access to a subscription needs no callback: billing answers from the same events.

use dodo_core::{BoxError, Event, event::Payment};
use dodo_ledger::sqlx;
use jiff::Timestamp;

use crate::{
    Shop,
    database::{Connection, Database, execute, fetch},
};

/// Ships the goods of a payment. A charge of a subscription has none.
pub(crate) async fn paid(event: Event<Payment, Shop>) -> Result<(), BoxError> {
    let (shop, payment) = (&event.state, &event.data);
    if payment.subscription_id.is_some() || !payment.subscription_ids.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> =
        payment.product_cart.iter().map(|item| shop.catalog().name(&item.product_id)).collect();
    let goods = if names.is_empty() { "Order".to_owned() } else { names.join(", ") };
    let mut tx = shop.database().join(&event).await?;
    ship(tx.connection(), &payment.payment_id, &goods, event.timestamp).await?;
    Ok(())
}

pub(crate) async fn ship(
    at: Connection<'_>,
    payment_id: &str,
    goods: &str,
    shipped_at: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        at,
        "INSERT INTO shop_shipments (payment_id, goods, at) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        payment_id,
        goods,
        shipped_at.as_microsecond(),
    )
}

impl Database {
    /// The goods that a payment shipped.
    pub(crate) async fn goods_of(&self, payment_id: &str) -> Result<Option<String>, sqlx::Error> {
        let mut lease = self.lease().await?;
        let select = "SELECT goods FROM shop_shipments WHERE payment_id = $1";
        let rows: Vec<(String,)> = fetch!(lease.connection(), select, payment_id)?;
        Ok(rows.into_iter().next().map(|(goods,)| goods))
    }
}

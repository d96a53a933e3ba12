//! The effects of the typed callbacks: orders are fulfilled, access is granted and revoked.
//!
//! Events arrive in any order. So every change is one statement with the id of its object, and a
//! subscription moves only forward in time.

use dodo_core::{CustomerId, money::Currency};
use dodo_ledger::sqlx;
use jiff::{SignedDuration, Timestamp};

use crate::database::{Connection, Database, execute, fetch};

/// The most rows of one kind that the account page shows.
const ROWS: i64 = 100;
/// How long access stays open after the due date of an active subscription.
const RENEWAL_TIME: SignedDuration = SignedDuration::from_hours(24);

/// Whom a payment or subscription belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The account that opened the checkout, from the metadata that the server set there.
    pub(crate) account: Option<String>,
    /// The customer at Dodo.
    pub(crate) customer: Option<CustomerId>,
}

/// An order for something that is paid once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The payment at Dodo.
    pub(crate) payment_id: String,
    /// The name of the product.
    pub(crate) product: String,
    /// The amount paid in minor units, tax included.
    pub(crate) paid: i64,
    /// The refunded amount in minor units.
    pub(crate) refunded: i64,
    /// The currency of both.
    pub(crate) currency: Currency,
    /// How many decimals it has.
    pub(crate) exponent: u8,
    /// When it was paid.
    pub(crate) at: Timestamp,
}

/// The state of a subscription. Of two events at the same time, the later one in this list counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It renews itself.
    Active,
    /// It ends with the paid period.
    Ending,
    /// A charge failed.
    OnHold,
    /// The customer paused it.
    Paused,
    /// Canceled.
    Canceled,
    /// It ran out, or never began.
    Over,
}

impl State {
    const ALL: [Self; 6] =
        [Self::Active, Self::Ending, Self::OnHold, Self::Paused, Self::Canceled, Self::Over];

    fn read(number: i64) -> Self {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n)).copied().unwrap_or(Self::Over)
    }
}

/// A subscription and the access that comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The subscription at Dodo.
    pub(crate) subscription_id: String,
    /// The name of the product.
    pub(crate) product: String,
    /// The state at Dodo.
    pub(crate) state: State,
    /// The beginning of this state.
    pub(crate) since: Timestamp,
    /// The end of the paid period.
    pub(crate) paid_until: Option<Timestamp>,
}

impl Access {
    /// Whether the customer may use the product now.
    ///
    /// The paid-through date decides, and not the state: a canceled subscription is paid until the end
    /// of its period, and so is one whose next charge failed too early. A pause returns the rest later.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        let is_paid = self.paid_until.is_some_and(|end| now < end);
        match self.state {
            // A renewal arrives some time after its due date.
            State::Active => self
                .paid_until
                .is_none_or(|end| now < end.saturating_add(RENEWAL_TIME).unwrap_or(end)),
            State::Ending | State::OnHold | State::Canceled => is_paid,
            State::Paused | State::Over => false,
        }
    }
}

/// What one account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Belongings {
    /// Newest first.
    pub(crate) orders: Vec<Order>,
    /// Newest change first.
    pub(crate) subscriptions: Vec<Access>,
}

/// A payment for something that is paid once arrived: fulfill the order.
pub(crate) async fn fulfill(
    at: Connection<'_>,
    owner: &Owner,
    order: &Order,
) -> Result<(), sqlx::Error> {
    execute!(
        at,
        "INSERT INTO shop_orders (payment_id, account, customer, product, paid, currency, exponent, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        &order.payment_id,
        &owner.account,
        owner.customer.as_ref().map(CustomerId::as_str),
        &order.product,
        order.paid,
        order.currency.as_str(),
        i64::from(order.exponent),
        order.at.as_microsecond(),
    )
}

/// Money was given back: `amount`, or all that is left of the payment if Dodo does not say.
pub(crate) async fn refund(
    at: Connection<'_>,
    refund_id: &str,
    payment_id: &str,
    amount: Option<i64>,
) -> Result<(), sqlx::Error> {
    execute!(
        at,
        "INSERT INTO shop_refunds (refund_id, payment_id, amount) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        refund_id,
        payment_id,
        amount,
    )
}

/// Stores a change of a subscription. An older event changes nothing.
pub(crate) async fn subscription(
    at: Connection<'_>,
    owner: &Owner,
    access: &Access,
) -> Result<(), sqlx::Error> {
    execute!(
        at,
        "INSERT INTO shop_access AS known
             (id, account, customer, product, state, since, changed, paid_until)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             account = COALESCE(excluded.account, known.account),
             customer = COALESCE(excluded.customer, known.customer),
             product = excluded.product,
             since = CASE WHEN excluded.state = known.state
                          THEN known.since ELSE excluded.since END,
             state = excluded.state,
             changed = excluded.changed,
             paid_until = excluded.paid_until
         WHERE excluded.changed > known.changed
            OR (excluded.changed = known.changed AND excluded.state >= known.state)",
        &access.subscription_id,
        &owner.account,
        owner.customer.as_ref().map(CustomerId::as_str),
        &access.product,
        access.state as i64,
        access.since.as_microsecond(),
        access.paid_until.map(Timestamp::as_microsecond),
    )
}

/// The server opened a checkout session for this account.
pub(crate) async fn opened(
    at: Connection<'_>,
    session_id: &str,
    account: &str,
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO shop_sessions (id, account) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    execute!(at, insert, session_id, account)
}

/// A payment of a session arrived: its customer belongs to the account that opened the session.
///
/// Metadata is not enough: a buyer can edit a payment link, and so link the customer of another
/// account to their own. The first account keeps the customer.
pub(crate) async fn paid_session(
    at: Connection<'_>,
    session_id: &str,
    customer: &CustomerId,
) -> Result<(), sqlx::Error> {
    execute!(
        at,
        "INSERT INTO shop_customers (id, account)
         SELECT $1, account FROM shop_sessions WHERE id = $2
         ON CONFLICT DO NOTHING",
        customer.as_str(),
        session_id,
    )
}

/// Deletes the links between accounts and customers: a new sandbox has no customers of the previous
/// one.
pub(crate) async fn delete_customer_links(at: Connection<'_>) -> Result<(), sqlx::Error> {
    execute!(at, "DELETE FROM shop_customers")
}

type OrderRow = (String, String, i64, String, i64, i64, i64, i64);
type AccessRow = (String, String, i64, i64, Option<i64>);

impl Database {
    /// What an account has: by the metadata of its checkouts, or by its customer where an event lacks
    /// them.
    pub(crate) async fn belongings(&self, account: &str) -> Result<Belongings, sqlx::Error> {
        let mut lease = self.lease().await?;
        let orders: Vec<OrderRow> = fetch!(
            lease.connection(),
            "SELECT payment_id, product, paid, currency, exponent, at,
                    (SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM shop_refunds r
                     WHERE r.payment_id = o.payment_id),
                    (SELECT COUNT(*) FROM shop_refunds r
                     WHERE r.payment_id = o.payment_id AND r.amount IS NULL)
             FROM shop_orders o
             WHERE account = $1 OR (account IS NULL AND customer IN
                   (SELECT id FROM shop_customers WHERE shop_customers.account = $1))
             ORDER BY at DESC, payment_id LIMIT $2",
            account,
            ROWS,
        )?;
        let subscriptions: Vec<AccessRow> = fetch!(
            lease.connection(),
            "SELECT id, product, state, since, paid_until FROM shop_access
             WHERE account = $1 OR (account IS NULL AND customer IN
                   (SELECT id FROM shop_customers WHERE shop_customers.account = $1))
             ORDER BY changed DESC, id LIMIT $2",
            account,
            ROWS,
        )?;
        Ok(Belongings {
            orders: orders.into_iter().map(order).collect(),
            subscriptions: subscriptions.into_iter().map(access).collect(),
        })
    }

    /// The customer at Dodo that an account is, once it has paid.
    pub(crate) async fn customer_of(
        &self,
        account: &str,
    ) -> Result<Option<CustomerId>, sqlx::Error> {
        let mut lease = self.lease().await?;
        let select = "SELECT id FROM shop_customers WHERE account = $1 ORDER BY id LIMIT 1";
        let rows: Vec<(String,)> = fetch!(lease.connection(), select, account)?;
        Ok(rows.first().and_then(|(id,)| CustomerId::new(id).ok()))
    }
}

fn order(row: OrderRow) -> Order {
    let (payment_id, product, paid, currency, exponent, at, refunded, unknown) = row;
    Order {
        payment_id,
        product,
        paid,
        refunded: if unknown > 0 { paid } else { refunded },
        currency: currency.parse().unwrap_or_default(),
        exponent: u8::try_from(exponent).unwrap_or(2),
        at: moment(at),
    }
}

fn access(row: AccessRow) -> Access {
    let (subscription_id, product, state, since, paid_until) = row;
    Access {
        subscription_id,
        product,
        state: State::read(state),
        since: moment(since),
        paid_until: paid_until.map(moment),
    }
}

fn moment(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;

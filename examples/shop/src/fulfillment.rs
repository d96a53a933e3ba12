//! The typed callbacks: what the shop does when Dodo Payments says that something happened.
//!
//! They write through the event's own transaction ([`Database::join`](crate::database::Database)),
//! which commits with the "done" mark of the event, so their writes happen exactly once. Events
//! arrive in any order; see [`orders`](crate::orders).

use dodo_core::{
    BoxError, CustomerId, Event,
    event::{Customer, Metadata, Payment, Refund, Subscription, SubscriptionStatus},
};

use crate::{
    Shop, orders,
    orders::{Access, Order, Owner, State},
};

/// The metadata key under which the server puts the account that opened a checkout.
pub(crate) const ACCOUNT_KEY: &str = "shop_account";

type Done = Result<(), BoxError>;

/// Fulfills an order. A charge of a subscription is not one: the subscription's own events grant
/// access.
pub(crate) async fn paid(event: Event<Payment, Shop>) -> Done {
    let (shop, payment) = (&event.state, &event.data);
    let owner = owner(&payment.metadata, &payment.customer);
    let mut tx = shop.database().join(&event).await?;
    if let (Some(session), Some(customer)) = (&payment.checkout_session_id, &owner.customer) {
        orders::paid_session(tx.connection(), session, customer).await?;
    }
    if payment.subscription_id.is_some() || !payment.subscription_ids.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> =
        payment.product_cart.iter().map(|item| shop.catalog().name(&item.product_id)).collect();
    let order = Order {
        payment_id: payment.payment_id.clone(),
        product: if names.is_empty() { "Order".into() } else { names.join(", ") },
        paid: payment.total_amount,
        refunded: 0,
        currency: payment.currency,
        exponent: payment.currency.exponent(),
        at: event.timestamp,
    };
    orders::fulfill(tx.connection(), &owner, &order).await?;
    Ok(())
}

/// Marks an order as refunded.
pub(crate) async fn refunded(event: Event<Refund, Shop>) -> Done {
    let refund = &event.data;
    let Some(payment_id) = &refund.payment_id else { return Ok(()) };
    let mut tx = event.state.database().join(&event).await?;
    orders::refund(tx.connection(), &refund.refund_id, payment_id, refund.amount).await?;
    Ok(())
}

/// Grants access, or keeps it.
pub(crate) async fn granted(event: Event<Subscription, Shop>) -> Done {
    let ending = event.data.cancel_at_next_billing_date;
    save(&event, if ending { State::Ending } else { State::Active }).await
}

/// A charge failed. Access ends with the paid period.
pub(crate) async fn on_hold(event: Event<Subscription, Shop>) -> Done {
    save(&event, State::OnHold).await
}

/// Suspends access until the subscription is active again.
pub(crate) async fn paused(event: Event<Subscription, Shop>) -> Done {
    save(&event, State::Paused).await
}

/// Access ends with the paid period.
pub(crate) async fn canceled(event: Event<Subscription, Shop>) -> Done {
    save(&event, State::Canceled).await
}

/// Revokes access.
pub(crate) async fn over(event: Event<Subscription, Shop>) -> Done {
    save(&event, State::Over).await
}

/// Some field changed. The kind of this event is not a state, so here the status decides.
pub(crate) async fn updated(event: Event<Subscription, Shop>) -> Done {
    use SubscriptionStatus::{Active, Cancelled, Expired, Failed, OnHold, Paused};
    match event.data.status {
        Some(Active) => granted(event).await,
        Some(OnHold) => on_hold(event).await,
        Some(Paused) => paused(event).await,
        Some(Cancelled) => canceled(event).await,
        Some(Expired | Failed) => over(event).await,
        _ => Ok(()),
    }
}

async fn save(event: &Event<Subscription, Shop>, state: State) -> Done {
    let (shop, subscription) = (&event.state, &event.data);
    let product = subscription.product_id.as_deref().unwrap_or("Subscription");
    let access = Access {
        subscription_id: subscription.subscription_id.clone(),
        product: shop.catalog().name(product).to_owned(),
        state,
        since: event.timestamp,
        paid_until: subscription.next_billing_date.as_ref().and_then(|date| date.timestamp()),
    };
    let owner = owner(&subscription.metadata, &subscription.customer);
    let mut tx = shop.database().join(event).await?;
    orders::subscription(tx.connection(), &owner, &access).await?;
    Ok(())
}

fn owner(metadata: &Metadata, customer: &Customer) -> Owner {
    Owner {
        account: metadata.get(ACCOUNT_KEY).and_then(|value| value.to_text()),
        customer: customer.customer_id.as_deref().and_then(|id| CustomerId::new(id).ok()),
    }
}

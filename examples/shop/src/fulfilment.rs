//! The typed callbacks: what the shop does when Dodo Payments says that something happened.
//!
//! Each one may run more than once for the same event, and events come in any order: see
//! [`Orders`](crate::orders::Orders).

use std::convert::Infallible;

use dodo_core::{
    Customer, CustomerId, Event, Metadata, Payment, Refund, Subscription, SubscriptionStatus,
};

use crate::{
    Shop,
    orders::{Access, Cause, Order, Owner, Standing},
};

/// The metadata key under which the server puts the account that opened a checkout.
pub(crate) const ACCOUNT_KEY: &str = "shop_account";

type Done = Result<(), Infallible>;

/// Fulfils an order. A charge of a subscription is not one: the subscription's own
/// events grant access.
pub(crate) async fn paid(event: Event<Payment, Shop>) -> Done {
    let (cause, shop, payment) = (cause(&event), &event.state, &event.data);
    let owner = owner(&payment.metadata, &payment.customer);
    if let Some(session) = &payment.checkout_session_id {
        shop.orders().paid_session(session, owner.customer.as_ref());
    }
    let recurring = payment.subscription_id.is_some() || !payment.subscription_ids.is_empty();
    if recurring {
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
    shop.orders().fulfil(&cause, owner, order);
    Ok(())
}

/// Marks an order as refunded.
pub(crate) async fn refunded(event: Event<Refund, Shop>) -> Done {
    if let Some(payment) = &event.data.payment_id {
        event.state.orders().refund(&cause(&event), payment, event.data.amount);
    }
    Ok(())
}

/// Grants access, or keeps it.
pub(crate) async fn granted(event: Event<Subscription, Shop>) -> Done {
    let ending = event.data.cancel_at_next_billing_date;
    stands(&event, if ending { Standing::Ending } else { Standing::Granted });
    Ok(())
}

/// Takes access away until the subscription is active again.
pub(crate) async fn held(event: Event<Subscription, Shop>) -> Done {
    stands(&event, Standing::Held);
    Ok(())
}

/// Takes access away.
pub(crate) async fn revoked(event: Event<Subscription, Shop>) -> Done {
    stands(&event, Standing::Revoked);
    Ok(())
}

/// Some field changed. This type says nothing about the state, so here the status decides.
pub(crate) async fn updated(event: Event<Subscription, Shop>) -> Done {
    match event.data.status {
        Some(SubscriptionStatus::Active) => granted(event).await,
        Some(SubscriptionStatus::OnHold | SubscriptionStatus::Paused) => held(event).await,
        Some(
            SubscriptionStatus::Cancelled
            | SubscriptionStatus::Expired
            | SubscriptionStatus::Failed,
        ) => revoked(event).await,
        _ => Ok(()),
    }
}

fn stands(event: &Event<Subscription, Shop>, standing: Standing) {
    let subscription = &event.data;
    let product = subscription.product_id.as_deref().unwrap_or("Subscription");
    let access = Access {
        subscription_id: subscription.subscription_id.clone(),
        product: event.state.catalog().name(product).to_owned(),
        standing,
        since: event.timestamp,
        changed: event.timestamp,
        paid_until: subscription.next_billing_date.as_ref().and_then(|date| date.timestamp()),
    };
    let owner = owner(&subscription.metadata, &subscription.customer);
    event.state.orders().subscription(&cause(event), owner, access);
}

fn cause<T>(event: &Event<T, Shop>) -> Cause {
    Cause { event_id: event.id.clone(), at: event.timestamp }
}

fn owner(metadata: &Metadata, customer: &Customer) -> Owner {
    Owner {
        account: metadata.get(ACCOUNT_KEY).and_then(|value| value.to_text()),
        customer: customer.customer_id.as_deref().and_then(|id| CustomerId::new(id).ok()),
    }
}

//! A person on a hosted page: pays, is declined, or leaves.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Error,
    api::{customers::CUSTOMERS, payments::PAYMENTS},
    clock,
    flow::{
        complete::{self, ChargeOutcome},
        discount, method,
        quote::{Quote, QuoteLine, Terms, quote},
        redirect,
    },
    id,
    state::{
        SandboxState,
        address::Address,
        card::PaymentMethod,
        object::Object,
        payment::{Line, Payment, ServicePeriod},
        product::{Period, RenewalInterval},
        session::{Buyer, Progress, Session, SessionOrigin},
        subscription::Subscription,
    },
};

/// The input of a person on the page.
#[derive(Clone, Debug, Default)]
pub(crate) struct PayForm {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) card: String,
    /// A method from an earlier payment, instead of a card.
    pub(crate) saved: Option<PaymentMethod>,
    pub(crate) phone: Option<String>,
    /// The name on the card, if it is asked for.
    pub(crate) holder: Option<String>,
    pub(crate) tax_id: Option<String>,
    pub(crate) business_name: Option<String>,
    /// Answers to the merchant's questions, by key.
    pub(crate) answers: Vec<(String, String)>,
}

/// The next page of the person.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) payment_id: String,
    pub(crate) outcome: ChargeOutcome,
    /// The redirect to the merchant's page.
    pub(crate) redirect: Option<String>,
}

/// A session that can still be used.
///
/// # Errors
/// 404 for an unknown one, 409 for one that was used, 410 for one that is too old.
pub(crate) fn open_session<'a>(state: &'a SandboxState, id: &str) -> Result<&'a Session, Error> {
    let session = state.sessions.find(id)?;
    if session.progress != Progress::Open {
        return Err(Error::conflict(
            "CHECKOUT_SESSION_CONSUMED",
            "this checkout session has been used already",
        ));
    }
    if state.now() >= session.expires_at {
        return Err(Error::refused(
            StatusCode::GONE,
            "CHECKOUT_SESSION_EXPIRED",
            "this checkout session has expired",
        ));
    }
    Ok(session)
}

/// Pays a session with a card.
///
/// # Errors
/// As [`open_session`], and 422 when the form is not complete. A declined card is not an error.
pub(crate) fn pay(
    state: &mut SandboxState,
    session_id: &str,
    form: PayForm,
) -> Result<Paid, Error> {
    let session = open_session(state, session_id)?.clone();
    check(&session, &form)?;
    if let SessionOrigin::PaymentMethod { subscription_id } = &session.origin {
        return method::replace(state, &session, subscription_id, &form);
    }
    let terms = Terms { country: &form.address.country, ..session.terms() };
    let quote = quote(state, &session.cart, terms)?;
    let customer_id = customer_of_page(state, &session, &form);
    refuse_blocked(state, &customer_id)?;
    let entered = || {
        let holder = form.holder.clone().or_else(|| non_empty(&form.name));
        PaymentMethod::new(&form.card, holder, &form.address.country)
    };
    let wanted = !form.card.is_empty() || quote.needs_method();
    let method = form.saved.clone().or_else(|| wanted.then(entered));
    let subscription_ids =
        subscriptions(state, &session, &quote, &customer_id, &form, method.as_ref());
    let payment = payment(state, &session, &quote, customer_id, &form, method, subscription_ids);
    let payment_id = payment.id.clone();
    state.payments.insert(payment);
    state.sessions.find_mut(session_id)?.payment_id = Some(payment_id.clone());
    let outcome = complete::charge_first(state, &payment_id)?;
    if outcome != ChargeOutcome::Declined {
        discount::count(state, quote.discounts.as_ref());
    }
    let redirect = finish(state, &session, &payment_id, outcome);
    Ok(Paid { payment_id, outcome, redirect })
}

fn check(session: &Session, form: &PayForm) -> Result<(), Error> {
    let email = form.email.as_bytes();
    if !email.contains(&b'@') || email.len() > 254 {
        return Err(Error::invalid("Enter an e-mail address."));
    }
    if form.name.trim().is_empty() || form.name.len() > 200 {
        return Err(Error::invalid("Enter a name."));
    }
    let country = &form.address.country;
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Error::invalid("Choose a country."));
    }
    for field in &session.custom_fields {
        let answered =
            form.answers.iter().any(|(key, value)| *key == field.key && !value.is_empty());
        if field.required == Some(true) && !answered {
            return Err(Error::invalid(format!("Answer the question: {}", field.label)));
        }
    }
    Ok(())
}

/// A blocked customer cannot pay.
fn refuse_blocked(state: &SandboxState, customer_id: &str) -> Result<(), Error> {
    match state.get(&CUSTOMERS, customer_id).is_some_and(|own| own.get("blocked_at").is_some()) {
        true => Err(Error::refused(
            StatusCode::FORBIDDEN,
            "CUSTOMER_BLOCKED",
            "this customer is blocked",
        )),
        false => Ok(()),
    }
}

/// The customer that fills in the page.
fn customer_of_page(state: &mut SandboxState, session: &Session, form: &PayForm) -> String {
    // A page creates at most one new customer, even after several declined cards.
    let attempted = session.payment_id.as_ref().and_then(|id| state.payments.get(id));
    if let (true, Some(payment)) = (session.buyer.always_new, attempted) {
        return payment.customer_id.clone();
    }
    let buyer = Buyer {
        email: Some(form.email.clone()),
        name: Some(form.name.clone()),
        phone: form.phone.clone().or_else(|| session.buyer.phone.clone()),
        ..session.buyer.clone()
    };
    let id = customer(state, &buyer);
    if let (Some(phone), Ok(customer)) = (&form.phone, state.find_mut(&CUSTOMERS, &id)) {
        customer.set("phone_number", phone.as_str());
    }
    id
}

/// The customer named by the merchant, or the one with this e-mail address, or a new one.
pub(crate) fn customer(state: &mut SandboxState, buyer: &Buyer) -> String {
    let named = buyer.customer_id.clone().filter(|id| state.get(&CUSTOMERS, id).is_some());
    let email = buyer.email.clone().unwrap_or_default();
    let same = |customer: &&Object| customer.str("email").eq_ignore_ascii_case(&email);
    let known = || {
        let found = state.all(&CUSTOMERS).find(same).filter(|_| !buyer.always_new);
        found.map(|customer| customer.id.clone())
    };
    if let Some(id) = named.or_else(known) {
        return id;
    }
    let fields = json!({
        "name": buyer.name.as_ref().unwrap_or(&email),
        "email": email,
        "phone_number": buyer.phone,
        "metadata": {},
    });
    state.add(&CUSTOMERS, fields)
}

/// A pending subscription for each recurring position, or the one that exists already.
fn subscriptions(
    state: &mut SandboxState,
    session: &Session,
    quote: &Quote,
    customer_id: &str,
    form: &PayForm,
    method: Option<&PaymentMethod>,
) -> Vec<String> {
    if let SessionOrigin::Subscription { subscription_id, .. } = &session.origin {
        if let Some(subscription) = state.subscriptions.get_mut(subscription_id) {
            subscription.mandate = mandate(subscription, session, method);
            subscription.method = method.cloned();
            subscription.billing = form.address.clone();
            subscription.business_name =
                form.business_name.clone().or(subscription.business_name.take());
            subscription.tax_id = form.tax_id.clone().or(subscription.tax_id.take());
        }
        return vec![subscription_id.clone()];
    }
    let mut ids = Vec::new();
    for place in 0..quote.lines.len() {
        let Some(mut subscription) = subscription(state.now(), quote, place) else { continue };
        subscription.customer_id = customer_id.to_owned();
        subscription.billing = form.address.clone();
        subscription.method = method.cloned();
        subscription.metadata = session.metadata.clone();
        subscription.on_demand = session.on_demand.is_some();
        subscription.mandate = mandate(&subscription, session, method);
        subscription.business_name =
            form.business_name.clone().or_else(|| session.business_name.clone());
        subscription.tax_id = form.tax_id.clone().or_else(|| session.tax_id.clone());
        subscription.custom_fields = answers(session, form);
        ids.push(subscription.id.clone());
        state.subscriptions.insert(subscription);
    }
    ids
}

/// Without a value from the merchant, an Indian mandate permits charges of 15,000 INR.
const MANDATE: i64 = 1_500_000;

/// The mandate of a subscription that an Indian card pays.
fn mandate(
    subscription: &Subscription,
    session: &Session,
    method: Option<&PaymentMethod>,
) -> Option<i64> {
    let least = session.mandate_min.unwrap_or(MANDATE);
    (method?.country == "IN" && subscription.currency == "INR")
        .then(|| least.max(subscription.recurring_amount))
}

/// The pending subscription of one position of a quote; `None` for one that is paid once.
pub(crate) fn subscription(now: Timestamp, quote: &Quote, place: usize) -> Option<Subscription> {
    let line = quote.lines.get(place)?;
    let recurring = line.recurring()?;
    let trial = Period { count: line.trial_days, interval: RenewalInterval::Day };
    let first = if line.trial_days > 0 { trial } else { recurring.every };
    let next_billing = first.after(now);
    Some(Subscription {
        id: id::new("sub_"),
        status: "pending",
        created_at: now,
        product_id: line.product.id.clone(),
        quantity: line.quantity,
        currency: quote.currency.clone(),
        recurring_amount: line.recurring_amount,
        tax_inclusive: line.product.tax_inclusive,
        every: recurring.every,
        term: recurring.term,
        trial_days: line.trial_days,
        addons: line.addons.iter().map(|addon| addon.item.clone()).collect(),
        trial_amount: recurring.trial_amount.filter(|_| line.trial_days > 0),
        previous_billing: now,
        next_billing,
        // Of the first charge for a whole period.
        billing_day: clock::day(if line.trial_days > 0 { next_billing } else { now }),
        expires_at: recurring.term.after(now),
        // A trial uses no cycle of a discount.
        discounts: match line.trial_days {
            0 => discount::next_cycle(quote.discounts.clone()),
            _ => quote.discounts.clone(),
        },
        ..Subscription::default()
    })
}

fn payment(
    state: &SandboxState,
    session: &Session,
    quote: &Quote,
    customer_id: String,
    form: &PayForm,
    method: Option<PaymentMethod>,
    subscription_ids: Vec<String>,
) -> Payment {
    let now = state.now();
    let given = match &session.origin {
        SessionOrigin::Payment { payment_id } | SessionOrigin::Subscription { payment_id, .. } => {
            Some(payment_id.clone())
        }
        _ => {
            let attempt = session.payment_id.clone().filter(|_| state.settings.retry_keeps_payment);
            let unused = |id: &String| state.payments.get(id).is_none();
            attempt.or_else(|| session.reserved_payment_id.clone().filter(unused))
        }
    };
    let before = given.as_ref().and_then(|id| state.payments.get(id));
    let periods = subscription_ids
        .iter()
        .filter_map(|id| state.subscriptions.get(id))
        .map(|s| ServicePeriod { subscription_id: s.id.clone(), from: now, to: s.next_billing })
        .collect();
    Payment {
        created_at: before.map_or(now, |payment| payment.created_at),
        id: given.unwrap_or_else(|| id::new("pay_")),
        currency: quote.currency.clone(),
        lines: lines(quote),
        total: quote.total,
        tax: quote.tax,
        customer_id,
        billing: form.address.clone(),
        method: method.filter(|_| quote.total > 0),
        session_id: matches!(session.origin, SessionOrigin::Session).then(|| session.id.clone()),
        link: Some(session.url(state)),
        custom_fields: answers(session, form),
        discounts: quote.discounts.clone(),
        metadata: session.metadata.clone(),
        subscription_ids,
        periods,
        force_3ds: session.force_3ds,
        ..Payment::default()
    }
}

/// The positions of a payment for this quote.
pub(crate) fn lines(quote: &Quote) -> Vec<Line> {
    let line = |line: &QuoteLine| Line {
        id: id::new("itm_"),
        product_id: line.product.id.clone(),
        name: line.product.name.clone(),
        description: line.product.description.clone(),
        quantity: line.quantity,
        amount: line.due.total,
        tax: line.due.tax,
        refunded: 0,
    };
    quote.lines.iter().map(line).collect()
}

fn answers(session: &Session, form: &PayForm) -> Option<Value> {
    let answer = |key: &String| {
        let (_, value) = form.answers.iter().find(|(name, _)| name == key)?;
        Some(json!({ "key": key, "value": value }))
    };
    let fields = &session.custom_fields;
    (!fields.is_empty()).then(|| fields.iter().filter_map(|field| answer(&field.key)).collect())
}

/// Closes the page, unless the person can try again. Returns the next page.
fn finish(
    state: &mut SandboxState,
    session: &Session,
    payment_id: &str,
    outcome: ChargeOutcome,
) -> Option<String> {
    let redirect = redirect::url(state, session, payment_id);
    // A subscription made through the API that fails at its start stays failed.
    let over = outcome != ChargeOutcome::Declined
        || matches!(session.origin, SessionOrigin::Subscription { .. });
    if over && let Some(session) = state.sessions.get_mut(&session.id) {
        session.progress = Progress::Consumed { redirect: redirect.clone() };
    }
    redirect
}

/// Leaves the page without a payment. Returns the merchant's URL for this case.
///
/// # Errors
/// As [`open_session`].
pub(crate) fn cancel_target(
    state: &SandboxState,
    session_id: &str,
) -> Result<Option<String>, Error> {
    let session = open_session(state, session_id)?;
    Ok(session.cancel_url.clone().or_else(|| session.return_url.clone()))
}

/// Adds the cancelled payment of an abandoned page, with its event. Returns its id.
///
/// # Errors
/// As [`pay`].
pub(crate) fn cancelled_payment(
    state: &mut SandboxState,
    session: &Session,
) -> Result<String, Error> {
    // Dodo knows the country from the visitor's connection.
    let unknown = || Address { country: "US".to_owned(), ..Address::default() };
    let address = session.address.clone().unwrap_or_else(unknown);
    let buyer = session.buyer.clone();
    let form = PayForm {
        email: buyer.email.unwrap_or_default(),
        name: buyer.name.unwrap_or_default(),
        address,
        ..PayForm::default()
    };
    let terms = Terms { country: &form.address.country, ..session.terms() };
    let quote = quote(state, &session.cart, terms)?;
    let customer_id = customer_of_page(state, session, &form);
    let payment = payment(state, session, &quote, customer_id, &form, None, Vec::new());
    let id = payment.id.clone();
    state.payments.insert(payment);
    state.sessions.find_mut(&session.id)?.payment_id = Some(id.clone());
    complete::set_status(state, &id, "cancelled")?;
    state.emit("payment.cancelled", &PAYMENTS, &id);
    Ok(id)
}

fn non_empty(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

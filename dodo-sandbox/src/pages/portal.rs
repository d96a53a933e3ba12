//! The customer portal: the purchases of a customer, and the actions on them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;

use super::{Escaped, Page, form::Form, see_other, status_badge};
use crate::{
    Error,
    api::customers::{CUSTOMERS, PORTAL_LINKS},
    api::orders,
    app::App,
    flow::subscription,
    money,
    state::{SandboxState, object::Object, payment::Payment, subscription::Subscription},
};

/// GET /portal/{token}
pub(crate) async fn show(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    let page = app.with(|state| Ok(page(state, link(state, &token)?)));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

/// POST /portal/{token}/subscriptions/{id}
pub(crate) async fn act(
    State(app): State<Arc<App>>,
    Path((token, id)): Path<(String, String)>,
    form: Form,
) -> Response {
    let next = app.change(|state| {
        let customer_id = link(state, &token)?.str("customer_id");
        if state.subscriptions.find(&id)?.customer_id != customer_id {
            return Err(Error::not_found("subscription"));
        }
        match form.get("action") {
            "cancel" => subscription::cancel(state, &id, Some("customer"))?,
            "cancel_at_end" => subscription::cancel_at_period_end(state, &id, true, "customer")?,
            "keep" => subscription::cancel_at_period_end(state, &id, false, "customer")?,
            "pause" => subscription::pause(state, &id)?,
            "resume" => subscription::resume(state, &id)?,
            "card" => {
                let back = state.url(&["portal", &token]);
                return orders::method_page(state, &id, Some(back));
            }
            _ => return Err(Error::invalid("unknown action")),
        }
        Ok(state.url(&["portal", &token]))
    });
    match next {
        Ok(url) => see_other(&url),
        Err(error) => Page::error(&error).into_response(),
    }
}

fn link<'a>(state: &'a SandboxState, token: &str) -> Result<&'a Object, Error> {
    let link = state.find(&PORTAL_LINKS, token)?;
    if link.date("expires_at").is_none_or(|end| state.now() >= end) {
        return Err(Error::refused(
            StatusCode::GONE,
            "PORTAL_LINK_EXPIRED",
            "This link has expired. Ask the shop for a new one.",
        ));
    }
    Ok(link)
}

fn page(state: &SandboxState, link: &Object) -> Page {
    let customer = state.get(&CUSTOMERS, link.str("customer_id"));
    let name = customer.map_or("", |customer| customer.str("name"));
    let email = customer.map_or("", |customer| customer.str("email"));
    let own = |id: &str| id == link.str("customer_id");
    let subscriptions: String = state
        .subscriptions
        .iter()
        .rev()
        .filter(|subscription| own(&subscription.customer_id) && subscription.status != "pending")
        .map(|subscription| subscription_card(state, &link.id, subscription))
        .collect();
    let payments: String = state
        .payments
        .iter()
        .rev()
        .filter(|payment| own(&payment.customer_id) && payment.status.is_some())
        .map(|payment| payment_row(state, payment))
        .collect();
    let back = link.text("return_url").map_or(String::new(), |url| {
        format!("<p><a href=\"{}\">← Back to the shop</a></p>", Escaped(url))
    });
    let none = |html: String, text: &str| match html.is_empty() {
        true => format!("<p class=\"soft\">{text}</p>"),
        false => html,
    };
    let body = format!(
        "<main>{back}<h1>{}</h1><p class=\"soft\">{}</p>\
         <section><h2>Subscriptions</h2>{}</section>\
         <section class=\"card\"><h2>Payments</h2>{}</section></main>",
        Escaped(name),
        Escaped(email),
        none(subscriptions, "No subscriptions."),
        none(
            match payments.is_empty() {
                true => String::new(),
                false => format!(
                    "<div class=\"scroll\"><table class=\"list\"><thead><tr><th>Date</th><th>For</th>\
                     <th>Status</th><th class=\"num\">Amount</th></tr></thead><tbody>{payments}</tbody>\
                     </table></div>"
                ),
            },
            "No payments.",
        ),
    );
    Page::new("Your purchases", body)
}

fn subscription_card(state: &SandboxState, token: &str, subscription: &Subscription) -> String {
    let name = state.products.get(&subscription.product_id).map_or("", |product| &product.name);
    let price = money::show(subscription.recurring_amount, &subscription.currency);
    let next = subscription.next_billing.strftime("%-d %B %Y");
    let about = match subscription.status {
        "active" if subscription.cancel_at_next_billing => format!("Ends on {next}"),
        "active" => format!("Renews on {next}"),
        "past_due" | "on_hold" => "The last payment failed. Enter another card.".to_owned(),
        "paused" => "Paused".to_owned(),
        _ => "Over".to_owned(),
    };
    let button = |action: &str, text: &str, class: &str| {
        format!("<button class=\"{class}\" name=\"action\" value=\"{action}\">{text}</button>")
    };
    let actions = match subscription.status {
        "active" if subscription.cancel_at_next_billing => {
            button("keep", "Keep it", "main") + &button("cancel", "Cancel now", "")
        }
        "active" => {
            button("cancel_at_end", "Cancel at the end of the period", "")
                + &button("cancel", "Cancel now", "")
                + &button("pause", "Pause", "")
                + &button("card", "Change card", "")
        }
        "paused" => button("resume", "Resume", "main") + &button("cancel", "Cancel now", ""),
        "past_due" | "on_hold" => {
            button("card", "Change card", "main") + &button("cancel", "Cancel now", "")
        }
        _ => String::new(),
    };
    format!(
        "<div class=\"card stack\"><div class=\"actions\"><strong>{}</strong>{}</div>\
         <p class=\"soft\">{} per {} · {}</p>\
         <form method=\"post\" action=\"/portal/{}/subscriptions/{}\" class=\"actions\">{actions}</form></div>",
        Escaped(name),
        status_badge(subscription.status),
        Escaped(&price),
        subscription.every.interval.as_str().to_lowercase(),
        Escaped(&about),
        Escaped(token),
        Escaped(&subscription.id),
    )
}

fn payment_row(state: &SandboxState, payment: &Payment) -> String {
    let names: Vec<_> = payment.lines.iter().map(|line| line.name.as_str()).collect();
    let what = if names.is_empty() { "Card check".to_owned() } else { names.join(", ") };
    let status = match payment.refunded(state) {
        0 => payment.status.unwrap_or_default(),
        back if back < payment.total => "partly refunded",
        _ => "refunded",
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td></tr>",
        payment.created_at.strftime("%Y-%m-%d"),
        Escaped(&what),
        status_badge(status),
        money::show(payment.total, &payment.currency),
    )
}

//! The customer portal: what somebody bought, and what they can do about it.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;

use super::{Esc, Page, form::Form, see_other, status_badge};
use crate::{
    Error,
    api::prepared,
    app::App,
    flow::subscription,
    money,
    state::{PortalLink, World, payment::Payment, subscription::Subscription},
};

/// GET /portal/{token}
pub(crate) async fn show(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    let page = app.with(|world| Ok(page(world, link(world, &token)?)));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

/// POST /portal/{token}/subscriptions/{id}
pub(crate) async fn act(
    State(app): State<Arc<App>>,
    Path((token, id)): Path<(String, String)>,
    form: Form,
) -> Response {
    let next = app.change(|world| {
        let customer_id = &link(world, &token)?.customer_id;
        if world.subscriptions.find(&id)?.customer_id != *customer_id {
            return Err(Error::not_found("subscription"));
        }
        match form.get("action") {
            "cancel" => subscription::cancel(world, &id, Some("customer"))?,
            "cancel_at_end" => subscription::cancel_at_period_end(world, &id, true, "customer")?,
            "keep" => subscription::cancel_at_period_end(world, &id, false, "customer")?,
            "pause" => subscription::pause(world, &id)?,
            "resume" => subscription::resume(world, &id)?,
            "card" => {
                let mut session = prepared::method_page(world, &id)?;
                session.return_url = Some(world.url(&["portal", &token]));
                let url = session.url(world);
                world.sessions.insert(session);
                return Ok(url);
            }
            _ => return Err(Error::invalid("unknown action")),
        }
        Ok(world.url(&["portal", &token]))
    });
    match next {
        Ok(url) => see_other(&url),
        Err(error) => Page::error(&error).into_response(),
    }
}

fn link<'a>(world: &'a World, token: &str) -> Result<&'a PortalLink, Error> {
    let link = world.portal_links.find(token)?;
    if world.now() >= link.expires_at {
        return Err(Error::refused(
            StatusCode::GONE,
            "PORTAL_LINK_EXPIRED",
            "This link has expired. Ask the shop for a new one.",
        ));
    }
    Ok(link)
}

fn page(world: &World, link: &PortalLink) -> Page {
    let customer = world.customers.get(&link.customer_id);
    let name = customer.map_or("", |customer| &customer.name);
    let email = customer.map_or("", |customer| &customer.email);
    let own = |id: &str| id == link.customer_id;
    let subscriptions: String = world
        .subscriptions
        .iter()
        .rev()
        .filter(|subscription| own(&subscription.customer_id) && subscription.status != "pending")
        .map(|subscription| subscription_card(world, &link.token, subscription))
        .collect();
    let payments: String = world
        .payments
        .iter()
        .rev()
        .filter(|payment| own(&payment.customer_id) && payment.status.is_some())
        .map(|payment| payment_row(world, payment))
        .collect();
    let back = link.return_url.as_ref().map_or(String::new(), |url| {
        format!("<p><a href=\"{}\">← Back to the shop</a></p>", Esc(url))
    });
    let none = |html: String, text: &str| match html.is_empty() {
        true => format!("<p class=\"soft\">{text}</p>"),
        false => html,
    };
    let body = format!(
        "<main>{back}<h1>{}</h1><p class=\"soft\">{}</p>\
         <section><h2>Subscriptions</h2>{}</section>\
         <section class=\"card\"><h2>Payments</h2>{}</section></main>",
        Esc(name),
        Esc(email),
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

fn subscription_card(world: &World, token: &str, subscription: &Subscription) -> String {
    let name = world.products.get(&subscription.product_id).map_or("", |product| &product.name);
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
        Esc(name),
        status_badge(subscription.status),
        Esc(&price),
        subscription.every.interval.as_str().to_lowercase(),
        Esc(&about),
        Esc(token),
        Esc(&subscription.id),
    )
}

fn payment_row(world: &World, payment: &Payment) -> String {
    let names: Vec<_> = payment.lines.iter().map(|line| line.name.as_str()).collect();
    let what = if names.is_empty() { "Card check".to_owned() } else { names.join(", ") };
    let status = match payment.refunded(world) {
        0 => payment.status.unwrap_or_default(),
        back if back < payment.total => "partly refunded",
        _ => "refunded",
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td></tr>",
        payment.created_at.strftime("%Y-%m-%d"),
        Esc(&what),
        status_badge(status),
        money::show(payment.total, &payment.currency),
    )
}

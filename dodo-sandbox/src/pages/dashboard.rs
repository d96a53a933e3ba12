//! The page at `/`, from which a developer plays Dodo, the bank and the customer.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{Esc, Page, form::Form, see_other, status_badge};
use crate::{
    Error,
    app::App,
    control,
    flow::{
        renewal,
        reversal::{self, DisputeOutcome},
        subscription,
    },
    money,
    state::{
        World,
        payment::Payment,
        subscription::Subscription,
        webhook::{Delivery, DeliveryState},
    },
};

/// How many rows a list shows.
const ROWS: usize = 50;

/// GET /
pub(crate) async fn show(State(app): State<Arc<App>>) -> Page {
    app.with(|world| page(&app, world))
}

/// POST /
pub(crate) async fn act(State(app): State<Arc<App>>, form: Form) -> Response {
    let id = form.get("id");
    let result = app.change(|world| match form.get("action") {
        "refund" => reversal::refund_amount(world, id, None).map(drop),
        "refund_half" => {
            let half = world.payments.find(id)?.total / 2;
            reversal::refund_amount(world, id, Some(half)).map(drop)
        }
        "dispute" => reversal::open_dispute(world, id).map(drop),
        "dispute_won" => reversal::resolve_dispute(world, id, DisputeOutcome::Won),
        "dispute_lost" => reversal::resolve_dispute(world, id, DisputeOutcome::Lost),
        "renew" => renewal::renew(world, id),
        "fail_renewal" => {
            world.force_decline = Some(("INSUFFICIENT_FUNDS".to_owned(), 1));
            renewal::renew(world, id)
        }
        "cancel" => subscription::cancel(world, id, Some("merchant")),
        "resend" => control::resend(world, id).map(drop),
        "advance" => {
            let days: u64 = id.parse().map_err(|_| Error::invalid("a number of days is needed"))?;
            control::advance(world, Duration::from_secs(days.saturating_mul(24 * 60 * 60)))
        }
        _ => Err(Error::invalid("unknown action")),
    });
    match result {
        Ok(()) => see_other("/"),
        Err(error) => Page::error(&error).into_response(),
    }
}

fn button(action: &str, id: &str, text: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/\" class=\"inline\"><input type=\"hidden\" name=\"id\" value=\"{}\">\
         <button class=\"small\" name=\"action\" value=\"{}\">{}</button></form>",
        Esc(id),
        Esc(action),
        Esc(text)
    )
}

fn table(title: &str, heads: &[&str], rows: String) -> String {
    let body = match rows.is_empty() {
        true => "<p class=\"soft\">Nothing yet.</p>".to_owned(),
        false => {
            let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
            format!(
                "<div class=\"scroll\"><table class=\"list\"><thead><tr>{heads}</tr></thead>\
                 <tbody>{rows}</tbody></table></div>"
            )
        }
    };
    format!("<section class=\"card\"><h2>{title}</h2>{body}</section>")
}

fn page(app: &App, world: &World) -> Page {
    let clock = world.now().strftime("%-d %B %Y, %H:%M UTC");
    let advance: String = [("1", "+1 day"), ("7", "+7 days"), ("31", "+31 days")]
        .map(|(d, t)| button("advance", d, t))
        .concat();
    let endpoints: String = world
        .endpoints
        .iter()
        .map(|endpoint| format!("<br>Webhooks go to <code>{}</code>", Esc(&endpoint.url)))
        .collect();
    let settings = app
        .env(&world.base_url)
        .map(|(name, value)| format!("export {name}={}", Esc(&value)))
        .join("\n");
    let body = format!(
        "<main><h1>Dodo sandbox</h1><section class=\"card\"><div class=\"actions\">\
         <span>Its clock shows <strong id=\"clock\">{clock}</strong></span>{advance}</div>\
         <p class=\"soft\">Renewals, trial ends and webhook retries fall due as it moves.{endpoints}</p>\
         <details><summary>Behavior for an app</summary><pre>{settings}</pre></details></section>\
         {}{}{}{}{}</main>",
        products(world),
        payments(world),
        subscriptions(world),
        sessions(world),
        deliveries(world),
    );
    Page::new("Dodo sandbox", body)
}

fn products(world: &World) -> String {
    let row = |product: &crate::Product| {
        let every = product.recurring.as_ref().map_or("once".to_owned(), |recurring| {
            format!(
                "every {} {}",
                recurring.every.count,
                recurring.every.interval.as_str().to_lowercase()
            )
        });
        format!(
            "<tr><td>{}<br><code>{}</code></td><td class=\"num\">{}</td><td>{}</td>\
             <td><a class=\"button\" href=\"/buy/{}\">Buy</a></td></tr>",
            Esc(&product.name),
            Esc(&product.id),
            money::show(product.price, &product.currency),
            Esc(&every),
            Esc(&product.id),
        )
    };
    let rows = world.products.iter().take(ROWS).map(row).collect();
    table("Products", &["Product", "Price", "Paid", ""], rows)
}

fn payments(world: &World) -> String {
    let rows = world.payments.iter().rev().take(ROWS).map(|p| payment_row(world, p)).collect();
    table("Payments", &["Payment", "Customer", "Amount", "Status", ""], rows)
}

fn payment_row(world: &World, payment: &Payment) -> String {
    let email = world.customers.get(&payment.customer_id).map_or("", |customer| &customer.email);
    let back = payment.refunded(world);
    let dispute = world.disputes.iter().rev().find(|dispute| dispute.payment_id == payment.id);
    let open = dispute.filter(|d| matches!(d.status, "dispute_opened" | "dispute_challenged"));
    let mut actions = String::new();
    if payment.succeeded() && back < payment.total {
        actions += &button("refund", &payment.id, "Refund");
        actions += &button("refund_half", &payment.id, "Refund half");
    }
    match open {
        Some(dispute) => {
            actions += &button("dispute_won", &dispute.id, "Dispute won");
            actions += &button("dispute_lost", &dispute.id, "Dispute lost");
        }
        None if payment.succeeded() && payment.total > 0 => {
            actions += &button("dispute", &payment.id, "Dispute");
        }
        None => {}
    }
    let returned = match back {
        0 => String::new(),
        back => format!(
            "<br><span class=\"soft\">{} back</span>",
            money::show(-back, &payment.currency)
        ),
    };
    let dispute = dispute.map_or(String::new(), |dispute| status_badge(dispute.status));
    format!(
        "<tr><td><code>{}</code></td><td>{}</td><td class=\"num\">{}{returned}</td><td>{} {dispute}</td>\
         <td><div class=\"actions\">{actions}</div></td></tr>",
        Esc(&payment.id),
        Esc(email),
        money::show(payment.total, &payment.currency),
        status_badge(payment.status.unwrap_or("unpaid")),
    )
}

fn subscriptions(world: &World) -> String {
    let row = |subscription: &Subscription| {
        let actions = match subscription.status {
            "active" => {
                button("renew", &subscription.id, "Renew now")
                    + &button("fail_renewal", &subscription.id, "Fail renewal")
                    + &button("cancel", &subscription.id, "Cancel")
            }
            _ => String::new(),
        };
        let name = world.products.get(&subscription.product_id).map_or("", |product| &product.name);
        format!(
            "<tr><td><code>{}</code><br>{}</td><td class=\"num\">{}</td><td>{}</td><td>{}</td>\
             <td><div class=\"actions\">{actions}</div></td></tr>",
            Esc(&subscription.id),
            Esc(name),
            money::show(subscription.recurring_amount, &subscription.currency),
            subscription.next_billing.strftime("%Y-%m-%d"),
            status_badge(subscription.status),
        )
    };
    let rows = world.subscriptions.iter().rev().take(ROWS).map(row).collect();
    table("Subscriptions", &["Subscription", "Per period", "Next billing", "Status", ""], rows)
}

fn sessions(world: &World) -> String {
    let row = |session: &crate::state::session::Session| {
        let payment = session.payment_id.as_ref().and_then(|id| world.payments.get(id));
        let status = payment.and_then(|payment| payment.status).unwrap_or("open");
        let metadata = serde_json::Value::Object(session.metadata.clone()).to_string();
        format!(
            "<tr><td><a href=\"/session/{0}\"><code>{0}</code></a></td><td><code>{1}</code></td><td>{2}</td></tr>",
            Esc(&session.id),
            Esc(&metadata),
            status_badge(status),
        )
    };
    let rows = world.sessions.iter().rev().take(ROWS).map(row).collect();
    table("Checkouts", &["Page", "Metadata", "Status"], rows)
}

fn deliveries(world: &World) -> String {
    let row = |delivery: &Delivery| {
        let attempts: Vec<_> = delivery
            .attempts
            .iter()
            .map(|attempt| match (attempt.status, &attempt.error) {
                (Some(status), _) => status.to_string(),
                (None, error) => error.as_deref().unwrap_or("under way").to_owned(),
            })
            .collect();
        let body = delivery.attempts.last().map_or(String::new(), |attempt| {
            format!("<details><summary>Body</summary><code>{}</code></details>", Esc(&attempt.body))
        });
        let next = match delivery.state {
            DeliveryState::Scheduled => {
                format!(" until {}", delivery.due.strftime("%Y-%m-%d %H:%M:%S"))
            }
            _ => String::new(),
        };
        format!(
            "<tr><td>{}<br><code>{}</code>{body}</td><td>{}</td><td>{}{next}</td><td>{}</td></tr>",
            Esc(&delivery.event_type),
            Esc(&delivery.webhook_id),
            Esc(&attempts.join(", ")),
            status_badge(delivery.state.as_str()),
            button("resend", delivery.id(), "Send again"),
        )
    };
    let rows = world.deliveries.iter().rev().take(ROWS).map(row).collect();
    table("Webhook deliveries", &["Event", "Answers", "State", ""], rows)
}

//! The page at `/`: products and sales.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;

use super::{
    super::{Escaped, Page, form::select, status_badge},
    button, found, link, page, search, section, table,
};
use crate::{
    api::list::Query,
    api::{customers::CUSTOMERS, refunds::DISPUTES, webhooks::ENDPOINTS},
    app::App,
    contract::contract,
    flow::reversal,
    money,
    state::{SandboxState, payment::Payment, subscription::Subscription},
};

/// The number of rows that each list shows. The search finds the others.
const ROWS: usize = 12;

/// GET /
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Page {
    let query = Query::from_uri(&uri);
    let query = query.get("q").unwrap_or_default().trim().to_owned();
    app.with(|state| {
        let still = format!("{}{}", tools(&app, state), search("/", &query, "Search in the lists"));
        let live = format!(
            "{}{}{}{}",
            products(state, &query),
            payments(state, &query),
            subscriptions(state, &query),
            sessions(state, &query),
        );
        page(&app, state, "/", "Overview", &still, &live)
    })
}

fn tools(app: &App, state: &SandboxState) -> String {
    let exports =
        app.env(&state.base_url).map(|(name, value)| format!("export {name}={value}")).join("\n");
    let endpoints: String = state
        .all(&ENDPOINTS)
        .map(|own| format!("<li>Webhooks go to <code>{}</code></li>", Escaped(own.str("url"))))
        .collect();
    let endpoints = match endpoints.is_empty() {
        true => "<p class=\"soft\">No webhook endpoint yet: start with <code>--webhook-url URL</code>.</p>"
            .to_owned(),
        false => format!("<ul class=\"plain\">{endpoints}</ul>"),
    };
    let types: Vec<_> = contract().event_types().map(|name| (name, name)).collect();
    let act = |action: &str, text: &str, fields: &str| {
        format!(
            "<form method=\"post\" action=\"/\" class=\"tool\"><input type=\"hidden\" name=\"back\" value=\"/\">\
             {fields}<button name=\"action\" value=\"{action}\">{text}</button></form>"
        )
    };
    let number = |name: &str, label: &str, value: u32, most: u32| {
        format!(
            "<label>{label}<input type=\"number\" name=\"{name}\" value=\"{value}\" min=\"1\" max=\"{most}\" \
             required></label>"
        )
    };
    let simulate = number("days", "Days", 365, 366) + &number("sales", "Sales", 1_000, 10_000);
    section(
        "Try it",
        &format!(
            "{endpoints}<div class=\"tools\">{}{}</div>\
             <details><summary>Settings for an app</summary>{}</details>",
            act("trigger", "Trigger", &select("id", "Event type", &types, "payment.succeeded")),
            act("simulate", "Simulate", &simulate),
            super::block("Environment", exports),
        ),
    )
}

fn products(state: &SandboxState, query: &str) -> String {
    let fits = |product: &&crate::Product| found(query, &[&product.id, &product.name]);
    let row = |product: &crate::Product| {
        let every = product.recurring.as_ref().map_or("once".to_owned(), |recurring| {
            let unit = recurring.every.interval.as_str().to_lowercase();
            match recurring.every.count {
                1 => format!("every {unit}"),
                count => format!("every {count} {unit}s"),
            }
        });
        vec![
            format!("{}<br>{}", Escaped(&product.name), link(&product.id)),
            money::show(product.price, &product.currency),
            every,
            format!(
                "<a class=\"button small\" href=\"/buy/{}\" aria-label=\"Buy {}\">Buy</a>",
                Escaped(&product.id),
                Escaped(&product.name)
            ),
        ]
    };
    let rows: Vec<_> = state.products.iter().filter(fits).take(ROWS).map(row).collect();
    table("Products", &["Product", "Price", "Paid", "Actions"], &rows)
}

fn payments(state: &SandboxState, query: &str) -> String {
    let email = |payment: &Payment| {
        state.get(&CUSTOMERS, &payment.customer_id).map_or("", |customer| customer.str("email"))
    };
    let fits = |payment: &&Payment| {
        found(query, &[&payment.id, email(payment), payment.status.unwrap_or_default()])
    };
    let row = |payment: &Payment| {
        let returned = match payment.refunded(state) {
            0 => String::new(),
            back => format!(
                "<br><span class=\"soft\">{} back</span>",
                money::show(-back, &payment.currency)
            ),
        };
        let dispute = state.matching(&DISPUTES, "payment_id", &payment.id).next_back();
        let dispute = dispute.map_or(String::new(), |own| status_badge(own.str("dispute_status")));
        vec![
            format!(
                "{}<br><span class=\"soft\">{}</span>",
                link(&payment.id),
                payment.created_at.strftime("%Y-%m-%d %H:%M")
            ),
            Escaped(email(payment)).to_string(),
            format!("{}{returned}", money::show(payment.total, &payment.currency)),
            format!("{} {dispute}", status_badge(payment.status.unwrap_or("unpaid"))),
            format!("<div class=\"actions\">{}</div>", payment_actions(state, payment, "/")),
        ]
    };
    let rows: Vec<_> = state.payments.iter().rev().filter(fits).take(ROWS).map(row).collect();
    table("Payments", &["Payment", "Customer", "Amount", "Status", "Actions"], &rows)
}

/// The buttons for a payment.
pub(super) fn payment_actions(state: &SandboxState, payment: &Payment, path: &str) -> String {
    let mut actions = String::new();
    let dispute = state.matching(&DISPUTES, "payment_id", &payment.id).next_back();
    let open = dispute.filter(|own| !reversal::is_final(own));
    if payment.succeeded() && payment.refunded(state) < payment.total {
        actions += &button(path, "refund", &payment.id, "Refund");
        actions += &button(path, "refund_half", &payment.id, "Refund half");
    }
    match open {
        Some(dispute) => {
            actions += &button(path, "dispute_won", &dispute.id, "Dispute won");
            actions += &button(path, "dispute_lost", &dispute.id, "Dispute lost");
        }
        None if payment.succeeded() && payment.total > 0 => {
            actions += &button(path, "dispute", &payment.id, "Dispute");
        }
        None => {}
    }
    actions
}

fn subscriptions(state: &SandboxState, query: &str) -> String {
    let name = |subscription: &Subscription| {
        state.products.get(&subscription.product_id).map_or("", |product| &product.name)
    };
    let fits = |subscription: &&Subscription| {
        found(query, &[&subscription.id, name(subscription), subscription.status])
    };
    let row = |subscription: &Subscription| {
        vec![
            format!("{}<br>{}", link(&subscription.id), Escaped(name(subscription))),
            money::show(subscription.recurring_amount, &subscription.currency),
            subscription.next_billing.strftime("%Y-%m-%d").to_string(),
            status_badge(subscription.status),
            format!("<div class=\"actions\">{}</div>", subscription_actions(subscription, "/")),
        ]
    };
    let rows: Vec<_> = state.subscriptions.iter().rev().filter(fits).take(ROWS).map(row).collect();
    let heads = ["Subscription", "Per period", "Next billing", "Status", "Actions"];
    table("Subscriptions", &heads, &rows)
}

/// The buttons for a subscription.
pub(super) fn subscription_actions(subscription: &Subscription, path: &str) -> String {
    let actions: &[(&str, &str)] = match subscription.status {
        "active" => &[
            ("renew", "Renew now"),
            ("fail_renewal", "Fail renewal"),
            ("pause", "Pause"),
            ("cancel", "Cancel"),
        ],
        "paused" => &[("resume", "Resume"), ("cancel", "Cancel")],
        "on_hold" | "past_due" => &[("cancel", "Cancel")],
        _ => &[],
    };
    actions.iter().map(|(action, text)| button(path, action, &subscription.id, text)).collect()
}

fn sessions(state: &SandboxState, query: &str) -> String {
    let metadata = |session: &crate::state::session::Session| {
        serde_json::Value::Object(session.metadata.clone()).to_string()
    };
    let fits = |session: &&crate::state::session::Session| {
        found(query, &[&session.id, &metadata(session)])
    };
    let row = |session: &crate::state::session::Session| {
        let payment = session.payment_id.as_ref().and_then(|id| state.payments.get(id));
        let status = payment.and_then(|payment| payment.status).unwrap_or("open");
        let actions = match status {
            "open" | "failed" => button("/", "abandon", &session.id, "Abandon"),
            _ => String::new(),
        };
        vec![
            format!("<a href=\"/session/{0}\"><code>{0}</code></a>", Escaped(&session.id)),
            format!("<code>{}</code>", Escaped(&metadata(session))),
            status_badge(status),
            actions,
        ]
    };
    let rows: Vec<_> = state.sessions.iter().rev().filter(fits).take(ROWS).map(row).collect();
    table("Checkouts", &["Page", "Metadata", "Status", "Actions"], &rows)
}

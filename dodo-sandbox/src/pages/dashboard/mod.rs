//! The dashboard, in which a developer acts as Dodo Payments, the bank and the customer.

mod activity;
mod object;
mod overview;
mod settings;

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::header;

use super::{Escaped, Page, form::Form, see_other};
use crate::{
    Error, FlushOrder, Simulation,
    app::App,
    control,
    flow::{
        recovery, renewal,
        reversal::{self, DisputeOutcome},
        subscription,
    },
    state::SandboxState,
};

/// The number of rows that a list shows.
const ROWS: usize = 50;

/// The dashboard's routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::show).post(act))
        .route("/dashboard/requests", get(activity::requests))
        .route("/dashboard/requests/{seq}", get(activity::request))
        .route("/dashboard/deliveries", get(activity::deliveries))
        .route("/dashboard/deliveries/{id}", get(activity::delivery))
        .route("/dashboard/events", get(activity::events))
        .route("/dashboard/objects/{id}", get(object::show))
        .route("/dashboard/settings", get(settings::show).post(settings::save))
        .route("/dashboard/live.js", get(script))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript")], include_str!("live.js"))
}

/// POST /: one action, and back to the page with the button.
async fn act(State(app): State<Arc<App>>, form: Form) -> Response {
    let result = match form.get("action") {
        "simulate" => simulate(&app, &form).await,
        "trigger" => crate::trigger::trigger(&app, form.get("id"), Vec::new()).await.map(drop),
        action => app.change(|state| change(state, action, form.get("id"))),
    };
    match result {
        Ok(()) => see_other(back(&form)),
        Err(error) => Page::error(&error).into_response(),
    }
}

/// The path that a form came from. Never another site.
fn back(form: &Form) -> &str {
    let path = form.get("back");
    if path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') {
        path
    } else {
        "/"
    }
}

async fn simulate(app: &Arc<App>, form: &Form) -> Result<(), Error> {
    let number = |name| form.get(name).parse::<u32>().map_err(|_| Error::invalid("enter a number"));
    let plan =
        Simulation { days: number("days")?, sales: number("sales")?, ..Simulation::default() };
    crate::simulate::run(app, plan).await.map(drop)
}

fn change(state: &mut SandboxState, action: &str, id: &str) -> Result<(), Error> {
    match action {
        "refund" => reversal::refund_amount(state, id, None).map(drop),
        "refund_half" => {
            let half = state.payments.find(id)?.total / 2;
            reversal::refund_amount(state, id, Some(half)).map(drop)
        }
        "dispute" => reversal::open_dispute(state, id).map(drop),
        "dispute_won" => reversal::resolve_dispute(state, id, DisputeOutcome::Won),
        "dispute_lost" => reversal::resolve_dispute(state, id, DisputeOutcome::Lost),
        "recovery_link" => recovery::link(state, id).map(drop),
        "renew" => renewal::renew(state, id),
        "fail_renewal" => {
            state.force_decline = Some(("INSUFFICIENT_FUNDS".to_owned(), 1));
            renewal::renew(state, id)
        }
        "cancel" => subscription::cancel(state, id, Some("merchant")),
        "pause" => subscription::pause(state, id),
        "resume" => subscription::resume(state, id),
        "resend" => control::resend(state, id).map(drop),
        "abandon" => control::abandon(state, id, None, None).map(drop),
        "flush" => {
            control::flush(state, FlushOrder::Original);
            Ok(())
        }
        "flush_reversed" => {
            control::flush(state, FlushOrder::Reversed);
            Ok(())
        }
        "advance" => {
            let days: u64 = id.parse().map_err(|_| Error::invalid("enter a number of days"))?;
            control::advance(state, Duration::from_secs(days.saturating_mul(24 * 60 * 60)))
        }
        _ => Err(Error::invalid("unknown action")),
    }
}

/// A page of the dashboard at this path. The browser keeps the part after `heading` up to date.
fn page(
    app: &App,
    state: &SandboxState,
    path: &str,
    heading: &str,
    still: &str,
    live: &str,
) -> Page {
    let links: String = [
        ("/", "Overview"),
        ("/dashboard/requests", "Requests"),
        ("/dashboard/deliveries", "Deliveries"),
        ("/dashboard/events", "Events"),
        ("/dashboard/settings", "Settings"),
    ]
    .map(|(link, text)| {
        let current = if link == path { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"{link}\"{current}>{text}</a>")
    })
    .concat();
    let clock = state.now().strftime("%-d %B %Y, %H:%M UTC");
    let advance: String = [("1", "+1 day"), ("7", "+7 days"), ("31", "+31 days")]
        .map(|(days, text)| button(path, "advance", days, text))
        .concat();
    let body = format!(
        "<header class=\"top\"><nav aria-label=\"Dashboard\"><strong>Dodo sandbox</strong>{links}</nav>\
         <div class=\"actions\"><span>Clock: <strong id=\"clock\">{clock}</strong></span>{advance}</div>\
         </header><main id=\"main\"><h1>{}</h1>{still}<div id=\"live\" data-after=\"{}\">{live}</div></main>\
         <script src=\"/dashboard/live.js\" defer></script>",
        Escaped(heading),
        app.log.latest(),
    );
    Page::dashboard(format!("{heading} · Dodo sandbox"), body)
}

/// A button that acts on an object and leads back to `path`.
fn button(path: &str, action: &str, id: &str, text: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/\" class=\"inline\">\
         <input type=\"hidden\" name=\"back\" value=\"{}\"><input type=\"hidden\" name=\"id\" value=\"{}\">\
         <button class=\"small\" name=\"action\" value=\"{}\">{}</button></form>",
        Escaped(path),
        Escaped(id),
        Escaped(action),
        Escaped(text)
    )
}

/// A link to an object's page.
fn link(id: &str) -> String {
    format!("<a href=\"/dashboard/objects/{0}\"><code class=\"id\">{0}</code></a>", Escaped(id))
}

/// A titled list. Cells are HTML; on a phone each row is a card with the heads as labels.
fn table(title: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return section(title, "<p class=\"soft\">Nothing yet.</p>");
    }
    let head: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let row = |cells: &Vec<String>| {
        let cells: String = heads
            .iter()
            .zip(cells)
            .map(|(head, cell)| format!("<td data-label=\"{head}\"><div>{cell}</div></td>"))
            .collect();
        format!("<tr>{cells}</tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    section(
        title,
        &format!(
            "<table class=\"list\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        ),
    )
}

fn section(title: &str, html: &str) -> String {
    format!("<section class=\"card\"><h2>{title}</h2>{html}</section>")
}

/// A search field over the list of a page.
fn search(path: &str, query: &str, label: &str) -> String {
    format!(
        "<form class=\"search\" method=\"get\" action=\"{path}\" role=\"search\"><label>{label}\
         <input type=\"search\" name=\"q\" value=\"{}\"></label><button>Search</button></form>",
        Escaped(query)
    )
}

/// Whether one of the texts has the searched one, in any case.
fn found(query: &str, texts: &[&str]) -> bool {
    let query = query.to_lowercase();
    query.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&query))
}

/// Names with values.
fn facts(rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| format!("<dt>{name}</dt><dd>{value}</dd>");
    format!("<dl>{}</dl>", rows.iter().map(row).collect::<String>())
}

/// Text with its form kept, and a button that copies it.
fn block(title: &str, text: impl Display) -> String {
    let text = text.to_string();
    format!(
        "<div class=\"block\"><div class=\"actions\"><h3>{title}</h3>\
         <button type=\"button\" class=\"small copy\">Copy</button></div>\
         <pre tabindex=\"0\" aria-label=\"{title}\">{}</pre></div>",
        Escaped(&text)
    )
}

/// JSON with line breaks; other text as it is.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

/// A request as a command line.
fn curl(method: &str, url: &str, headers: &[(String, String)], body: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut command = format!("curl -X {method} {}", quoted(url));
    for (name, value) in headers {
        command += &format!(" \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    if !body.is_empty() {
        command += &format!(" \\\n  --data-raw {}", quoted(body));
    }
    command
}

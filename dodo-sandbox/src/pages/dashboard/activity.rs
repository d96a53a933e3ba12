//! API requests, events and their deliveries.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::Uri;
use serde_json::Value;

use super::{
    super::{Escaped, Page, status_badge},
    ROWS, block, button, curl, facts, found, link, page, pretty, search, section, table,
};
use crate::{
    Error,
    api::list::Query,
    api::webhooks::{ENDPOINTS, secrets},
    app::App,
    clock::rfc3339,
    events,
    local::text,
    state::{
        SandboxState,
        webhook::{Delivery, DeliveryState, Event, Subject},
    },
};

fn query_of(uri: &Uri) -> String {
    Query::from_uri(uri).get("q").unwrap_or_default().trim().to_owned()
}

fn number(entry: &Value, name: &str) -> String {
    entry.get(name).and_then(Value::as_u64).map_or("none".to_owned(), |number| number.to_string())
}

fn code(status: &str) -> String {
    let class = match status.bytes().next() {
        Some(b'2' | b'3') => "good",
        Some(b'4' | b'5') => "bad",
        _ => "bad text",
    };
    format!("<span class=\"badge {class}\">{}</span>", Escaped(status))
}

/// GET /dashboard/requests
pub(super) async fn requests(State(app): State<Arc<App>>, uri: Uri) -> Page {
    let query = query_of(&uri);
    let rows: Vec<_> = app
        .log
        .after(0)
        .iter()
        .rev()
        .filter(|entry| text(entry, "kind") == "request")
        .filter(|entry| {
            let status = number(entry, "status");
            found(
                &query,
                &[text(entry, "method"), text(entry, "path"), text(entry, "body"), &status],
            )
        })
        .take(ROWS)
        .map(|entry| {
            vec![
                format!(
                    "<a href=\"/dashboard/requests/{}\">{} <code>{}</code></a>",
                    number(entry, "seq"),
                    Escaped(text(entry, "method")),
                    Escaped(text(entry, "path")),
                ),
                code(&number(entry, "status")),
                format!("{} ms", number(entry, "duration_ms")),
            ]
        })
        .collect();
    let path = "/dashboard/requests";
    let still = search(path, &query, "Method, path, status or body");
    let live = table("API requests", &["Request", "Status", "Duration"], &rows);
    app.with(|state| page(&app, state, path, "Requests", &still, &live))
}

/// GET /dashboard/requests/{seq}
pub(super) async fn request(State(app): State<Arc<App>>, Path(seq): Path<u64>) -> Response {
    let entries = app.log.after(seq.saturating_sub(1));
    let own = entries.into_iter().find(|entry| entry.get("seq") == Some(&seq.into()));
    let Some(entry) = own.filter(|entry| text(entry, "kind") == "request") else {
        return Page::error(&Error::not_found("request")).into_response();
    };
    let (method, path, body) = (text(&entry, "method"), text(&entry, "path"), text(&entry, "body"));
    let headers = [
        ("Authorization".to_owned(), format!("Bearer {}", app.api_key)),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let mut html = facts(&[
        ("Request", format!("{} <code>{}</code>", Escaped(method), Escaped(path))),
        ("Status", code(&number(&entry, "status"))),
        ("Duration", format!("{} ms", number(&entry, "duration_ms"))),
    ]);
    if !body.is_empty() {
        html += &block("Body", pretty(body));
    }
    html += &block("Answer", pretty(text(&entry, "answer")));
    let url = format!("{}{path}", app.setup.base_url);
    html += &block("As curl", curl(method, &url, &headers, body));
    let ids = ids_in(&format!("{path} {}", text(&entry, "answer")));
    app.with(|state| {
        let links: String = ids
            .iter()
            .filter(|id| super::object::exists(state, id))
            .map(|id| format!("<li>{}</li>", link(id)))
            .collect();
        if !links.is_empty() {
            html += &format!("<h3>Objects</h3><ul class=\"plain\">{links}</ul>");
        }
        let html = section("Details", &html);
        page(&app, state, "", &format!("{method} {path}"), &html, "").into_response()
    })
}

/// Words that look like ids, such as `pay_...`, each once.
fn ids_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    let mut ids: Vec<String> = Vec::new();
    for word in words.filter(|word| word.contains('_') && word.len() <= 64) {
        if !ids.iter().any(|id| id == word) {
            ids.push(word.to_owned());
        }
    }
    ids
}

fn answers(delivery: &Delivery) -> String {
    let answer = |attempt: &crate::DeliveryAttempt| match (attempt.status, &attempt.error) {
        (Some(status), _) => code(&status.to_string()),
        (None, Some(error)) => code(error),
        (None, None) => "under way".to_owned(),
    };
    delivery.attempts.iter().map(answer).collect::<Vec<_>>().join(" ")
}

fn state_of(delivery: &Delivery) -> String {
    let next = match delivery.state {
        DeliveryState::Scheduled => format!(
            "<br><span class=\"soft\">{}</span>",
            delivery.due.strftime("%Y-%m-%d %H:%M:%S")
        ),
        _ => String::new(),
    };
    status_badge(delivery.state.as_str()) + &next
}

fn url_of<'a>(state: &'a SandboxState, delivery: &Delivery) -> &'a str {
    state.get(&ENDPOINTS, &delivery.endpoint_id).map_or("removed endpoint", |own| own.str("url"))
}

fn delivery_rows<'a>(
    state: &SandboxState,
    deliveries: impl Iterator<Item = &'a Delivery>,
    path: &str,
) -> Vec<Vec<String>> {
    deliveries
        .map(|delivery| {
            let duration = delivery
                .attempts
                .last()
                .map_or(String::new(), |attempt| format!("{} ms", attempt.duration.as_millis()));
            vec![
                format!(
                    "<a href=\"/dashboard/deliveries/{}\">{}</a><br><code>{}</code>",
                    Escaped(delivery.id()),
                    Escaped(&delivery.event_type),
                    Escaped(&delivery.webhook_id),
                ),
                format!("<code>{}</code>", Escaped(url_of(state, delivery))),
                answers(delivery),
                duration,
                state_of(delivery),
                button(path, "resend", delivery.id(), "Send again"),
            ]
        })
        .collect()
}

const DELIVERY_HEADS: [&str; 6] = ["Event", "Endpoint", "Answers", "Duration", "State", "Actions"];

/// GET /dashboard/deliveries
pub(super) async fn deliveries(State(app): State<Arc<App>>, uri: Uri) -> Page {
    let (query, path) = (query_of(&uri), "/dashboard/deliveries");
    app.with(|state| {
        let fits = |delivery: &&Delivery| {
            let texts = [
                delivery.event_type.as_str(),
                &delivery.webhook_id,
                url_of(state, delivery),
                delivery.state.as_str(),
            ];
            found(&query, &texts)
        };
        let shown = state.deliveries.iter().rev().filter(fits).take(ROWS);
        let rows = delivery_rows(state, shown, path);
        let still = search(path, &query, "Event, id, endpoint or state");
        let live = table("Webhook deliveries", &DELIVERY_HEADS, &rows);
        page(&app, state, path, "Deliveries", &still, &live)
    })
}

/// GET /dashboard/deliveries/{id}
pub(super) async fn delivery(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    app.with(|state| {
        let Some(delivery) = state.deliveries.get(&id) else {
            return Page::error(&Error::not_found("delivery")).into_response();
        };
        let path = format!("/dashboard/deliveries/{id}");
        let url = url_of(state, delivery).to_owned();
        let subject =
            state.events.get(&delivery.webhook_id).and_then(|event| subject_id(&event.subject));
        let mut html = section(
            "Details",
            &format!(
                "{}{}",
                facts(&[
                    ("Event", Escaped(&delivery.event_type).to_string()),
                    ("webhook-id", format!("<code>{}</code>", Escaped(&delivery.webhook_id))),
                    ("Endpoint", format!("<code>{}</code>", Escaped(&url))),
                    ("State", state_of(delivery)),
                    ("Object", subject.map_or("none".to_owned(), link)),
                ]),
                button(&path, "resend", &id, "Send again"),
            ),
        );
        let secrets = state
            .get(&ENDPOINTS, &delivery.endpoint_id)
            .map(|endpoint| secrets(endpoint, state.now()))
            .unwrap_or_default();
        for (place, attempt) in delivery.attempts.iter().enumerate().rev() {
            let result = match (attempt.status, &attempt.error) {
                (Some(status), _) => code(&status.to_string()),
                (None, error) => code(error.as_deref().unwrap_or("under way")),
            };
            let mut text = facts(&[
                ("Started", rfc3339(attempt.at)),
                ("Answer", result),
                ("Duration", format!("{} ms", attempt.duration.as_millis())),
            ]);
            text += &why_refused(attempt.status, &secrets);
            if !attempt.answer.is_empty() {
                text += &block("Answer's body", &attempt.answer);
            }
            let headers = attempt.headers.iter().map(|(name, value)| format!("{name}: {value}"));
            text += &block("Headers", headers.collect::<Vec<_>>().join("\n"));
            text += &block("Body", pretty(&attempt.body));
            text += &block("As curl", curl("POST", &url, &attempt.headers, &attempt.body));
            text += &signature(attempt);
            html += &section(&format!("Attempt {}", place + 1), &text);
        }
        page(&app, state, "", &delivery.event_type, &html, "").into_response()
    })
}

fn why_refused(status: Option<u16>, secrets: &[String]) -> String {
    if !matches!(status, Some(400 | 401 | 403)) {
        return String::new();
    }
    let secret = secrets.first().map_or("", String::as_str);
    format!(
        "<div class=\"alert\"><p>The endpoint refused this delivery. If it could not verify the \
         signature:</p><ul><li>Compare its key with <code>{}</code>.</li>\
         <li>Verify the bytes of the body as they arrive, before a JSON parser changes them.</li>\
         <li>Check the clock of its machine: the timestamp may differ by 5 minutes.</li></ul></div>",
        Escaped(secret)
    )
}

fn signature(attempt: &crate::DeliveryAttempt) -> String {
    let header = |name: &str| {
        let own = attempt.headers.iter().find(|(own, _)| own == name);
        own.map_or("", |(_, value)| value.as_str())
    };
    let content =
        format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), attempt.body);
    format!(
        "<details><summary>How the signature follows</summary><p>The signature is <code>v1,</code> and the \
         base64 of HMAC-SHA256 over the signed text. The key is the base64 part of the endpoint's \
         secret.</p>{}{}</details>",
        block("Signed text", content),
        block("Signature", header("webhook-signature")),
    )
}

/// The object that an event is about.
pub(super) fn subject_id(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Object { id, .. } => Some(id),
        _ => None,
    }
}

/// GET /dashboard/events
pub(super) async fn events(State(app): State<Arc<App>>, uri: Uri) -> Page {
    let (query, path) = (query_of(&uri), "/dashboard/events");
    app.with(|state| {
        let fits = |event: &&Event| {
            let subject = subject_id(&event.subject).unwrap_or_default();
            found(&query, &[&event.kind, &event.id, subject])
        };
        let shown = state.events.iter().rev().filter(fits).take(ROWS);
        let rows = event_rows(state, shown);
        let still = search(path, &query, "Type or id");
        page(&app, state, path, "Events", &still, &table("Events", &EVENT_HEADS, &rows))
    })
}

/// The columns of a list of events.
pub(super) const EVENT_HEADS: [&str; 4] = ["Event", "Time", "Object", "Body"];

/// The rows of a list of events.
pub(super) fn event_rows<'a>(
    state: &SandboxState,
    shown: impl Iterator<Item = &'a Event>,
) -> Vec<Vec<String>> {
    shown
        .map(|event| {
            let body = events::body(state, event).to_string();
            vec![
                format!("{}<br><code>{}</code>", Escaped(&event.kind), Escaped(&event.id)),
                event.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                subject_id(&event.subject).map_or("none".to_owned(), link),
                format!(
                    "<details><summary>Show</summary><pre tabindex=\"0\" aria-label=\"Body\">{}</pre></details>",
                    Escaped(&pretty(&body))
                ),
            ]
        })
        .collect()
}

//! The behavior of the account, the network between sandbox and endpoints, and faults of the API.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Escaped, Page,
        form::{Form, select},
        see_other,
    },
    button, page, section,
};
use crate::{Behavior, Error, Fault, NetworkConditions, app::App, state::SandboxState};

const PATH: &str = "/dashboard/settings";

/// The values of fields that take a word.
const CHOICES: [(&str, &[&str]); 3] = [
    ("grace_end", &["on_hold", "cancelled"]),
    ("refund_outcome", &["succeeded", "failed", "pending"]),
    ("period_end_cancellation", &["cancelled_at_end", "expired_at_end"]),
];

/// Faults as the form offers them: the value in JSON, and the text.
const FAULTS: [(&str, &str); 8] = [
    (r#"{"status":500}"#, "Answer 500"),
    (r#"{"status":503}"#, "Answer 503"),
    (r#""rate_limited""#, "Answer 429"),
    (r#""reset""#, "Cut the connection before acting"),
    (r#""reset_after""#, "Cut the connection after acting"),
    (r#""hang""#, "Never answer"),
    (r#""garbage""#, "Answer broken JSON"),
    (r#"{"slow":3000}"#, "Answer after 3 seconds"),
];

/// GET /dashboard/settings
pub(super) async fn show(State(app): State<Arc<App>>) -> Page {
    app.with(|state| {
        let still = format!("{}{}{}", behavior(state), network(state), faults(&app));
        page(&app, state, PATH, "Settings", &still, "")
    })
}

fn form(kind: &str, fields: &str, text: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{PATH}\"><input type=\"hidden\" name=\"form\" value=\"{kind}\">\
         <div class=\"fields\">{fields}</div><button class=\"main\">{text}</button></form>"
    )
}

fn check(name: &str, label: &str, on: bool) -> String {
    let checked = if on { " checked" } else { "" };
    format!(
        "<label><input type=\"checkbox\" name=\"{name}\" value=\"true\"{checked}>{}</label>",
        Escaped(label)
    )
}

fn entry(name: &str, label: &str, value: &str, kind: &str) -> String {
    format!(
        "<label>{}<input type=\"{kind}\" name=\"{name}\" value=\"{}\" autocomplete=\"off\"></label>",
        Escaped(label),
        Escaped(value)
    )
}

fn label(name: &str) -> String {
    let mut text = name.replace('_', " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn behavior(state: &SandboxState) -> String {
    let settings = json!(state.settings);
    let (switches, others): (Vec<_>, Vec<_>) =
        settings.as_object().into_iter().flatten().partition(|(_, value)| value.is_boolean());
    let fields: String = others
        .into_iter()
        .chain(switches)
        .map(|(name, value)| {
            let choices = CHOICES.iter().find(|(own, _)| own == name);
            match (value, choices) {
                (Value::Bool(on), _) => check(name, &label(name), *on),
                (Value::String(text), Some((_, choices))) => {
                    let options: Vec<_> = choices.iter().map(|choice| (*choice, *choice)).collect();
                    select(name, &label(name), &options, text)
                }
                (Value::Number(number), _) => {
                    entry(name, &label(name), &number.to_string(), "number")
                }
                (Value::String(text), None) => entry(name, &label(name), text, "text"),
                _ if name == "business_logo" => entry(name, &label(name), "", "text"),
                _ => entry(name, &label(name), "", "number"),
            }
        })
        .collect();
    section("Behavior", &form("behavior", &fields, "Save behavior"))
}

fn network(state: &SandboxState) -> String {
    let network = state.network;
    let fields = [
        check("hold", "Hold deliveries", network.hold),
        entry("delay_seconds", "Delay in seconds", &network.delay.as_secs().to_string(), "number"),
        entry("duplicates", "Additional copies", &network.duplicates.to_string(), "number"),
        entry("drop_next", "Deliveries to lose", &network.drop_next.to_string(), "number"),
    ]
    .concat();
    let flush = button(PATH, "flush", "", "Send held deliveries")
        + &button(PATH, "flush_reversed", "", "Send them in reversed order");
    section(
        "Network to the endpoints",
        &format!(
            "{}<div class=\"actions\">{flush}</div>",
            form("network", &fields, "Save network")
        ),
    )
}

fn faults(app: &App) -> String {
    let set: String = app
        .faults
        .all()
        .iter()
        .map(|fault| format!("<li><code>{}</code></li>", Escaped(&json!(fault).to_string())))
        .collect();
    let set = match set.is_empty() {
        true => "<p class=\"soft\">The API works.</p>".to_owned(),
        false => format!(
            "<ul class=\"plain\">{set}</ul>{}",
            form("clear_faults", "", "Clear all faults")
        ),
    };
    let fields = [
        select("kind", "Fault", &FAULTS, ""),
        entry("path", "Paths that begin with", "", "text"),
        entry("times", "Number of requests", "", "number"),
    ]
    .concat();
    section("Faults of the API", &format!("{set}{}", form("fault", &fields, "Add fault")))
}

/// The form's fields as JSON, in the types of a sample object.
fn typed(form: &Form, sample: &Value) -> Value {
    let mut fields = Map::new();
    for (name, old) in sample.as_object().into_iter().flatten() {
        let text = form.get(name);
        let value = match old {
            Value::Bool(_) => (text == "true").into(),
            Value::String(_) => text.into(),
            _ if text.is_empty() => Value::Null,
            _ => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
        };
        fields.insert(name.clone(), value);
    }
    Value::Object(fields)
}

/// POST /dashboard/settings
pub(super) async fn save(State(app): State<Arc<App>>, form: Form) -> Response {
    let result = match form.get("form") {
        "behavior" => app.change(|state| {
            state.settings = parsed::<Behavior>(typed(&form, &json!(state.settings)))?;
            Ok(())
        }),
        "network" => app.change(|state| {
            state.network = parsed::<NetworkConditions>(typed(&form, &json!(state.network)))?;
            Ok(())
        }),
        "fault" => fault(&form).map(|fault| app.faults.add(fault)),
        "clear_faults" => {
            app.faults.clear();
            Ok(())
        }
        _ => Err(Error::invalid("unknown form")),
    };
    match result {
        Ok(()) => see_other(PATH),
        Err(error) => Page::error(&error).into_response(),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::invalid(error.to_string()))
}

fn fault(form: &Form) -> Result<Fault, Error> {
    let known = FAULTS.iter().find(|(value, _)| *value == form.get("kind"));
    let (kind, _) = known.ok_or_else(|| Error::invalid("choose a fault"))?;
    let kind: Value = serde_json::from_str(kind).unwrap_or_default();
    let times = form.some("times").map(|times| times.parse::<u32>());
    let times = times.transpose().map_err(|_| Error::invalid("enter a number of requests"))?;
    parsed(json!({ "kind": kind, "path": form.some("path"), "times": times }))
}

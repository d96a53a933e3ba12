//! The tables of `docs/attribution-capture.md` are those of the code.

use dodo_core::{
    capture::{CookieDecoder, Preset},
    internals::{PresetField, SkipReason},
};

const PAGE: &str = "../docs/attribution-capture.md";

fn source(field: &PresetField) -> String {
    let places = [
        field.cookie.map(|name| format!("cookie `{name}`")),
        field.query.map(|name| format!("query `{name}`")),
        field.body.map(|name| format!("body `{name}`")),
        field.app_user.then(|| "the app".to_owned()),
    ];
    places.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn form(field: &PresetField) -> &'static str {
    match (field.context_only, field.decoder) {
        (true, _) => "context only",
        (_, CookieDecoder::Raw) if field.query.is_some() => "decoded",
        (_, CookieDecoder::Raw) => "as it is",
        (_, CookieDecoder::Percent) => "percent-encoded",
        (_, CookieDecoder::Quoted) => "percent-encoded, in quotes or not",
        (_, CookieDecoder::PostHog) => "percent-encoded JSON, its `distinct_id`",
        (_, CookieDecoder::RudderStack) => "`RS_ENC_v3_` and a JSON string in base64",
        (_, CookieDecoder::GaClient) => "the last two parts of `GA1.1.x.y`",
        (_, CookieDecoder::GaSession) => "the session of `GS1.1.x...` or `GS2.1.sx$...`",
        (_, other) => panic!("{other:?} is not described"),
    }
}

fn presets() -> String {
    let mut table = "| Tool | Read from | Metadata key | Form |\n|---|---|---|---|\n".to_owned();
    for preset in Preset::ALL {
        for field in preset.fields() {
            let (name, source, form) = (preset.name(), source(field), form(field));
            table += &format!("| {name} | {source} | `{}` | {form} |\n", field.key);
        }
    }
    table
}

fn reasons() -> String {
    let mut table = "| Reason | Meaning |\n|---|---|\n".to_owned();
    for reason in SkipReason::ALL {
        table += &format!("| `{reason}` | {} |\n", reason.meaning());
    }
    table
}

fn check(name: &str, expected: &str) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- {name}: begin -->\n")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- {name}: end -->")).unwrap();
    assert_eq!(table, expected, "the table `{name}` of {PAGE} must be:\n{expected}");
}

#[test]
fn page_lists_every_preset() {
    check("presets", &presets());
}

#[test]
fn page_lists_every_reason() {
    check("reasons", &reasons());
}

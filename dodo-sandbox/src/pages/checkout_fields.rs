//! The fields of the checkout page.

use super::{
    Escaped,
    form::{Field, Form, select},
};
use crate::{
    Error, countries,
    flow::checkout::PayForm,
    state::{
        SandboxState,
        card::{self, PaymentMethod},
        session::{CustomField, FieldType, Session, SessionOrigin},
    },
};

/// The name of the field that takes the answer to a merchant's question.
pub(super) fn answer_name(key: &str) -> String {
    format!("field_{key}")
}

/// The fields that the merchant requires and this form lacks.
///
/// # Errors
/// 422 with the field's name.
pub(super) fn check_required(session: &Session, entered: &PayForm) -> Result<(), Error> {
    let has_holder = entered.holder.is_some() || entered.saved.is_some();
    for (flag, present, message) in [
        ("require_phone_number", entered.phone.is_some(), "Enter a phone number."),
        ("require_tax_id", entered.tax_id.is_some(), "Enter a tax ID."),
        ("require_cardholder_name", has_holder, "Enter the name on the card."),
    ] {
        if session.flag(flag, false) && !present {
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}

/// The labels of the fields, and the words by which browsers fill them in.
const FIELDS: [(&str, &str, &str); 10] = [
    ("email", "E-mail", "email"),
    ("name", "Name", "name"),
    ("phone", "Phone number", "tel"),
    ("country", "Country", "country"),
    ("street", "Street", "street-address"),
    ("city", "City", "address-level2"),
    ("state", "State or region", "address-level1"),
    ("zipcode", "Postal code", "postal-code"),
    ("tax_id", "Tax ID", "off"),
    ("business_name", "Business name", "organization"),
];

/// All fields of the form.
pub(super) fn all(
    state: &SandboxState,
    session: &Session,
    form: &Form,
    country: &str,
    saved: &[PaymentMethod],
) -> String {
    let field = |name: &str, required: bool| {
        let (_, label, autocomplete) =
            FIELDS.iter().find(|own| own.0 == name).unwrap_or(&FIELDS[0]);
        let typed = form.some(name);
        let value = typed.as_deref().or(session.given(name)).unwrap_or_default();
        let locked = session.is_locked(name);
        Field { name, label, value, autocomplete, required, locked, ..Field::default() }.html()
    };
    // A required field is never folded.
    let folded = |title, fields: String, open: bool| {
        let open = if open || session.flag("single_page", false) { " open" } else { "" };
        format!("<details{open}><summary>{title}</summary>{fields}</details>")
    };
    let sells = !matches!(session.origin, SessionOrigin::PaymentMethod { .. });
    let asks = |name, flag, required| match sells && (required || session.flag(flag, true)) {
        true => field(name, required),
        false => String::new(),
    };
    let [email, name, street, city, region, zipcode] = [
        ("email", true),
        ("name", true),
        ("street", false),
        ("city", false),
        ("state", false),
        ("zipcode", false),
    ]
    .map(|(name, required)| field(name, required));
    let country = match session.is_locked("country") {
        true => field("country", false),
        false => select("country", "Country", countries::NAMES, country),
    };
    let address = match session.asks("minimal_address") {
        true => String::new(),
        false => {
            let fields = format!("{street}<div class=\"row\">{city}{zipcode}</div>{region}");
            folded("Address", fields, false)
        }
    };
    let phone = session.flag("require_phone_number", false);
    let phone = asks("phone", "allow_phone_number_collection", phone);
    let required = session.flag("require_tax_id", false);
    let business =
        asks("business_name", "allow_tax_id", false) + &asks("tax_id", "allow_tax_id", required);
    let business = match business.is_empty() {
        true => String::new(),
        false => folded("Business", business, required),
    };
    let questions: String =
        session.custom_fields.iter().map(|question| custom_field(question, form)).collect();
    let needs_card = saved.is_empty() && (!sells || session.needs_method(state));
    let holder = Field {
        name: "holder",
        label: "Name on the card",
        value: form.get("holder"),
        autocomplete: "cc-name",
        required: needs_card,
        ..Field::default()
    };
    let holder = match session.flag("require_cardholder_name", false) {
        true => holder.html(),
        false => String::new(),
    };
    format!(
        "<h2>Your details</h2>{email}{name}{phone}{country}{address}{business}{questions}<h2>Card</h2>\
         {}{}{holder}",
        saved_cards(form, saved),
        card_fields(form, needs_card)
    )
}

/// A choice between the cards of earlier payments and a new one.
fn saved_cards(form: &Form, saved: &[PaymentMethod]) -> String {
    if saved.is_empty() {
        return String::new();
    }
    let chosen = form.some("saved").or(saved.first().map(|card| card.id.clone()));
    let choice = |value: &str, text: String| {
        let checked = if chosen.as_deref() == Some(value) { " checked" } else { "" };
        format!(
            "<label class=\"choice\"><input type=\"radio\" name=\"saved\" value=\"{}\"{checked}>{}</label>",
            Escaped(value),
            Escaped(&text)
        )
    };
    let cards: String = saved
        .iter()
        .map(|card| choice(&card.id, format!("{} ending in {}", card.network(), card.last_four())))
        .collect();
    format!(
        "<fieldset><legend>Saved cards</legend>{cards}{}</fieldset>",
        choice("new", "Another card".to_owned())
    )
}

fn card_fields(form: &Form, required: bool) -> String {
    let card = Field {
        name: "card",
        label: "Card number",
        value: form.get("card"),
        autocomplete: "cc-number",
        placeholder: "4242 4242 4242 4242",
        required,
        ..Field::default()
    };
    let expiry = Field {
        name: "expiry",
        label: "Expires",
        value: "12 / 34",
        autocomplete: "cc-exp",
        ..Field::default()
    };
    let cvc = Field {
        name: "cvc",
        label: "CVC",
        value: "123",
        autocomplete: "cc-csc",
        ..Field::default()
    };
    format!(
        "<div class=\"newcard\">{}<div class=\"row\">{}{}</div></div>",
        card.html(),
        expiry.html(),
        cvc.html()
    )
}

fn custom_field(field: &CustomField, form: &Form) -> String {
    let name = answer_name(&field.key);
    let value = form.get(&name);
    let kind = match field.field_type {
        FieldType::Dropdown | FieldType::Boolean => {
            let options = match field.field_type {
                FieldType::Boolean => vec!["yes".to_owned(), "no".to_owned()],
                _ => field.options.clone().unwrap_or_default(),
            };
            let mut choices = vec![("", "—")];
            choices.extend(options.iter().map(|option| (option.as_str(), option.as_str())));
            return select(&name, &field.label, &choices, value);
        }
        FieldType::Text => "text",
        FieldType::Number => "number",
        FieldType::Email => "email",
        FieldType::Url => "url",
        FieldType::Date => "date",
    };
    Field {
        name: &name,
        label: &field.label,
        value,
        kind,
        placeholder: field.placeholder.as_deref().unwrap_or_default(),
        required: field.required == Some(true),
        ..Field::default()
    }
    .html()
}

/// The cards that work here.
pub(super) fn test_cards() -> String {
    let rows: String = [
        (card::OK, "pays"),
        (card::DECLINED, "is declined"),
        (card::INSUFFICIENT_FUNDS, "has no funds"),
        (card::RENEWAL_FAILS, "pays once, renewals fail"),
        (card::PROCESSING_INDIA, "takes 48 hours"),
    ]
    .iter()
    .map(|(number, what)| format!("<tr><td><code>{number}</code></td><td>{what}</td></tr>"))
    .collect();
    format!("<details><summary>Test cards</summary><table class=\"sum\">{rows}</table></details>")
}

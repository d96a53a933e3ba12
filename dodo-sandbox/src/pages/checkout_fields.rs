//! What a person fills in on the checkout page.

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

/// The feature flag that shows a field.
fn flag_of(name: &str) -> &'static str {
    match name {
        "phone" => "allow_phone_number_collection",
        _ => "allow_tax_id",
    }
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

/// All fields of the form.
pub(super) fn all(
    state: &SandboxState,
    session: &Session,
    form: &Form,
    country: &str,
    saved: &[PaymentMethod],
) -> String {
    let address = session.address.as_ref();
    let locked = |name| session.locked.contains(&name);
    let field = |name: &'static str, label, autocomplete, given: Option<&String>, required| {
        let typed = form.some(name);
        Field {
            name,
            label,
            value: typed.as_ref().or(given).map_or("", String::as_str),
            autocomplete,
            required,
            locked: locked(name) && given.is_some(),
            ..Field::default()
        }
        .html()
    };
    let email = field("email", "E-mail", "email", session.buyer.email.as_ref(), true);
    let name = field("name", "Name", "name", session.buyer.name.as_ref(), true);
    let street =
        field("street", "Street", "street-address", address.and_then(|a| a.street.as_ref()), false);
    let city =
        field("city", "City", "address-level2", address.and_then(|a| a.city.as_ref()), false);
    let region = field(
        "state",
        "State or region",
        "address-level1",
        address.and_then(|a| a.state.as_ref()),
        false,
    );
    let zipcode = field(
        "zipcode",
        "Postal code",
        "postal-code",
        address.and_then(|a| a.zipcode.as_ref()),
        false,
    );
    let country = if locked("country") && address.is_some() {
        Field {
            name: "country",
            label: "Country",
            value: country,
            locked: true,
            ..Field::default()
        }
        .html()
    } else {
        select("country", "Country", countries::NAMES, country)
    };
    let questions: String =
        session.custom_fields.iter().map(|question| custom_field(question, form)).collect();
    // A required field is never folded.
    let folded = |title, fields: String, open: bool| {
        let open = if open || session.flag("single_page", false) { " open" } else { "" };
        format!("<details{open}><summary>{title}</summary>{fields}</details>")
    };
    let address = match session.asks("minimal_address") {
        true => String::new(),
        false => {
            let fields = format!("{street}<div class=\"row\">{city}{zipcode}</div>{region}");
            folded("Address", fields, false)
        }
    };
    let sells = !matches!(session.origin, SessionOrigin::PaymentMethod { .. });
    let asks = |name, label, autocomplete, given, required| match sells
        && (required || session.flag(flag_of(name), true))
    {
        true => field(name, label, autocomplete, given, required),
        false => String::new(),
    };
    let phone = session.flag("require_phone_number", false);
    let phone = asks("phone", "Phone number", "tel", session.buyer.phone.as_ref(), phone);
    let required = session.flag("require_tax_id", false);
    let tax_id = asks("tax_id", "Tax ID", "off", session.tax_id.as_ref(), required);
    let organization = session.business_name.as_ref();
    let business = asks("business_name", "Business name", "organization", organization, false);
    let business = match tax_id.is_empty() && business.is_empty() {
        true => String::new(),
        false => folded("Business", business + &tax_id, required),
    };
    let holder = match session.flag("require_cardholder_name", false) {
        true => field("holder", "Name on the card", "cc-name", None, saved.is_empty()),
        false => String::new(),
    };
    format!(
        "<h2>Your details</h2>{email}{name}{phone}{country}{address}{business}{questions}<h2>Card</h2>\
         {}{holder}",
        saved_cards(form, saved)
            + &card_fields(form, saved.is_empty() && session.needs_method(state))
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

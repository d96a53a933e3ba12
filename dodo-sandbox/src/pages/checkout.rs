//! The hosted checkout page.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};

use serde_json::Value;

use super::{
    Escaped, Page, checkout_fields, checkout_summary, form::Form, see_other, theme::Theme,
};
use crate::{
    Error,
    api::products::BRANDS,
    app::App,
    flow::{
        checkout::{self, Paid, PayForm, open_session},
        complete::ChargeOutcome,
        quote::{Terms, currencies, quote},
    },
    money,
    state::{
        SandboxState,
        address::Address,
        card::PaymentMethod,
        session::{AddonItem, CartItem, CustomField, Progress, Session, SessionOrigin},
    },
};

/// GET /session/{id}
pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let page = app.with(|state| page(state, &id, &Form::default(), None));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

/// POST /session/{id}/pay
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    form: Form,
) -> Response {
    app.change(|state| {
        match form.get("action") {
            "discount" => return discount(state, &id, &form),
            "no_discount" => {
                if let Some(session) = state.sessions.get_mut(&id) {
                    session.discount_codes.clear();
                }
                return render_form(state, &id, &form, "");
            }
            _ => {}
        }
        let paid = match submit(state, &id, &form) {
            Ok(Submitted::Paid(paid)) => paid,
            Ok(Submitted::Repriced) => {
                return render_form(
                    state,
                    &id,
                    &form,
                    "The total has changed. Look at it, then pay.",
                );
            }
            Err(error) if open_session(state, &id).is_ok() => {
                return render_form(state, &id, &form, error.message());
            }
            Err(error) => return Page::error(&error).into_response(),
        };
        let open = state.sessions.get(&id).is_some_and(|s| s.progress == Progress::Open);
        match (paid.outcome, paid.redirect) {
            (ChargeOutcome::Declined, _) if open => {
                let error = state.payments.get(&paid.payment_id).and_then(|payment| payment.error);
                render_form(
                    state,
                    &id,
                    &form,
                    error.map_or("The payment was declined.", |(_, text)| text),
                )
            }
            (_, Some(url)) if !state.sessions.get(&id).is_some_and(Session::shows_result) => {
                see_other(&url)
            }
            _ => see_other(&format!("/session/{id}")),
        }
    })
}

/// Adds a discount code, if the cart's price follows from it.
fn discount(state: &mut SandboxState, id: &str, form: &Form) -> Response {
    let code = form.get("discount_code");
    let priced = open_session(state, id).and_then(|session| {
        let mut codes = session.discount_codes.clone();
        codes.push(code.to_owned());
        let country = chosen_country(session, form);
        let terms = Terms { discount_codes: &codes, ..terms(session, form, &country) };
        quote(state, &session.cart, terms).map(|_| codes)
    });
    let message = match priced {
        Ok(_) if code.is_empty() => "Enter a discount code.",
        Ok(codes) => {
            if let Some(session) = state.sessions.get_mut(id) {
                session.discount_codes = codes;
            }
            ""
        }
        Err(error) => return render_form(state, id, form, error.message()),
    };
    render_form(state, id, form, message)
}

/// The result of a submitted form.
enum Submitted {
    Paid(Paid),
    /// The total differs from the total on the page.
    Repriced,
}

fn submit(state: &mut SandboxState, id: &str, form: &Form) -> Result<Submitted, Error> {
    let session = open_session(state, id)?;
    let cart = chosen_cart(state, session, form)?;
    let entered = read(state, session, form);
    checkout_fields::check_required(session, &entered)?;
    let priced = terms(session, form, &entered.address.country);
    let currency = priced.currency.map(str::to_owned);
    if !cart.is_empty() {
        let quote = quote(state, &cart, priced)?;
        let changed = |name, now: &str| form.some(name).is_some_and(|shown| shown != now);
        if changed("shown_total", &quote.total.to_string())
            || changed("shown_currency", &quote.currency)
        {
            return Ok(Submitted::Repriced);
        }
    }
    let session = state.sessions.find_mut(id)?;
    (session.cart, session.currency) = (cart, currency);
    checkout::pay(state, id, entered).map(Submitted::Paid)
}

fn terms<'a>(session: &'a Session, form: &'a Form, country: &'a str) -> Terms<'a> {
    let chosen = Some(form.get("currency")).filter(|chosen| !chosen.is_empty());
    let chosen = chosen.filter(|_| may_choose_currency(session));
    Terms { country, currency: chosen.or(session.currency.as_deref()), ..session.terms() }
}

fn may_choose_currency(session: &Session) -> bool {
    session.is_free() && session.flag("allow_currency_selection", true)
}

fn may_choose_addons(session: &Session) -> bool {
    session.is_free() && session.flag("allow_editing_addons", false)
}

/// The cart with the amount and the addons that the customer chose, where they may choose.
fn chosen_cart(
    state: &SandboxState,
    session: &Session,
    form: &Form,
) -> Result<Vec<CartItem>, Error> {
    let mut cart = session.cart.clone();
    for (place, item) in cart.iter_mut().enumerate() {
        let product = state.products.find(&item.product_id)?;
        if let (true, Some(text)) = (product.pay_what_you_want, form.some("amount")) {
            let amount = money::parse(&text, &product.currency);
            item.amount = Some(amount.ok_or_else(|| Error::invalid("Enter an amount."))?);
        }
        for id in product.addon_ids().filter(|_| may_choose_addons(session)) {
            let Some(text) = form.some(&checkout_summary::addon_name(place, id)) else { continue };
            let quantity = text.parse().map_err(|_| Error::invalid("Enter a number of units."))?;
            item.addons.retain(|addon| addon.addon_id != id);
            item.addons.push(AddonItem { addon_id: id.to_owned(), quantity });
        }
    }
    Ok(cart)
}

/// POST /session/{id}/leave: back to the shop without paying.
pub(crate) async fn abandon(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _form: Form,
) -> Response {
    app.change(|state| match checkout::cancel_target(state, &id) {
        Ok(Some(url)) => see_other(&url),
        Ok(None) => {
            let text = "Nothing was paid. You can close this page.";
            Page::new("Left", message("You left the checkout", text)).into_response()
        }
        Err(error) => Page::error(&error).into_response(),
    })
}

/// The page once more, with the entered values and a message.
fn render_form(state: &SandboxState, id: &str, form: &Form, message: &str) -> Response {
    let page = page(state, id, form, Some(message).filter(|message| !message.is_empty()));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

fn read(state: &SandboxState, session: &Session, form: &Form) -> PayForm {
    let field = |name: &str| match session.given(name) {
        Some(value) if session.is_locked(name) => value.to_owned(),
        _ => form.get(name).to_owned(),
    };
    let part = |name: &str| Some(field(name)).filter(|value| !value.is_empty());
    let answer = |question: &CustomField| {
        Some((question.key.clone(), form.some(&checkout_fields::answer_name(&question.key))?))
    };
    PayForm {
        email: field("email"),
        name: field("name"),
        address: Address {
            country: field("country"),
            city: part("city"),
            state: part("state"),
            street: part("street"),
            zipcode: part("zipcode"),
        },
        card: form.get("card").to_owned(),
        saved: saved_cards(state, session).into_iter().find(|card| card.id == form.get("saved")),
        phone: form.some("phone"),
        holder: form.some("holder"),
        tax_id: part("tax_id"),
        business_name: part("business_name"),
        answers: session.custom_fields.iter().filter_map(answer).collect(),
    }
}

/// The page of a session.
pub(crate) fn page(
    state: &SandboxState,
    id: &str,
    form: &Form,
    alert: Option<&str>,
) -> Result<Page, Error> {
    let session = match open_session(state, id) {
        Ok(session) => session,
        Err(error) => return consumed(state, id).ok_or(error),
    };
    let country = chosen_country(session, form);
    // An amount that cannot be used is named by the alert; the page goes on with the one before.
    let cart = chosen_cart(state, session, form).unwrap_or_else(|_| session.cart.clone());
    let quote = match &session.origin {
        SessionOrigin::PaymentMethod { .. } => None,
        _ => Some(quote(state, &cart, terms(session, form, &country)).or_else(|_| {
            quote(state, &session.cart, Terms { country: &country, ..session.terms() })
        })?),
    };
    let summary = match &quote {
        Some(quote) => {
            let mut summary = checkout_summary::summary(session, quote);
            if may_choose_addons(session) {
                summary += &checkout_summary::addon_fields(state, quote);
            }
            if may_choose_currency(session) {
                let choices = currencies(state, &cart, terms(session, form, &country));
                summary += &checkout_summary::currency_field(&choices, &quote.currency);
            }
            summary + &checkout_summary::discount_field(session, form)
        }
        None => "<h2>New payment method</h2><p class=\"soft\">Nothing is charged now unless a \
                 payment is overdue.</p>"
            .to_owned(),
    };
    let text = session.look("theme_config").and_then(|config| config.get("pay_button_text"));
    let pay = match &quote {
        Some(_) if text.is_some_and(Value::is_string) => {
            text.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Some(quote) if quote.total > 0 => {
            format!("Pay {}", money::show(quote.total, &quote.currency))
        }
        Some(_) => "Start".to_owned(),
        None => "Save".to_owned(),
    };
    let alert = alert.map_or(String::new(), |text| {
        format!("<p class=\"alert\" role=\"alert\">{}</p>", Escaped(text))
    });
    let brand = cart.first().and_then(|item| state.get(&BRANDS, state.brand_of(&item.product_id)));
    let merchant = brand.and_then(|brand| brand.text("name"));
    let merchant = merchant.unwrap_or(&state.settings.business_name);
    let logo = brand.and_then(|brand| brand.text("image"));
    let logo = match logo.or(state.settings.business_logo.as_deref()) {
        Some(url) => format!("<img class=\"logo\" src=\"{}\" alt=\"\">", Escaped(url)),
        None => checkout_summary::mark(merchant, "logo"),
    };
    let body = format!(
        "<main class=\"checkout\"><header class=\"merchant\">{logo}<h1>{merchant}</h1>{leave}</header>\
         <form method=\"post\" action=\"/session/{id}/pay\" class=\"split\">\
         <section class=\"card\" aria-label=\"Order\">{summary}</section>\
         <section class=\"card\" aria-label=\"Payment\">{alert}{shown}{amount}{fields}\
         <button class=\"main wide\" id=\"pay\" name=\"action\" value=\"pay\">{pay}</button>{cards}</section>\
         </form></main>",
        merchant = Escaped(merchant),
        leave = checkout_summary::leave_button(session),
        shown = quote.as_ref().map_or(String::new(), checkout_summary::shown_total),
        amount = quote.as_ref().map_or(String::new(), checkout_summary::amount_field),
        fields = checkout_fields::all(state, session, form, &country, &saved_cards(state, session)),
        pay = Escaped(&pay),
        cards = checkout_fields::test_cards(),
        id = Escaped(&session.id),
    );
    Ok(Page::new(format!("Checkout · {merchant}"), body).themed(Theme::from_session(session)))
}

/// The cards that a known customer has paid with, if the merchant wants them on the page.
fn saved_cards(state: &SandboxState, session: &Session) -> Vec<PaymentMethod> {
    match &session.buyer.customer_id {
        Some(customer) if session.asks("show_saved_payment_methods") => {
            let methods = state.payment_methods(customer);
            methods.into_iter().map(|(method, _)| method.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// The page of a session that is paid already.
fn consumed(state: &SandboxState, id: &str) -> Option<Page> {
    let session = state.sessions.get(id)?;
    let Progress::Consumed { redirect } = &session.progress else { return None };
    let payment = session.payment_id.as_ref().and_then(|id| state.payments.get(id))?;
    let (title, color, text) = match payment.status {
        Some("succeeded") => ("Thank you", "good", "Your payment was successful."),
        Some("processing") => ("Payment in progress", "", "Your bank is working on the payment."),
        _ => ("Not paid", "bad", "The payment did not go through."),
    };
    let back = redirect.as_ref().map_or(String::new(), |url| {
        format!("<p><a class=\"button main\" href=\"{}\">Back to the shop</a></p>", Escaped(url))
    });
    let body = format!(
        "<main class=\"card narrow\"><h1>{title}</h1><p class=\"{color}\">{text}</p><dl><dt>Amount</dt><dd>{}</dd>\
         <dt>Payment</dt><dd><code>{}</code></dd></dl>{back}</main>",
        money::show(payment.total, &payment.currency),
        Escaped(&payment.id),
    );
    Some(Page::new(title, body).themed(Theme::from_session(session)))
}

fn message(title: &str, text: &str) -> String {
    format!("<main class=\"card narrow\"><h1>{title}</h1><p>{text}</p></main>")
}

fn chosen_country(session: &Session, form: &Form) -> String {
    let given = session.address.as_ref().map(|address| address.country.clone());
    form.some("country").or(given).unwrap_or_else(|| "US".to_owned())
}

//! The hosted checkout page.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};

use super::{
    Esc, Page, checkout_fields,
    form::{Field, Form},
    see_other,
};
use crate::{
    Error,
    app::App,
    flow::{
        checkout::{self, Paid, PayForm, open_session},
        complete::Outcome,
        quote::{Quote, Terms, quote},
    },
    money,
    state::{
        World,
        card::PaymentMethod,
        customer::Address,
        session::{CartItem, Origin, Progress, Session},
    },
};

/// GET /session/{id}
pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let page = app.with(|world| page(world, &id, &Form::default(), None));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

/// POST /session/{id}/pay
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    form: Form,
) -> Response {
    app.change(|world| {
        match form.get("action") {
            "discount" => return discount(world, &id, &form),
            "no_discount" => {
                if let Some(session) = world.sessions.get_mut(&id) {
                    session.discount_codes.clear();
                }
                return again(world, &id, &form, "");
            }
            _ => {}
        }
        let paid = match submit(world, &id, &form) {
            Ok(Submitted::Paid(paid)) => paid,
            Ok(Submitted::Repriced) => {
                return again(world, &id, &form, "The total has changed. Look at it, then pay.");
            }
            Err(error) if open_session(world, &id).is_ok() => {
                return again(world, &id, &form, error.message());
            }
            Err(error) => return Page::error(&error).into_response(),
        };
        let open = world.sessions.get(&id).is_some_and(|s| s.progress == Progress::Open);
        match (paid.outcome, paid.redirect) {
            (Outcome::Declined, _) if open => {
                let error = world.payments.get(&paid.payment_id).and_then(|payment| payment.error);
                again(
                    world,
                    &id,
                    &form,
                    error.map_or("The payment was declined.", |(_, text)| text),
                )
            }
            (_, Some(url)) => see_other(&url),
            (_, None) => see_other(&format!("/session/{id}")),
        }
    })
}

/// Adds a discount code, if the cart's price follows from it.
fn discount(world: &mut World, id: &str, form: &Form) -> Response {
    let code = form.get("discount_code");
    let priced = open_session(world, id).and_then(|session| {
        let mut codes = session.discount_codes.clone();
        codes.push(code.to_owned());
        let country = chosen_country(session, form);
        let terms = Terms { discount_codes: &codes, ..terms(session, &country) };
        quote(world, &session.cart, terms).map(|_| codes)
    });
    let message = match priced {
        Ok(_) if code.is_empty() => "Enter a discount code.",
        Ok(codes) => {
            if let Some(session) = world.sessions.get_mut(id) {
                session.discount_codes = codes;
            }
            ""
        }
        Err(error) => return again(world, id, form, error.message()),
    };
    again(world, id, form, message)
}

/// What a submitted form led to.
enum Submitted {
    Paid(Paid),
    /// Country or amount make another total than the page showed.
    Repriced,
}

fn submit(world: &mut World, id: &str, form: &Form) -> Result<Submitted, Error> {
    let session = open_session(world, id)?;
    let cart = chosen_cart(world, session, form)?;
    let entered = read(world, session, form);
    if !cart.is_empty() {
        let total = quote(world, &cart, terms(session, &entered.address.country))?.total;
        if form.some("shown_total").is_some_and(|shown| shown != total.to_string()) {
            return Ok(Submitted::Repriced);
        }
    }
    world.sessions.find_mut(id)?.cart = cart;
    checkout::pay(world, id, entered).map(Submitted::Paid)
}

fn terms<'a>(session: &'a Session, country: &'a str) -> Terms<'a> {
    Terms { country, ..session.terms() }
}

/// The cart with the amount that the customer chose, where they may choose.
fn chosen_cart(world: &World, session: &Session, form: &Form) -> Result<Vec<CartItem>, Error> {
    let Some(text) = form.some("amount") else { return Ok(session.cart.clone()) };
    let mut cart = session.cart.clone();
    for item in &mut cart {
        let product = world.products.find(&item.product_id)?;
        if product.pay_what_you_want {
            let amount = money::parse(&text, &product.currency);
            item.amount = Some(amount.ok_or_else(|| Error::invalid("Enter an amount."))?);
        }
    }
    Ok(cart)
}

/// POST /session/{id}/leave: back to the shop without paying.
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _form: Form,
) -> Response {
    app.change(|world| match checkout::leave(world, &id) {
        Ok(Some(url)) => see_other(&url),
        Ok(None) => {
            let text = "Nothing was paid. You can close this page.";
            Page::new("Left", message("You left the checkout", text)).into_response()
        }
        Err(error) => Page::error(&error).into_response(),
    })
}

/// The page once more, with what was entered and what is wrong with it.
fn again(world: &World, id: &str, form: &Form, message: &str) -> Response {
    let page = page(world, id, form, Some(message).filter(|message| !message.is_empty()));
    page.unwrap_or_else(|error| Page::error(&error)).into_response()
}

fn read(world: &World, session: &Session, form: &Form) -> PayForm {
    let locked = |name: &str, given: Option<&String>| match given {
        Some(value) if session.locked.contains(&name) => value.clone(),
        _ => form.get(name).to_owned(),
    };
    let address = session.address.as_ref();
    let part = |name: &str, given: Option<&String>| {
        Some(locked(name, given)).filter(|value| !value.is_empty())
    };
    PayForm {
        email: locked("email", session.buyer.email.as_ref()),
        name: locked("name", session.buyer.name.as_ref()),
        address: Address {
            country: locked("country", address.map(|address| &address.country)),
            city: part("city", address.and_then(|address| address.city.as_ref())),
            state: part("state", address.and_then(|address| address.state.as_ref())),
            street: part("street", address.and_then(|address| address.street.as_ref())),
            zipcode: part("zipcode", address.and_then(|address| address.zipcode.as_ref())),
        },
        card: form.get("card").to_owned(),
        saved: saved_cards(world, session).into_iter().find(|card| card.id == form.get("saved")),
        answers: session
            .custom_fields
            .iter()
            .filter_map(|field| {
                Some((field.key.clone(), form.some(&checkout_fields::answer_name(&field.key))?))
            })
            .collect(),
    }
}

/// The page of a session.
pub(crate) fn page(
    world: &World,
    id: &str,
    form: &Form,
    alert: Option<&str>,
) -> Result<Page, Error> {
    let session = match open_session(world, id) {
        Ok(session) => session,
        Err(error) => return consumed(world, id).ok_or(error),
    };
    let country = chosen_country(session, form);
    // An amount that cannot be used is named by the alert; the page goes on with the one before.
    let cart = chosen_cart(world, session, form).unwrap_or_else(|_| session.cart.clone());
    let quote = match &session.origin {
        Origin::PaymentMethod { .. } => None,
        _ => Some(
            quote(world, &cart, terms(session, &country))
                .or_else(|_| quote(world, &session.cart, terms(session, &country)))?,
        ),
    };
    let summary = match &quote {
        Some(quote) => summary(quote) + &discount_field(session, form),
        None => "<h2>New payment method</h2><p class=\"soft\">Nothing is charged now unless a \
                 payment is overdue.</p>"
            .to_owned(),
    };
    let pay = match &quote {
        Some(quote) if quote.total > 0 => {
            format!("Pay {}", money::show(quote.total, &quote.currency))
        }
        Some(_) => "Start".to_owned(),
        None => "Save".to_owned(),
    };
    let alert = alert.map_or(String::new(), |text| {
        format!("<p class=\"alert\" role=\"alert\">{}</p>", Esc(text))
    });
    let merchant = &world.settings.business_name;
    let logo = match &world.settings.business_logo {
        Some(url) => format!("<img class=\"logo\" src=\"{}\" alt=\"\">", Esc(url)),
        None => mark(merchant, "logo"),
    };
    let body = format!(
        "<main class=\"checkout\"><header class=\"merchant\">{logo}<h1>{merchant}</h1>{leave}</header>\
         <form method=\"post\" action=\"/session/{id}/pay\" class=\"split\">\
         <section class=\"card\" aria-label=\"Order\">{summary}</section>\
         <section class=\"card\" aria-label=\"Payment\">{alert}{shown}{amount}{fields}\
         <button class=\"main wide\" id=\"pay\" name=\"action\" value=\"pay\">{pay}</button>{cards}</section>\
         </form></main>",
        merchant = Esc(merchant),
        leave = leave_button(session),
        shown = quote.as_ref().map_or(String::new(), shown_total),
        amount = quote.as_ref().map_or(String::new(), amount_field),
        fields = checkout_fields::all(session, form, &country, &saved_cards(world, session)),
        pay = Esc(&pay),
        cards = checkout_fields::test_cards(),
        id = Esc(&session.id),
    );
    Ok(Page::new(format!("Checkout · {merchant}"), body).themed(theme(session)))
}

/// The theme that the merchant chose for the page.
fn theme(session: &Session) -> Option<&str> {
    session.page.get("customization")?.get("theme")?.as_str()
}

/// The cards that a known customer has paid with, if the merchant wants them on the page.
fn saved_cards(world: &World, session: &Session) -> Vec<PaymentMethod> {
    match &session.buyer.customer_id {
        Some(customer) if session.asks("show_saved_payment_methods") => {
            let methods = world.payment_methods(customer);
            methods.into_iter().map(|(method, _)| method.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// The first letter of a name, where an image is missing.
fn mark(name: &str, class: &str) -> String {
    let letter = name.chars().next().unwrap_or('·').to_uppercase().to_string();
    format!("<span class=\"{class} mark\" aria-hidden=\"true\">{}</span>", Esc(&letter))
}

fn discount_field(session: &Session, form: &Form) -> String {
    let flags = session.page.get("feature_flags");
    if flags.and_then(|flags| flags.get("allow_discount_code")).is_some_and(|flag| flag == false) {
        return String::new();
    }
    if let [first, ..] = session.discount_codes.as_slice() {
        return format!(
            "<p class=\"actions\"><span>Discount code <strong>{}</strong></span>\
             <button class=\"small\" name=\"action\" value=\"no_discount\" formnovalidate>Remove</button></p>",
            Esc(first)
        );
    }
    format!(
        "<div class=\"discount\"><label>Discount code<input name=\"discount_code\" value=\"{}\" \
         maxlength=\"100\" autocomplete=\"off\"></label>\
         <button name=\"action\" value=\"discount\" formnovalidate>Apply</button></div>",
        Esc(form.get("discount_code"))
    )
}

fn shown_total(quote: &Quote) -> String {
    format!("<input type=\"hidden\" name=\"shown_total\" value=\"{}\">", quote.total)
}

/// Where the customer chooses what to pay.
fn amount_field(quote: &Quote) -> String {
    let Some(line) = quote.lines.iter().find(|line| line.product.pay_what_you_want) else {
        return String::new();
    };
    let each = line.subtotal / i64::from(line.quantity.max(1));
    let least = money::show(line.product.price, &quote.currency);
    Field {
        name: "amount",
        label: &format!("Your price in {}, at least {least}", quote.currency),
        value: &money::major(each, &quote.currency),
        required: true,
        ..Field::default()
    }
    .html()
}

/// What somebody sees who comes back to a page they used.
fn consumed(world: &World, id: &str) -> Option<Page> {
    let session = world.sessions.get(id)?;
    let Progress::Consumed { redirect } = &session.progress else { return None };
    let payment = session.payment_id.as_ref().and_then(|id| world.payments.get(id))?;
    let (title, text) = match payment.status {
        Some("succeeded") => ("Thank you", "Your payment was successful."),
        Some("processing") => ("Payment in progress", "Your bank is working on the payment."),
        _ => ("Not paid", "The payment did not go through."),
    };
    let back = redirect.as_ref().map_or(String::new(), |url| {
        format!("<p><a class=\"button main\" href=\"{}\">Back to the shop</a></p>", Esc(url))
    });
    let body = format!(
        "<main class=\"card narrow\"><h1>{title}</h1><p>{text}</p><dl><dt>Amount</dt><dd>{}</dd>\
         <dt>Payment</dt><dd><code>{}</code></dd></dl>{back}</main>",
        money::show(payment.total, &payment.currency),
        Esc(&payment.id),
    );
    Some(Page::new(title, body).themed(theme(session)))
}

fn message(title: &str, text: &str) -> String {
    format!("<main class=\"card narrow\"><h1>{title}</h1><p>{text}</p></main>")
}

fn leave_button(session: &Session) -> String {
    // As at Dodo, the way back shows only when the merchant gave a place to go.
    let text =
        if session.cancel_url.is_some() { "← Back to the shop" } else { "Leave without paying" };
    format!(
        "<form class=\"leave\" method=\"post\" action=\"/session/{}/leave\"><button class=\"quiet\" id=\"leave\">{text}\
         </button></form>",
        Esc(&session.id)
    )
}

fn chosen_country(session: &Session, form: &Form) -> String {
    let given = session.address.as_ref().map(|address| address.country.clone());
    form.some("country").or(given).unwrap_or_else(|| "US".to_owned())
}

fn summary(quote: &Quote) -> String {
    let show = |amount| money::show(amount, &quote.currency);
    let mut rows = String::new();
    for line in &quote.lines {
        let times =
            if line.quantity > 1 { format!(" × {}", line.quantity) } else { String::new() };
        let terms = line.recurring().map_or(String::new(), |recurring| {
            let every = recurring.every;
            let unit = every.interval.as_str().to_lowercase();
            let rhythm = match every.count {
                1 => format!("every {unit}"),
                count => format!("every {count} {unit}s"),
            };
            let trial = match line.trial_days {
                0 => String::new(),
                days => format!("{days} days trial, then "),
            };
            format!("{trial}{} {rhythm}", show(line.recurring_amount))
        });
        let image = match line.product.fields.get("image").and_then(|image| image.as_str()) {
            Some(url) => format!("<img class=\"picture\" src=\"{}\" alt=\"\">", Esc(url)),
            None => mark(&line.product.name, "picture"),
        };
        let about = line.product.description.as_deref().unwrap_or_default();
        rows += &format!(
            "<tr><td>{image}</td><td><strong>{}</strong>{times}<br><span class=\"soft\">{}</span>{}</td>\
             <td>{}</td></tr>",
            Esc(&line.product.name),
            Esc(about),
            if terms.is_empty() { String::new() } else { format!("<br>{}", Esc(&terms)) },
            show(line.subtotal),
        );
    }
    if quote.discount > 0 {
        rows +=
            &format!("<tr><td colspan=\"2\">Discount</td><td>{}</td></tr>", show(-quote.discount));
    }
    let inclusive = quote.lines.iter().all(|line| line.product.tax_inclusive);
    let tax = if inclusive { "Tax (included)" } else { "Tax" };
    rows += &format!("<tr><td colspan=\"2\">{tax}</td><td>{}</td></tr>", show(quote.tax));
    format!(
        "<h2>Your order</h2><table class=\"sum\">{rows}<tr class=\"total\"><td colspan=\"2\">Due now</td>\
         <td id=\"total\">{}</td></tr></table>",
        show(quote.total)
    )
}

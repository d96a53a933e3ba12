//! The cart and its total on the checkout page.

use serde_json::Value;

use super::{
    Escaped,
    form::{Field, Form, select},
};
use crate::{
    api::products::ADDONS,
    flow::quote::Quote,
    money,
    state::{SandboxState, session::Session},
};

/// The first letter of a name, where an image is missing.
pub(super) fn mark(name: &str, class: &str) -> String {
    let letter = name.chars().next().unwrap_or('·').to_uppercase().to_string();
    format!("<span class=\"{class} mark\" aria-hidden=\"true\">{}</span>", Escaped(&letter))
}

pub(super) fn discount_field(session: &Session, form: &Form) -> String {
    if !session.flag("allow_discount_code", true) {
        return String::new();
    }
    if let [first, ..] = session.discount_codes.as_slice() {
        return format!(
            "<p class=\"actions\"><span>Discount code <strong>{}</strong></span>\
             <button class=\"small\" name=\"action\" value=\"no_discount\" formnovalidate>Remove</button></p>",
            Escaped(first)
        );
    }
    format!(
        "<div class=\"discount\"><label>Discount code<input name=\"discount_code\" value=\"{}\" \
         maxlength=\"100\" autocomplete=\"off\"></label>\
         <button name=\"action\" value=\"discount\" formnovalidate>Apply</button></div>",
        Escaped(form.get("discount_code"))
    )
}

pub(super) fn shown_total(quote: &Quote) -> String {
    format!(
        "<input type=\"hidden\" name=\"shown_total\" value=\"{}\">\
         <input type=\"hidden\" name=\"shown_currency\" value=\"{}\">",
        quote.total,
        Escaped(&quote.currency)
    )
}

/// The field in which the customer chooses the price.
pub(super) fn amount_field(quote: &Quote) -> String {
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

/// A choice between the currencies that the cart has prices in.
pub(super) fn currency_field(currencies: &[String], chosen: &str) -> String {
    if currencies.len() < 2 {
        return String::new();
    }
    let options: Vec<_> = currencies.iter().map(|own| (own.as_str(), own.as_str())).collect();
    select("currency", "Currency", &options, chosen)
}

/// The name of the field with the units of an addon of one position.
pub(super) fn addon_name(place: usize, id: &str) -> String {
    format!("addon_{place}_{id}")
}

/// The units of the addons that the products offer.
pub(super) fn addon_fields(state: &SandboxState, quote: &Quote) -> String {
    let mut fields = String::new();
    for (place, line) in quote.lines.iter().enumerate() {
        for id in line.product.addon_ids() {
            let Some(addon) = state.get(&ADDONS, id) else { continue };
            let units = line.addons.iter().find(|own| own.item.addon_id == id);
            fields += &Field {
                name: &addon_name(place, id),
                label: &format!("{}: units of {}", line.product.name, addon.str("name")),
                value: &units.map_or(0, |own| own.item.quantity).to_string(),
                kind: "number",
                ..Field::default()
            }
            .html();
        }
    }
    fields
}

pub(super) fn leave_button(session: &Session) -> String {
    // As at Dodo, the way back shows only when the merchant gave a place to go.
    let text =
        if session.cancel_url.is_some() { "← Back to the shop" } else { "Leave without paying" };
    format!(
        "<form class=\"leave\" method=\"post\" action=\"/session/{}/leave\"><button class=\"quiet\" id=\"leave\">{text}\
         </button></form>",
        Escaped(&session.id)
    )
}

/// The positions and the total. `show_order_details: false` folds the positions.
pub(super) fn summary(session: &Session, quote: &Quote) -> String {
    let show = |amount| money::show(amount, &quote.currency);
    let is_off = |option: &str| session.look(option) == Some(&Value::Bool(false));
    let on_demand = session.on_demand.is_some() && !is_off("show_on_demand_tag");
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
            Some(url) => format!("<img class=\"picture\" src=\"{}\" alt=\"\">", Escaped(url)),
            None => mark(&line.product.name, "picture"),
        };
        let tag = match on_demand && line.recurring().is_some() {
            true => " <span class=\"badge\">On demand</span>",
            false => "",
        };
        let about = line.product.description.as_deref().unwrap_or_default();
        rows += &format!(
            "<tr><td>{image}</td><td><strong>{}</strong>{times}{tag}<br><span class=\"soft\">{}</span>{}</td>\
             <td>{}</td></tr>",
            Escaped(&line.product.name),
            Escaped(about),
            if terms.is_empty() { String::new() } else { format!("<br>{}", Escaped(&terms)) },
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
    let details = format!("<table class=\"sum\">{rows}</table>");
    let details = match is_off("show_order_details") {
        true => format!("<details><summary>Order details</summary>{details}</details>"),
        false => details,
    };
    format!(
        "<h2>Your order</h2>{details}<table class=\"sum\"><tr class=\"total\"><td>Due now</td>\
         <td id=\"total\">{}</td></tr></table>",
        show(quote.total)
    )
}

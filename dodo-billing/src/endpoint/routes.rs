//! The table of paths below the mounted one.

use std::time::Duration;

use dodo_core::{Error, ErrorKind, client::Cancellation, event::CancellationFeedback};
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Asked, Fields, invalid, state::licenses, state_of};
use crate::{
    access::Access,
    actions::{AfterCheckout, ChangeWhen, CheckoutOptions, PlanChanged},
    owner_handle::Owner,
};

/// The most payments of one page.
const PAGE: usize = 100;

/// A route.
pub(super) enum Route<'a> {
    State,
    Plans,
    Checkout,
    Return,
    PreviewChange,
    Change,
    DropChange,
    Cancel,
    Resume,
    PaymentMethod,
    Portal,
    OpenPortal,
    Payments,
    Invoice(&'a str),
    Licenses,
    ActivateLicense,
    ValidateLicense,
    DeactivateLicense,
}

/// The route of a path below the mounted one. `Err`: the methods that the path has.
///
/// # Errors
/// 404.
pub(super) fn find<'a>(
    method: &Method,
    path: &'a str,
) -> Result<Result<Route<'a>, &'static str>, Error> {
    let get = |route| (Some(route), None, None, "GET");
    let post = |route| (None, Some(route), None, "POST");
    let (of_get, of_post, of_delete, allow) = match path {
        "/" => get(Route::State),
        "/plans" => get(Route::Plans),
        "/checkout" => post(Route::Checkout),
        "/return" => get(Route::Return),
        "/change/preview" => post(Route::PreviewChange),
        "/change" => (None, Some(Route::Change), Some(Route::DropChange), "POST, DELETE"),
        "/change/drop" => post(Route::DropChange),
        "/cancel" => post(Route::Cancel),
        "/resume" => post(Route::Resume),
        "/payment-method" => post(Route::PaymentMethod),
        "/portal" => (Some(Route::OpenPortal), Some(Route::Portal), None, "GET, POST"),
        "/payments" => get(Route::Payments),
        "/licenses" => get(Route::Licenses),
        "/licenses/activate" => post(Route::ActivateLicense),
        "/licenses/validate" => post(Route::ValidateLicense),
        "/licenses/deactivate" => post(Route::DeactivateLicense),
        _ => match path.strip_prefix("/invoices/") {
            Some(id) if !id.is_empty() && !id.contains('/') => get(Route::Invoice(id)),
            _ => return Err(Error::new(ErrorKind::NotFound, "there is no such route")),
        },
    };
    let route = match *method {
        Method::GET => of_get,
        Method::POST => of_post,
        _ => of_delete,
    };
    Ok(route.ok_or(allow))
}

impl Route<'_> {
    pub(super) async fn run(self, asked: Asked, wait: Duration) -> Result<Answer, Error> {
        let Asked { owner, email, captured, query, mut fields, .. } = asked;
        match self {
            Self::State => state(&owner, owner.access().await?),
            Self::Plans => Ok(Answer::Json(plans(&owner).await?)),
            Self::Checkout => {
                let name = plan_or_product(&mut fields)?;
                let mut options = CheckoutOptions::of(name);
                options.quantity = fields.number("quantity")?.unwrap_or(1);
                options.force = fields.flag("force")?;
                options.email = email;
                options.captured = captured;
                fields.end()?;
                let opened = owner.checkout(options).await?;
                Ok(Answer::Link("checkout_url", opened.checkout_url))
            }
            Self::Return => {
                let key = parameter(&query, "checkout").unwrap_or_default();
                Ok(Answer::Result(match owner.after_checkout(&key, wait).await? {
                    AfterCheckout::Done(_) => "done",
                    AfterCheckout::Pending => "pending",
                    AfterCheckout::Failed => "failed",
                }))
            }
            Self::PreviewChange => {
                let subscription = fields.text("subscription")?;
                let name = plan_or_product(&mut fields)?;
                let quantity = fields.number("quantity")?;
                let when = match fields.text("when")?.as_deref() {
                    None => None,
                    Some("now") => Some(ChangeWhen::Now),
                    Some("period_end") => Some(ChangeWhen::PeriodEnd),
                    Some(_) => return Err(invalid("when", "this must be now or period_end")),
                };
                fields.end()?;
                let subscription = subscription.as_deref();
                let price = owner.preview_change(subscription, &name, quantity, when).await?;
                Ok(Answer::Json(serde_json::to_value(price).unwrap_or_default()))
            }
            Self::Change => {
                let quote = fields.text("quote")?;
                fields.end()?;
                match owner.change(&quote.unwrap_or_default()).await? {
                    PlanChanged::Done(access) => state(&owner, *access),
                    PlanChanged::NeedsCustomer(url) => Ok(Answer::Payment(url)),
                }
            }
            Self::DropChange => {
                let subscription = fields.text("subscription")?;
                fields.end()?;
                let access = owner.drop_change(subscription.as_deref()).await?;
                state(&owner, access)
            }
            Self::Cancel => {
                let subscription = fields.text("subscription")?;
                let mut cancellation = match fields.text("when")?.as_deref() {
                    None | Some("period_end") => Cancellation::at_period_end(),
                    Some("now") => Cancellation::now(),
                    Some(_) => return Err(invalid("when", "this must be now or period_end")),
                };
                if let Some(feedback) = fields.text("feedback")? {
                    cancellation = cancellation.feedback(match feedback.as_str().into() {
                        CancellationFeedback::Other(_) => {
                            return Err(invalid("feedback", "this feedback is unknown"));
                        }
                        known => known,
                    });
                }
                if let Some(comment) = fields.text("comment")? {
                    cancellation = cancellation.comment(comment);
                }
                fields.end()?;
                let access = owner.cancel(subscription.as_deref(), &cancellation).await?;
                state(&owner, access)
            }
            Self::Resume => {
                let subscription = fields.text("subscription")?;
                fields.end()?;
                let access = owner.resume(subscription.as_deref()).await?;
                state(&owner, access)
            }
            Self::PaymentMethod => {
                let subscription = fields.text("subscription")?;
                fields.end()?;
                let url = owner.payment_method_link(subscription.as_deref()).await?;
                Ok(Answer::Link("url", url))
            }
            Self::Portal => {
                fields.end()?;
                Ok(Answer::Link("url", owner.portal_link(email.as_deref()).await?))
            }
            // A link of a page opens the portal and creates nothing.
            Self::OpenPortal => Ok(Answer::Open(owner.portal_link(None).await?)),
            Self::Licenses => Ok(Answer::Json(licenses(&owner.access().await?))),
            Self::ActivateLicense => {
                let (key, name) = (required(&mut fields, "key")?, required(&mut fields, "name")?);
                fields.end()?;
                let instance = owner.activate_license(&key, &name).await?;
                let instance = json!({ "id": instance.id, "name": instance.name });
                Ok(Answer::Json(json!({ "instance": instance })))
            }
            Self::ValidateLicense => {
                let (key, instance) = (required(&mut fields, "key")?, fields.text("instance")?);
                fields.end()?;
                let valid = owner.validate_license(&key, instance.as_deref()).await?;
                Ok(Answer::Json(json!({ "valid": valid })))
            }
            Self::DeactivateLicense => {
                let key = required(&mut fields, "key")?;
                let instance = required(&mut fields, "instance")?;
                fields.end()?;
                owner.deactivate_license(&key, &instance).await?;
                Ok(Answer::Json(json!({ "deactivated": true })))
            }
            Self::Payments => {
                let payments = owner.payments().await?;
                let before = parameter(&query, "before");
                let start = match &before {
                    None => 0,
                    Some(id) => payments.iter().position(|p| p.id == *id).map_or(0, |at| at + 1),
                };
                let page: Vec<_> = payments.iter().skip(start).take(PAGE).collect();
                let has_more = payments.len() > start + page.len();
                let next = page.last().filter(|_| has_more).map(|payment| &payment.id);
                Ok(Answer::Json(json!({ "items": page, "next": next })))
            }
            Self::Invoice(id) => owner.invoice(id).await.map(Answer::Pdf),
        }
    }
}

fn plan_or_product(fields: &mut Fields) -> Result<String, Error> {
    let plan = fields.text("plan")?;
    plan.or(fields.text("product")?)
        .ok_or_else(|| invalid("plan", "name a plan or a product").with_code("missing_parameter"))
}

/// A text that must be given.
fn required(fields: &mut Fields, name: &'static str) -> Result<String, Error> {
    let missing = || invalid(name, "this field is missing").with_code("missing_parameter");
    fields.text(name)?.ok_or_else(missing)
}

fn state(owner: &Owner, access: Access) -> Result<Answer, Error> {
    Ok(Answer::Json(state_of(owner, &access)?))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The declared plans with their prices at Dodo Payments.
async fn plans(owner: &Owner) -> Result<Value, Error> {
    let (billing, access) = (&owner.billing, owner.access().await?);
    let had_trial = owner.had_trial().await?;
    let mut plans = Vec::new();
    for name in billing.plans().names() {
        let mut prices = Vec::new();
        for id in billing.plans().products_of(name) {
            let product = billing.client().product(&dodo_core::ProductId::new(id)?).await?;
            let price = product.raw().get("price").cloned().unwrap_or_default();
            let of = |name: &str| price.get(name).cloned().unwrap_or_default();
            prices.push(json!({
                "product": id, "name": product.name(), "amount": of("price"),
                "currency": of("currency"), "interval": of("payment_frequency_interval"),
                "interval_count": of("payment_frequency_count"),
                "trial_days": of("trial_period_days"),
            }));
        }
        let (features, limits) = billing.plans().gives(name);
        plans.push(json!({
            "plan": name, "features": features, "limits": limits, "prices": prices,
            "current": access.has(name),
            "trial_available": !(had_trial && billing.plans().has_trial_once(name)),
        }));
    }
    Ok(Value::Array(plans))
}

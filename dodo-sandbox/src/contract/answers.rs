//! Checks answers and events of the sandbox, for tests.

use serde_json::Value;

use super::{
    Content, Contract, Operation,
    check::{Fault, fault},
};

impl Contract {
    /// Checks a successful answer.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn check_answer(
        &self,
        operation: &Operation,
        status: u16,
        body: &[u8],
    ) -> Result<(), Fault> {
        if status != operation.status {
            return fault("status", format!("{status} instead of {}", operation.status));
        }
        match &operation.content {
            Content::Empty if !body.is_empty() => fault("", "a body where the contract has none"),
            Content::Empty | Content::Bytes(_) => Ok(()),
            Content::Json(schema) => match serde_json::from_slice(body) {
                Ok(value) => self.check(schema, &value, ""),
                Err(_) => fault("", "is not JSON"),
            },
        }
    }

    /// Checks the body of a webhook.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn check_event(&self, body: &Value) -> Result<(), Fault> {
        let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some(schema) = self.event(kind) else { return fault("type", "is unknown") };
        let mut body = body.clone();
        // The description leaves this second discriminator out; the official clients declare it.
        if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
            data.remove("payload_type");
        }
        self.check(schema, &body, "")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Facts, contract};
    use super::*;

    const FACTS: Facts<'_> =
        Facts { now: "2026-01-01T00:00:00Z", business_id: "bus_1", brand_id: "brnd_1" };

    #[test]
    fn samples_of_all_operations_and_events_fit_the_contract() {
        for operation in contract().operations() {
            let Content::Json(schema) = &operation.content else { continue };
            let sample = contract().sample(schema, FACTS).to_string();
            let checked = contract().check_answer(operation, operation.status, sample.as_bytes());
            assert_eq!(checked, Ok(()), "{} {}: {sample}", operation.method, operation.path);
        }
        for kind in contract().event_types() {
            let sample = contract().sample(contract().event(kind).unwrap(), FACTS);
            assert_eq!(contract().check_event(&sample), Ok(()), "{kind}: {sample}");
        }
    }

    #[test]
    fn generated_bodies_are_checked_without_panic() {
        let ids = ["pdt_1".to_owned()];
        let mut by = super::super::generate::Generator::new(7, &ids);
        let (mut good, mut bad) = (0, 0);
        for operation in contract().operations().iter().cycle().take(2_000) {
            let query = contract().generate_query(operation, &mut by);
            let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let _ = contract().check_query(operation, pairs);
            let Some(body) = contract().generate_body(operation, &mut by) else { continue };
            match contract().check_body(operation, &body) {
                Ok(()) => good += 1,
                Err(_) => bad += 1,
            }
        }
        assert!(good > 100 && bad > 20, "{good} {bad}");
    }

    #[test]
    fn bodies_outside_of_the_contract_are_refused_with_their_place() {
        let find = |path: &str| {
            let mut all = contract().operations().iter();
            all.find(|own| own.path == path && own.method == "POST").unwrap()
        };
        let cart = json!([{ "product_id": "p", "quantity": 1 }]);
        for (path, body, fault) in [
            ("/checkouts", json!([]), "must be an object"),
            ("/checkouts", json!({}), "product_cart: is required"),
            (
                "/checkouts",
                json!({ "product_cart": cart, "shade": 1 }),
                "shade: the API has no such field",
            ),
            (
                "/checkouts",
                json!({ "product_cart": [{ "product_id": "p", "quantity": "1" }] }),
                "product_cart[0].quantity: must be of type integer",
            ),
            (
                "/checkouts",
                json!({ "product_cart": cart, "customization": { "theme": "pink" } }),
                r#"customization.theme: must be one of "dark", "light", "system""#,
            ),
            (
                "/checkouts",
                json!({ "product_cart": cart, "confirm": null }),
                "confirm: must not be null",
            ),
            (
                "/products",
                json!({ "name": "x", "tax_category": "saas", "price": { "type": "one_time_price", "currency": "USD" } }),
                "price.price: is required",
            ),
        ] {
            let found = contract().check_body(find(path), &body).unwrap_err();
            assert_eq!(found.to_string(), fault, "{body}");
        }
    }
}

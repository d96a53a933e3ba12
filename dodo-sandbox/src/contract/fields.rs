//! The places of all fields that a request may have, for tests.

use super::{Contract, Operation, node::Node, schema::has_type};

impl Contract {
    /// The places of the fields without fields of their own, such as `product_cart[].quantity`.
    pub(crate) fn request_fields(&self, operation: &Operation) -> Vec<String> {
        let mut places = Vec::new();
        if let Some(schema) = &operation.body {
            self.collect_fields(schema, "", &mut places);
        }
        places.sort();
        places.dedup();
        places
    }

    fn collect_fields(&self, schema: &Node, place: &str, places: &mut Vec<String>) {
        let before = places.len();
        for form in self.schemas.forms(schema) {
            for (name, property, _) in self.schemas.object(form).properties {
                let place =
                    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
                self.collect_fields(property, &place, places);
            }
            if has_type(form, "array") {
                let items = form.get("items").unwrap_or(Node::NULL);
                if self.schemas.forms(items).iter().any(|own| self.has_fields(own)) {
                    self.collect_fields(items, &format!("{place}[]"), places);
                }
            }
        }
        if places.len() == before && !place.is_empty() {
            places.push(place.to_owned());
        }
    }

    fn has_fields(&self, schema: &Node) -> bool {
        !self.schemas.object(schema).properties.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::contract::{Found, contract};

    #[test]
    fn place_names_objects_and_lists() {
        let Found::Operation(operation, _) = contract().find(&Method::POST, "/checkouts") else {
            panic!("POST /checkouts is in the contract")
        };
        let fields = contract().request_fields(operation);
        for place in [
            "confirm",
            "product_cart[].addons[].quantity",
            "customization.theme_config.dark.text_error",
        ] {
            assert!(fields.iter().any(|own| own == place), "{place}: {fields:?}");
        }
    }
}

use serde_json::{Map, Value};

use super::{
    Captured, Outcome, Role, Skip,
    config::Field,
    consent,
    value::{MAX_PAIRS, is_email, is_metadata_key},
};

/// What becomes of a value that a client sends under a key that the capture fills, when the capture
/// found nothing itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientMetadata {
    /// It is dropped: a browser does not say in metadata which visitor it is.
    #[default]
    Strict,
    /// It is kept, as Express does.
    Lenient,
}

impl Captured {
    /// The metadata of a checkout: what server code set, then what was captured, then what the client
    /// sent. A key of an earlier one is never changed by a later one.
    ///
    /// Captured values are added while there is room for them in Dodo Payments' 50 pairs. Without
    /// consent nothing is injected, and the client's values under captured keys are dropped. What is
    /// left out is logged with its reason; this never fails.
    #[must_use]
    pub fn inject(
        &self,
        server: &Map<String, Value>,
        client: Map<String, Value>,
        policy: ClientMetadata,
    ) -> Map<String, Value> {
        let mut explanation = self.explain();
        let mut metadata = client;
        if policy == ClientMetadata::Strict || !self.consent().allows() {
            let fields = self.capture.fields();
            let sent = fields.iter().filter(|field| metadata.remove(&*field.key).is_some());
            explanation
                .dropped_from_client
                .extend(sent.map(|field| field.key.clone().into_owned()));
        }
        metadata.extend(server.iter().map(|(key, value)| (key.clone(), value.clone())));

        for (index, field) in self.by_importance() {
            let Some((_, value)) = self.value(index) else { continue };
            let outcome = match refusal(field, value, server, &metadata) {
                Some(reason) => Outcome::LeftOut(reason),
                None => {
                    metadata.insert(field.key.clone().into_owned(), value.into());
                    Outcome::Injected
                }
            };
            explanation.set(index, outcome);
        }
        explanation.log();
        if let Some(observer) = &self.capture.settings().observer {
            consent::unwinding(|| observer(&explanation));
        }
        metadata
    }

    /// The fields in the order in which they get in when room is short.
    fn by_importance(&self) -> Vec<(usize, &Field)> {
        let mut fields: Vec<_> = self.capture.fields().iter().enumerate().collect();
        fields.sort_by_key(|(_, field)| match field.role {
            Role::Visitor => 0,
            Role::Campaign(_) => 1,
            Role::Referral => 2,
            _ => 3,
        });
        fields
    }
}

fn refusal(
    field: &Field,
    value: &str,
    server: &Map<String, Value>,
    metadata: &Map<String, Value>,
) -> Option<Skip> {
    if server.contains_key(&*field.key) {
        Some(Skip::SetByApp)
    } else if !is_metadata_key(&field.key) {
        Some(Skip::KeyNotAllowed)
    } else if field.context_only || is_email(value) {
        Some(Skip::Personal)
    } else if metadata.len() >= MAX_PAIRS && !metadata.contains_key(&*field.key) {
        Some(Skip::NoRoom)
    } else {
        None
    }
}

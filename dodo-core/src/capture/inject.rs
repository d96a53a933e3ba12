use serde_json::{Map, Value};

use super::{
    Captured, IdRole, SkipReason,
    config::Field,
    consent,
    trace::CaptureOutcome,
    value::{MAX_PAIRS, is_email, is_metadata_key},
};

/// The treatment of a client's value under a key of the capture, if the capture itself has no
/// value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientMetadata {
    /// The endpoint drops it, because a browser must not choose its visitor id in metadata.
    #[default]
    Strict,
    /// The endpoint keeps it, as Express does.
    Lenient,
}

impl Captured {
    /// Returns the metadata of a checkout: the pairs that server code set, then the captured values,
    /// then the client's pairs. A later one never changes a key of an earlier one.
    ///
    /// Dodo Payments takes 50 pairs. If captured values need room, the client's last pairs are left out.
    /// Without consent nothing is injected, and the client's values under captured keys are dropped.
    /// The log names each value that is left out, with the reason. This never fails.
    #[doc(hidden)]
    #[must_use]
    pub fn inject(
        &self,
        server: &Map<String, Value>,
        client: Map<String, Value>,
        policy: ClientMetadata,
    ) -> Map<String, Value> {
        let mut explanation = self.trace();
        let mut metadata = server.clone();
        let fields = self.capture.fields();
        // A campaign is one unit: the keys of two links are never mixed.
        let is_of_server = |field: &Field| {
            let sets = |other: &Field| server.contains_key(&*other.key);
            sets(field) || fields.iter().any(|other| other.shares_campaign(field) && sets(other))
        };
        for (index, field) in self.by_importance() {
            let Some((_, value)) = self.value(index) else { continue };
            let refused = if is_of_server(field) {
                Some(SkipReason::SetByApp)
            } else {
                refusal(field, value, metadata.len())
            };
            let outcome = match refused {
                Some(reason) => CaptureOutcome::LeftOut(reason),
                None => {
                    metadata.insert(field.key.clone().into_owned(), value.into());
                    CaptureOutcome::Injected
                }
            };
            explanation.set(index, outcome);
        }
        let strict = policy == ClientMetadata::Strict || !self.consent().allows();
        let only_captured = |key: &str| {
            let mut of_key = fields.iter().filter(|field| field.key == key);
            of_key.any(|field| strict || (is_of_server(field) && !server.contains_key(key)))
        };
        // Without a capture, too many pairs stay: Dodo Payments refuses them and names the limit.
        let own = client.keys().filter(|key| !server.contains_key(*key)).count() + server.len();
        for (key, value) in client {
            let reason = if only_captured(&key) {
                SkipReason::FromClient
            } else if metadata.contains_key(&key) {
                continue;
            } else if metadata.len() >= MAX_PAIRS && own <= MAX_PAIRS {
                SkipReason::NoRoom
            } else {
                metadata.insert(key, value);
                continue;
            };
            explanation.dropped_from_client.push((key, reason));
        }
        explanation.log(&self.capture.settings().warned);
        if let Some(observer) = &self.capture.settings().observer {
            consent::unwinding(|| observer(&explanation));
        }
        metadata
    }

    /// The fields in their priority, for metadata without enough room.
    fn by_importance(&self) -> Vec<(usize, &Field)> {
        let mut fields: Vec<_> = self.capture.fields().iter().enumerate().collect();
        fields.sort_by_key(|(_, field)| match field.role {
            IdRole::Visitor => 0,
            IdRole::Campaign(_) => 1,
            IdRole::Referral => 2,
            _ => 3,
        });
        fields
    }
}

fn refusal(field: &Field, value: &str, pairs: usize) -> Option<SkipReason> {
    if !is_metadata_key(&field.key) {
        Some(SkipReason::KeyNotAllowed)
    } else if field.context_only || (is_email(value) && !field.any_text) {
        Some(SkipReason::Personal)
    } else if pairs >= MAX_PAIRS {
        Some(SkipReason::NoRoom)
    } else {
        None
    }
}

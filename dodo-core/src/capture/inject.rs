use serde_json::{Map, Value};

use super::{
    Captured, Role, Skip,
    value::{MAX_PAIRS, is_metadata_key},
};

/// What becomes of a value that a client sends under a key that an enabled preset fills, when the
/// capture found nothing itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientMetadata {
    /// It is dropped: a browser cannot say which visitor it is.
    #[default]
    Strict,
    /// It is kept, as Express does.
    Lenient,
}

impl Captured {
    /// The metadata of a checkout: what server code set, then what was captured, then what the client
    /// sent. A key of an earlier one is never changed by a later one.
    ///
    /// Captured values are only added while there is room for them in Dodo Payments' 50 pairs. Without
    /// consent nothing is injected and the client's values under captured keys are dropped. What is
    /// left out is logged with its reason.
    #[must_use]
    pub fn inject(
        &self,
        server: &Map<String, Value>,
        client: Map<String, Value>,
        policy: ClientMetadata,
    ) -> Map<String, Value> {
        let fields = self.capture().fields();
        let drops = policy == ClientMetadata::Strict || !self.consent().allows();
        let mut metadata = client;
        for field in fields {
            if drops && metadata.remove(&*field.key).is_some() {
                log(&field.key, Skip::FromClient);
            }
        }
        metadata.extend(server.iter().map(|(key, value)| (key.clone(), value.clone())));

        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|&index| importance(fields.get(index).map(|f| f.role)));
        for index in order {
            let (Some(field), Some(value)) = (fields.get(index), self.value(index)) else {
                continue;
            };
            let refused = if server.contains_key(&*field.key) {
                Some(Skip::SetByApp)
            } else if !is_metadata_key(&field.key) {
                Some(Skip::KeyNotAllowed)
            } else if metadata.len() >= MAX_PAIRS && !metadata.contains_key(&*field.key) {
                Some(Skip::NoRoom)
            } else {
                None
            };
            match refused {
                Some(reason) => log(&field.key, reason),
                None => {
                    metadata.insert(field.key.clone().into_owned(), value.into());
                }
            }
        }
        for skipped in self.skipped() {
            log(&skipped.key, skipped.reason);
        }
        metadata
    }
}

/// Who gets in first when room is short.
fn importance(role: Option<Role>) -> u8 {
    match role {
        Some(Role::Visitor) => 0,
        Some(Role::Campaign(_)) => 1,
        Some(Role::Referral) => 2,
        _ => 3,
    }
}

/// Says why a key is not there. Never with its value.
fn log(key: &str, reason: Skip) {
    match reason {
        Skip::Absent | Skip::Superseded | Skip::SetByApp => {
            tracing::debug!(target: "dodo::capture", key, reason = reason.as_str(), "not captured");
        }
        _ => tracing::warn!(target: "dodo::capture", key, reason = reason.as_str(), "not captured"),
    }
}

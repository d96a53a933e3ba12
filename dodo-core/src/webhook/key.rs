use std::{
    env, fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac, digest::CtOutput};
use http::HeaderMap;
use jiff::Timestamp;
use sha2::Sha256;

use super::{
    id::DeliveryId,
    signature::{Claim, Refusal},
    signed::SignedEvent,
};
use crate::{Environment, Error, ErrorKind};

type HmacSha256 = Hmac<Sha256>;

/// Keys as people have them: with or without padding, with stray bits in the last character.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const PREFIX: &str = "whsec_";

/// The shortest key that is no accident, in bytes: what Standard Webhooks asks for.
const SHORTEST: usize = 24;

/// Five minutes, in both directions, as in the libraries of Standard Webhooks.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The secret that Dodo Payments signs deliveries with: verifies, and signs for tests.
///
/// Several secrets may be valid at once: after a rotation the old one is, for a day. `Debug` shows
/// none of them. Cheap to clone.
///
/// ```
/// use dodo_core::WebhookKey;
/// # fn main() -> Result<(), dodo_core::Error> {
/// let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// assert!(WebhookKey::new("whsec_").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WebhookKey {
    secrets: Arc<[HmacSha256]>,
    tolerance: Duration,
    clock: Option<Clock>,
    environment: Environment,
}

impl WebhookKey {
    /// Takes a secret as Dodo Payments shows it: `whsec_` and base64, of at least 24 bytes.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when it is empty, too short or no base64. The text says which and
    /// never shows the secret.
    pub fn new(secret: &str) -> Result<Self, Error> {
        Self::several([secret])
    }

    /// Takes several secrets, for a rotation. A signature by any of them is accepted; deliveries are
    /// signed with the first.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there is none, or one is not a secret.
    pub fn several<I>(secrets: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::build(secrets, SHORTEST)
    }

    /// Takes a secret of fewer than 24 bytes too. For other senders and old tests.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when it is empty or no base64.
    pub fn new_allowing_short(secret: &str) -> Result<Self, Error> {
        Self::build([secret], 1)
    }

    /// Reads `DODO_PAYMENTS_WEBHOOK_KEY`, which may hold several secrets separated by blanks, adds
    /// those in `DODO_PAYMENTS_WEBHOOK_SECRET`, and takes the environment from
    /// `DODO_PAYMENTS_ENVIRONMENT` (`live_mode` if unset).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there is no secret, one is malformed, or the environment is
    /// neither `test_mode` nor `live_mode`.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => {
                Err(Error::config("the variable is not UTF-8").with_field(name))
            }
        })
    }

    fn from_variables(
        get: impl Fn(&'static str) -> Result<Option<String>, Error>,
    ) -> Result<Self, Error> {
        let mut secrets: Vec<String> = Vec::new();
        for name in ["DODO_PAYMENTS_WEBHOOK_KEY", "DODO_PAYMENTS_WEBHOOK_SECRET"] {
            let value = get(name)?.unwrap_or_default();
            for secret in value.split_whitespace() {
                bytes_of(secret, SHORTEST).map_err(|error| error.with_field(name))?;
                secrets.push(secret.to_owned());
            }
        }
        if secrets.is_empty() {
            return Err(Error::config("no webhook key: set it to the `whsec_...` of the endpoint")
                .with_code("webhook_key_missing")
                .with_field("DODO_PAYMENTS_WEBHOOK_KEY"));
        }
        let environment = match get("DODO_PAYMENTS_ENVIRONMENT")? {
            Some(text) if !text.is_empty() => text.parse()?,
            _ => Environment::default(),
        };
        Ok(Self::several(secrets)?.with_environment(environment))
    }

    fn build<I>(secrets: I, shortest: usize) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let keyed = |secret: I::Item| -> Result<HmacSha256, Error> {
            let bytes = bytes_of(secret.as_ref(), shortest)?;
            HmacSha256::new_from_slice(&bytes)
                .map_err(|_| Error::config("the webhook key cannot be used"))
        };
        let secrets: Arc<[HmacSha256]> =
            secrets.into_iter().map(keyed).collect::<Result<_, Error>>()?;
        if secrets.is_empty() {
            return Err(Error::config("no webhook key was given").with_code("webhook_key_missing"));
        }
        Ok(Self { secrets, tolerance: TOLERANCE, clock: None, environment: Environment::default() })
    }

    /// Accepts deliveries that were signed at most this long ago, or ahead. Five minutes by default.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Asks this clock for the time instead of the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Says which environment the secret belongs to. Live by default.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The environment that the secret belongs to.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Verifies a delivery: the headers, and the body exactly as it was received.
    ///
    /// # Errors
    /// [`InvalidSignature`](ErrorKind::InvalidSignature) whatever is wrong; the source says what, for the log.
    pub fn verify(&self, headers: &HeaderMap, body: Bytes) -> Result<SignedEvent, Error> {
        self.verify_at(headers, body, self.now())
    }

    /// [`verify`](Self::verify) with the time as an argument.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_at(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        now: SystemTime,
    ) -> Result<SignedEvent, Error> {
        let id = self.check(headers, &body, now).map_err(|refusal| {
            Error::new(ErrorKind::InvalidSignature, "the signature is missing or not valid")
                .with_source(refusal)
        })?;
        let received_at = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(SignedEvent::new(id, body, received_at, self.environment.is_live()))
    }

    /// Allocates nothing, whether it accepts or refuses.
    fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<DeliveryId, Refusal> {
        let claim = Claim::read(headers)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now.abs_diff(claim.seconds) > self.tolerance.as_secs() {
            return Err(Refusal::TimestampOutsideTolerance);
        }
        for secret in self.secrets.iter() {
            let expected = mac(secret, claim.id, claim.timestamp, body);
            // `CtOutput` compares in constant time.
            if claim.macs().any(|mac| CtOutput::<HmacSha256>::new(mac.into()) == expected) {
                return Ok(DeliveryId::new(claim.id));
            }
        }
        Err(Refusal::SignatureMismatch)
    }

    /// The `webhook-signature` of a message, by the first secret: for tests and senders.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let sign = |secret| mac(secret, id, &timestamp.to_string(), body).into_bytes();
        // There always is a first secret.
        self.secrets
            .first()
            .map(sign)
            .map_or_else(String::new, |mac| format!("v1,{}", STANDARD.encode(mac)))
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.as_ref().map_or_else(SystemTime::now, |clock| clock())
    }
}

fn mac(secret: &HmacSha256, id: &str, timestamp: &str, body: &[u8]) -> CtOutput<HmacSha256> {
    let mut mac = secret.clone();
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize()
}

/// The bytes of a secret. No error shows any of it.
fn bytes_of(secret: &str, shortest: usize) -> Result<Vec<u8>, Error> {
    let malformed = |message, code| Err(Error::config(message).with_code(code));
    let secret = secret.trim();
    if secret.starts_with("v1,") {
        return malformed(
            "the webhook key begins with `v1,`: leave that out, the key begins with `whsec_`",
            "webhook_key_malformed",
        );
    }
    let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
    if encoded.is_empty() {
        return malformed("the webhook key is empty", "webhook_key_missing");
    }
    let Ok(bytes) = KEY_BASE64.decode(encoded) else {
        return malformed(
            "the webhook key is not base64: copy all of `whsec_...` and nothing else",
            "webhook_key_malformed",
        );
    };
    if bytes.len() < shortest {
        return malformed(
            "the webhook key is shorter than 24 bytes: was all of it copied?",
            "webhook_key_too_short",
        );
    }
    Ok(bytes)
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookKey")
            .field("secrets", &self.secrets.len())
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn from(variables: &[(&str, &str)]) -> Result<WebhookKey, Error> {
        WebhookKey::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn the_variables_are_added_up() {
        let both = format!("  {NEW}\t{OLD}\n");
        for (variables, secrets, environment) in [
            (vec![("DODO_PAYMENTS_WEBHOOK_KEY", OLD)], 1, Environment::Live),
            (vec![("DODO_PAYMENTS_WEBHOOK_SECRET", OLD)], 1, Environment::Live),
            (vec![("DODO_PAYMENTS_WEBHOOK_KEY", &*both)], 2, Environment::Live),
            (
                vec![
                    ("DODO_PAYMENTS_WEBHOOK_KEY", NEW),
                    ("DODO_PAYMENTS_WEBHOOK_SECRET", OLD),
                    ("DODO_PAYMENTS_ENVIRONMENT", "test_mode"),
                ],
                2,
                Environment::Test,
            ),
        ] {
            let key = from(&variables).unwrap();
            assert_eq!((key.secrets.len(), key.environment()), (secrets, environment));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variable() {
        let key = ("DODO_PAYMENTS_WEBHOOK_KEY", OLD);
        for (variables, field, code) in [
            (vec![], "DODO_PAYMENTS_WEBHOOK_KEY", "webhook_key_missing"),
            (
                vec![("DODO_PAYMENTS_WEBHOOK_KEY", " ")],
                "DODO_PAYMENTS_WEBHOOK_KEY",
                "webhook_key_missing",
            ),
            (
                vec![key, ("DODO_PAYMENTS_WEBHOOK_SECRET", "whsec_AAAA")],
                "DODO_PAYMENTS_WEBHOOK_SECRET",
                "webhook_key_too_short",
            ),
        ] {
            let error = from(&variables).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, code));
            assert_eq!(error.field(), Some(field));
            assert!(!format!("{error} {error:?}").contains("AAAA"));
        }
        assert!(from(&[key, ("DODO_PAYMENTS_ENVIRONMENT", "staging")]).is_err());
    }
}

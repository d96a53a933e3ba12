use std::{
    fmt,
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
    refusals::Refusals,
    signature::{Claim, Refusal},
    verified::VerifiedEvent,
};
use crate::{Environment, Error, ErrorKind, env::variables};

type HmacSha256 = Hmac<Sha256>;

/// Base64 of keys: with or without padding, with any trailing bits in the last character.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const PREFIX: &str = "whsec_";

const VARIABLE: &str = "DODO_PAYMENTS_WEBHOOK_KEY";
/// The variable for further secrets. Some guides of Dodo Payments use this name.
const SECOND_VARIABLE: &str = "DODO_PAYMENTS_WEBHOOK_SECRET";

/// The minimum length of a key in bytes, from Standard Webhooks. A shorter key is probably a copy
/// error.
const SHORTEST: usize = 24;

/// Five minutes, in both directions, as in the libraries of Standard Webhooks.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The secret of the signatures of Dodo Payments. It verifies deliveries, and signs them for tests.
///
/// Several secrets can be valid at once: after a rotation the old secret stays valid for a day.
/// `Debug` shows none of them. Cheap to clone.
///
/// ```
/// use dodo_core::{Environment, WebhookKey};
/// # fn main() -> Result<(), dodo_core::Error> {
/// let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test)?;
/// assert!(WebhookKey::new("whsec_", Environment::Test).is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WebhookKey {
    secrets: Arc<[HmacSha256]>,
    tolerance: Duration,
    clock: Option<Clock>,
    environment: Environment,
    refusals: Arc<Refusals>,
}

impl WebhookKey {
    /// Takes a secret as Dodo Payments shows it, `whsec_` and base64 of at least 24 bytes, and the
    /// mode of its webhook endpoint. The ledger books events under this mode.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the secret is empty, too short or not base64. The text names
    /// the problem and never shows the secret.
    pub fn new(secret: &str, environment: Environment) -> Result<Self, Error> {
        Self::from_secrets([secret], environment)
    }

    /// Takes several secrets, for a rotation. A signature by any of them is accepted; deliveries are
    /// signed with the first.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if there is no secret, or one of them is malformed.
    pub fn from_secrets<I>(secrets: I, environment: Environment) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::build(secrets, environment, SHORTEST)
    }

    /// Takes a secret of fewer than 24 bytes.
    pub(crate) fn short(secret: &str, environment: Environment) -> Result<Self, Error> {
        Self::build([secret], environment, 1)
    }

    /// Reads the secrets in `DODO_PAYMENTS_WEBHOOK_KEY` and `DODO_PAYMENTS_WEBHOOK_SECRET`, with
    /// blanks between several, and the mode in `DODO_PAYMENTS_ENVIRONMENT` (Default: `live_mode`).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if there is no secret, one of them is malformed, or the mode is
    /// unknown. The text names the variable.
    pub fn from_env() -> Result<Self, Error> {
        let mut secrets: Vec<String> = Vec::new();
        for name in [VARIABLE, SECOND_VARIABLE] {
            for secret in variables(name)? {
                bytes_of(&secret, SHORTEST).map_err(|error| error.with_field(name))?;
                secrets.push(secret);
            }
        }
        if secrets.is_empty() {
            return Err(Error::config(
                "missing webhook key: set DODO_PAYMENTS_WEBHOOK_KEY to the `whsec_...` of the endpoint",
            )
            .with_code("webhook_key_missing"));
        }
        Self::from_secrets(secrets, Environment::from_env()?)
    }

    fn build<I>(secrets: I, environment: Environment, shortest: usize) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let keyed = |secret: I::Item| -> Result<HmacSha256, Error> {
            let bytes = bytes_of(secret.as_ref(), shortest)?;
            HmacSha256::new_from_slice(&bytes).map_err(|_| {
                Error::config("the webhook key cannot be used: copy it from the dashboard")
            })
        };
        let secrets: Arc<[HmacSha256]> =
            secrets.into_iter().map(keyed).collect::<Result<_, Error>>()?;
        if secrets.is_empty() {
            return Err(Error::config("missing webhook key: give at least one")
                .with_code("webhook_key_missing"));
        }
        Ok(Self {
            secrets,
            tolerance: TOLERANCE,
            clock: None,
            environment,
            refusals: Arc::default(),
        })
    }

    /// Sets the tolerance: the largest accepted difference between the signed time and the clock.
    /// Default: 5 minutes.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets the clock, in place of the system's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Returns the mode that the secrets belong to.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Logs the reason for which [`verify`](Self::verify) refused a delivery.
    pub(super) fn log_refusal(&self, refused: &Error) {
        self.refusals.log(refused, self.len());
    }

    /// Returns the number of secrets.
    pub(crate) fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Verifies a delivery: the headers, and the body exactly as it was received.
    ///
    /// # Errors
    /// [`InvalidSignature`](ErrorKind::InvalidSignature) for every cause. The source of the error
    /// names the cause, for the log.
    pub fn verify(&self, headers: &HeaderMap, body: Bytes) -> Result<VerifiedEvent, Error> {
        let now = self.now();
        let (id, position, seconds) = self.check(headers, &body, now).map_err(|refusal| {
            Error::new(ErrorKind::InvalidSignature, "the signature is missing or not valid")
                .with_source(refusal)
        })?;
        let received_at = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let event = VerifiedEvent::new(id, body, received_at, self.environment.is_live());
        let attempt_at = i64::try_from(seconds).ok().and_then(|at| Timestamp::from_second(at).ok());
        Ok(event.by_key(position).with_attempt_at(attempt_at))
    }

    /// Allocates nothing.
    fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(DeliveryId, usize, u64), Refusal> {
        let claim = Claim::read(headers)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now.abs_diff(claim.seconds) > self.tolerance.as_secs() {
            return Err(Refusal::TimestampOutsideTolerance);
        }
        for (position, secret) in self.secrets.iter().enumerate() {
            let expected = mac(secret, claim.id, claim.timestamp, body);
            // `CtOutput` compares in constant time.
            if claim.macs().any(|mac| CtOutput::<HmacSha256>::new(mac.into()) == expected) {
                return Ok((DeliveryId::new(claim.id), position, claim.seconds));
            }
        }
        Err(Refusal::SignatureMismatch)
    }

    /// The `webhook-signature` of a message, by the first secret: for tests and senders.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let sign = |secret| mac(secret, id, &timestamp.to_string(), body).into_bytes();
        // A key always has a first secret.
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
            "the webhook key begins with `v1,`: remove that, so that it begins with `whsec_`",
            "webhook_key_malformed",
        );
    }
    let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
    if encoded.is_empty() {
        return malformed(
            "the webhook key is empty: set it to the `whsec_...` of the endpoint",
            "webhook_key_missing",
        );
    }
    let Ok(bytes) = KEY_BASE64.decode(encoded) else {
        return malformed(
            "the webhook key is not base64: copy all of `whsec_...` and nothing else",
            "webhook_key_malformed",
        );
    };
    if bytes.len() < shortest {
        return malformed(
            "the webhook key is shorter than 24 bytes: copy all of `whsec_...`",
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

//! Standard Webhooks signatures, version 1. This code is separate from the verification in
//! `dodo-core` on purpose: shared code would hide a mistake.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Error;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn key(secret: &str) -> Option<Vec<u8>> {
    let text = secret.strip_prefix("whsec_").unwrap_or(secret);
    LENIENT.decode(text).ok().filter(|key| key.len() >= 24)
}

/// Refuses secrets that no verifier would take.
pub(crate) fn check_secret(secret: &str) -> Result<(), Error> {
    match key(secret) {
        Some(_) => Ok(()),
        None => Err(Error::config("a webhook secret is whsec_ and at least 24 bytes in base64")),
    }
}

/// The `webhook-signature` header: one signature for each secret.
pub(crate) fn header(secrets: &[String], id: &str, timestamp: i64, body: &str) -> String {
    let signature = |secret: &String| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_reference_implementations_do() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let signature = header(
            std::slice::from_ref(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_!!!!"] {
            assert!(check_secret(bad).is_err(), "{bad}");
        }
    }
}

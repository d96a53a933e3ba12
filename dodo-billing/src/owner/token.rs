//! The signed owner in the metadata of a checkout. It proves that the app named the owner.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::OwnerId;
use crate::error::{Error, ErrorKind};

/// Fewer characters can be guessed.
const SHORTEST: usize = 16;
const MAC: usize = 16;

/// The secrets that sign owners. The first one signs, and all of them verify.
#[derive(Clone)]
pub struct OwnerSecrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    /// Names the secret in the token, so that verification tries one.
    key: String,
    hmac: Hmac<Sha256>,
}

impl OwnerSecrets {
    /// Takes secrets with blanks between them. For a rotation, put the new one first.
    ///
    /// # Errors
    /// [`WeakSecret`](ErrorKind::WeakSecret) without a secret, or for one of fewer than 16 characters.
    pub fn new(secrets: &str) -> Result<Self, Error> {
        let secrets: Vec<_> = secrets.split_whitespace().collect();
        let weak = secrets.is_empty() || secrets.iter().any(|secret| secret.len() < SHORTEST);
        let secret = |text: &&str| {
            let digest = Sha256::digest([b"dodo-owner-key\0", text.as_bytes()].concat());
            let key = URL_SAFE_NO_PAD.encode(digest.get(..6)?);
            Some(Secret { key, hmac: Hmac::new_from_slice(text.as_bytes()).ok()? })
        };
        let secrets = secrets.iter().map(secret).collect::<Option<Vec<_>>>();
        secrets.filter(|_| !weak).map(Self).ok_or_else(|| {
            let text = "billing secret: set one of at least 16 characters, from a random generator";
            Error::new(ErrorKind::WeakSecret, text.to_owned())
        })
    }

    /// The token of an owner.
    pub(crate) fn sign(&self, owner: &OwnerId, live: bool) -> String {
        let Some(secret) = self.0.first() else { return String::new() };
        let mac = mac(secret, "dodo-owner", owner.as_str(), live).finalize().into_bytes();
        let mac = URL_SAFE_NO_PAD.encode(mac.get(..MAC).unwrap_or_default());
        format!("o1.{}.{}.{mac}", secret.key, URL_SAFE_NO_PAD.encode(owner.as_str()))
    }

    /// Signs another text of billing, such as a quote.
    pub(crate) fn tag(&self, text: &str, live: bool) -> String {
        let Some(secret) = self.0.first() else { return String::new() };
        URL_SAFE_NO_PAD.encode(mac(secret, "dodo-quote", text, live).finalize().into_bytes())
    }

    /// Whether this tag is the signature of this text.
    pub(crate) fn has_tagged(&self, text: &str, tag: &str, live: bool) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return false };
        let mut secrets = self.0.iter();
        secrets.any(|secret| mac(secret, "dodo-quote", text, live).verify_slice(&tag).is_ok())
    }

    /// The owner in a token. `None`: no secret has signed the token, or it is from the other mode.
    pub(crate) fn verify(&self, token: &str, live: bool) -> Option<OwnerId> {
        let mut parts = token.split('.');
        let (Some("o1"), Some(key), Some(owner), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let owner = String::from_utf8(URL_SAFE_NO_PAD.decode(owner).ok()?).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok().filter(|tag| tag.len() == MAC)?;
        let mut keys = self.0.iter().filter(|secret| secret.key == key);
        let is_signed = keys.any(|secret| {
            mac(secret, "dodo-owner", &owner, live).verify_truncated_left(&tag).is_ok()
        });
        is_signed.then(|| OwnerId::new(owner).ok()).flatten()
    }
}

fn mac(secret: &Secret, what: &str, text: &str, live: bool) -> Hmac<Sha256> {
    let mut mac = secret.hmac.clone();
    for part in [what, "\0", if live { "live" } else { "test" }, "\0", text] {
        mac.update(part.as_bytes());
    }
    mac
}

impl fmt::Debug for OwnerSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerSecrets").field("secrets", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_needs_signature_of_known_secret() -> Result<(), Error> {
        let old = OwnerSecrets::new("an-old-secret-of-ours")?;
        let new = OwnerSecrets::new("a-new-secret-of-ours an-old-secret-of-ours")?;
        let owner = OwnerId::new("user_42")?;
        let token = new.sign(&owner, true);
        assert!(token.len() <= 500);
        let verified = |secrets: &OwnerSecrets, token: &str, live| secrets.verify(token, live);
        assert_eq!(verified(&new, &token, true), Some(owner.clone()));
        assert_eq!(verified(&new, &old.sign(&owner, true), true), Some(owner));
        assert_eq!(verified(&new, &token, false), None, "the other mode");
        assert_eq!(verified(&old, &token, true), None, "an unknown secret");
        let other = new.sign(&OwnerId::new("user_43")?, true);
        let parts: Vec<_> = token.split('.').collect();
        let owner_of_other = other.split('.').nth(2).unwrap_or_default();
        let forged = token.replace(parts.get(2).copied().unwrap_or_default(), owner_of_other);
        let (long, short) =
            (format!("{token}AA"), token.get(..token.len() - 2).unwrap_or_default());
        for forged in [&forged, &long, short, "", "o1...", "o1.a.b.c.d", &token.replace("o1", "o2")]
        {
            assert_eq!(verified(&new, forged, true), None, "{forged}");
        }
        Ok(())
    }

    #[test]
    fn weak_secrets_and_wrong_owners_are_refused() {
        for secret in ["", " ", "short", "an-old-secret-of-ours short"] {
            let error = OwnerSecrets::new(secret).map(drop).map_err(|e| e.kind());
            assert_eq!(error, Err(ErrorKind::WeakSecret), "{secret:?}");
        }
        for owner in ["", "a b", "ada@example.com", "ü", "a\n", &"x".repeat(129)] {
            let error = OwnerId::new(owner).map(drop).map_err(|e| e.kind());
            assert_eq!(error, Err(ErrorKind::InvalidOwner), "{owner:?}");
        }
    }
}

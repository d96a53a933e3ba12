//! The demo sign-in: a signed cookie with the account of a browser.
//!
//! There is no password, so each sign-in opens a *new* account with a new id. A visitor can enter
//! only the account in their cookie, with any name or e-mail address. A real shop replaces this
//! module by its own sign-in and changes nothing else.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use dodo_core::RequestHead;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The cookie that holds the signed account.
const COOKIE: &str = "shop_account";
/// The time for which a browser stores its account: 30 days, in seconds.
const MAX_AGE: u32 = 30 * 24 * 60 * 60;
/// The longest name or e-mail address that is kept, in characters.
const MAX_TEXT: usize = 80;

/// A customer of the shop, from the cookie. The server stores nothing before the first payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub(crate) struct Account {
    /// A random id that says nothing about the person: safe in metadata.
    pub id: String,
    /// The name on the pages. `None` for a guest.
    pub name: Option<String>,
    /// Prefills the hosted checkout.
    pub email: Option<String>,
}

impl Account {
    /// An account for a browser that has not signed in.
    #[must_use]
    pub(crate) fn guest() -> Self {
        Self { id: random_id("acc_"), name: None, email: None }
    }

    /// An account for the person who typed this. Empty or overlong texts are left out.
    #[must_use]
    pub(crate) fn named(name: &str, email: &str) -> Self {
        let clean = |text: &str| {
            let text = text.trim();
            let fits = (1..=MAX_TEXT).contains(&text.chars().count());
            (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
        };
        let email = clean(email).filter(|e| {
            e.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
        });
        Self { name: clean(name), email, ..Self::guest() }
    }

    /// The name on the pages.
    #[must_use]
    pub(crate) fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or("Guest")
    }
}

/// Signs account cookies and reads them back.
#[derive(Clone)]
pub(crate) struct SessionKey(Hmac<Sha256>);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

impl SessionKey {
    /// The text of a new key.
    pub(crate) fn fresh() -> String {
        BASE64URL.encode(random_bytes::<32>())
    }

    /// The key with these bytes.
    #[must_use]
    pub(crate) fn from_bytes(key: &[u8]) -> Self {
        // Per RFC 2104 a key of any length is a key; `new_from_slice` cannot refuse one.
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// The `Set-Cookie` header that makes a browser this account.
    #[must_use]
    pub(crate) fn sign_in(&self, account: &Account, secure: bool) -> String {
        let body = BASE64URL.encode(serde_json::to_vec(account).unwrap_or_default());
        let mac = BASE64URL.encode(self.mac(&body).finalize().into_bytes());
        set_cookie(&format!("{body}.{mac}"), MAX_AGE, secure)
    }

    /// The `Set-Cookie` header that forgets the account.
    #[must_use]
    pub(crate) fn sign_out(secure: bool) -> String {
        set_cookie("", 0, secure)
    }

    /// The account in the cookie of a request, if this key signed it.
    #[must_use]
    pub(crate) fn account(&self, head: &RequestHead) -> Option<Account> {
        let value = head.cookie(COOKIE)?;
        let (body, mac) = value.split_once('.')?;
        self.mac(body).verify_slice(&BASE64URL.decode(mac).ok()?).ok()?;
        serde_json::from_slice(&BASE64URL.decode(body).ok()?).ok()
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(body.as_bytes());
        mac
    }
}

fn set_cookie(value: &str, max_age: u32, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}

/// Random bytes from the operating system.
fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no session can be safe")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new id: the prefix and 96 random bits.
pub(crate) fn random_id(prefix: &str) -> String {
    format!("{prefix}{}", BASE64URL.encode(random_bytes::<12>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie_of(set_cookie: &str) -> String {
        set_cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn account_cookie_is_read_only_with_its_signature() {
        let key = SessionKey::from_bytes(SessionKey::fresh().as_bytes());
        let ada = Account::named("Ada", "ada@example.com");
        let cookie = cookie_of(&key.sign_in(&ada, true));
        let account = |key: &SessionKey, cookie: &str| {
            let head = crate::ask::tests::ask("/", &[("cookie", cookie)]).head;
            key.account(&head)
        };
        for cookies in [format!("visitor=v1; {cookie}"), format!("{cookie}; name=Zoë")] {
            assert_eq!(account(&key, &cookies), Some(ada.clone()));
        }

        let other_key = SessionKey::from_bytes(SessionKey::fresh().as_bytes());
        assert_eq!(account(&other_key, &cookie), None);
        assert_eq!(account(&key, ""), None);
        assert_eq!(account(&key, &cookie_of(&SessionKey::sign_out(false))), None);
        for at in COOKIE.len() + 1..cookie.len() {
            let mut flipped = cookie.clone().into_bytes();
            flipped[at] ^= 1;
            let flipped = String::from_utf8(flipped).unwrap();
            assert_eq!(account(&key, &flipped), None, "one bit flipped at {at}");
        }
    }

    #[test]
    fn signing_in_never_opens_an_existing_account() {
        let one = Account::named("Ada", "ada@example.com");
        let two = Account::named("Ada", "ada@example.com");
        assert_ne!(one.id, two.id);
    }

    #[test]
    fn invalid_names_and_addresses_are_omitted() {
        for (name, email, kept) in [
            (" Ada ", "ada@example.com", (Some("Ada"), Some("ada@example.com"))),
            ("", "", (None, None)),
            ("a\nb", "a@b", (None, None)),
            (&"x".repeat(81), "@example.com", (None, None)),
        ] {
            let account = Account::named(name, email);
            assert_eq!((account.name.as_deref(), account.email.as_deref()), kept, "{name:?}");
        }
    }
}

//! The shop's owner: the one person who may see the revenue.
//!
//! The shop prints a link with a key when it starts. Who opens the link gets a cookie. Key and cookie
//! are random and end with the process. A real shop asks its own sign-in here.

use std::fmt;

use dodo_core::RequestHead;
use sha2::{Digest, Sha256};

use crate::session::random_id;

const COOKIE: &str = "shop_owner";

/// The key of the printed link, and the value of the cookie that the link gives.
pub(crate) struct OwnerKey {
    link: String,
    cookie: String,
}

impl OwnerKey {
    pub(crate) fn new() -> Self {
        Self { link: random_id(""), cookie: random_id("") }
    }

    /// The page that the shop prints, for the owner alone.
    pub(crate) fn target(&self) -> String {
        format!("/revenue?key={}", self.link)
    }

    pub(crate) fn is_in_link(&self, key: &str) -> bool {
        is_same(key, &self.link)
    }

    pub(crate) fn is_in_cookie(&self, head: &RequestHead) -> bool {
        head.cookie(COOKIE).is_some_and(|cookie| is_same(&cookie, &self.cookie))
    }

    pub(crate) fn set_cookie(&self, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie)
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerKey(..)")
    }
}

/// Compares digests, so that the time it takes tells nothing about the key.
fn is_same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

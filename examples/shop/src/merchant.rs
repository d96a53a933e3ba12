//! The merchant: the one person who may see the dashboard.
//!
//! The shop prints a link with a key when it starts. The browser that opens the link gets a cookie.
//! Key and cookie are random and end with the process. A real shop uses its own sign-in here.

use std::{convert::Infallible, fmt, future::ready};

use dodo_core::{Error, RequestHead};
use dodo_dashboard::{Dashboard, Denied, Permission, Theme};
use sha2::{Digest, Sha256};

use crate::{Shop, session::random_id};

const COOKIE: &str = "shop_merchant";

/// The key of the printed link, and the value of the cookie that the link gives.
pub(crate) struct MerchantKey {
    link: String,
    cookie: String,
}

impl MerchantKey {
    pub(crate) fn new() -> Self {
        Self { link: random_id(""), cookie: random_id("") }
    }

    /// The page that the shop prints, for the merchant alone.
    pub(crate) fn target(&self) -> String {
        format!("/merchant?key={}", self.link)
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

impl fmt::Debug for MerchantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MerchantKey(..)")
    }
}

/// Compares digests, so that the duration reveals nothing about the key.
fn is_same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

impl Shop {
    /// The numbers of the ledger as pages, for the merchant alone.
    ///
    /// # Errors
    /// If an option is unusable.
    pub fn dashboard(&self) -> Result<Dashboard, Error> {
        let (guard, names) = (self.clone(), self.clone());
        Dashboard::builder(self.ledger())
            .allow(move |head| {
                let all = Permission::view().with_people().with_operations();
                let is_merchant = guard.merchant().is_in_cookie(&head);
                ready(Ok::<_, Infallible>(if is_merchant { all } else { Permission::denied() }))
            })
            .denied(Denied::Redirect("/merchant".into()))
            .title("Kestrel & Pine")
            .theme(Theme::new().accent("#c2410c"))
            .back_link("/merchant", "Shop")
            .product_names(move |id| names.catalog().get(id).map(|product| product.name.clone()))
            .build()
    }
}

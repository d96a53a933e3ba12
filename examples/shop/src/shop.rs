//! The shop: its state, and one function per page.

use std::sync::Arc;

use dodo_core::Captured;
use jiff::Timestamp;

use crate::{
    books::Books,
    catalog::Catalog,
    orders::{Orders, Standing},
    pages::{self, AccountView, Chrome, Outcome, RevenueView, Trail},
    reply::{Reply, tag},
    revenue::{Filter, Report},
    session::{Account, SessionKey},
};

/// What a page needs of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The query string, without its question mark.
    pub query: Option<&'a str>,
    /// The `Cookie` header.
    pub cookies: Option<&'a str>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<&'a str>,
    /// What the visitor layer found.
    pub captured: Option<&'a Captured>,
}

impl Ask<'_> {
    /// The first query parameter of this name.
    fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query?.as_bytes())
            .find_map(|(n, value)| (n == name).then(|| value.into_owned()))
    }
}

/// The shop. Cheap to clone; all clones are one shop.
#[derive(Clone, Debug)]
pub struct Shop(Arc<Inner>);

/// What a shop is made of.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) orders: Orders,
    pub(crate) books: Books,
    pub(crate) sessions: SessionKey,
    /// The address customers use, without a slash at the end.
    pub(crate) public_url: String,
    /// Where payments go, in words.
    pub(crate) mode: &'static str,
    /// The sandbox's dashboard, if there is a sandbox.
    pub(crate) dashboard: Option<String>,
    /// The web framework, in words.
    pub(crate) framework: &'static str,
}

impl Shop {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// `GET /`
    #[must_use]
    pub fn storefront(&self, ask: Ask<'_>) -> Reply {
        let trail = Trail {
            visitor: ask.captured.and_then(|c| c.visitor()).map(|v| v.as_str()),
            campaign: ask.captured.and_then(|c| c.campaign()),
            refused: ask.captured.is_some_and(|c| !c.consent().allows()),
        };
        self.page(ask, |chrome| pages::storefront(chrome, &self.0.catalog, trail))
    }

    /// `GET /account`
    #[must_use]
    pub fn account(&self, ask: Ask<'_>) -> Reply {
        self.page(ask, |chrome| {
            let view = self.account_view(chrome.account);
            let tag = tag(&pages::account_live(&view).into_string());
            pages::account(chrome, &tag, &view)
        })
    }

    /// `GET /live/account`
    #[must_use]
    pub fn account_live(&self, ask: Ask<'_>) -> Reply {
        let (account, _) = self.who(ask);
        Reply::fragment(pages::account_live(&self.account_view(&account)), ask.if_none_match)
    }

    fn account_view(&self, account: &Account) -> AccountView {
        AccountView {
            belongings: self.0.orders.of(&account.id),
            has_portal: self.0.orders.customer_of(&account.id).is_some(),
        }
    }

    /// `GET /sign-in`
    #[must_use]
    pub fn sign_in_form(&self, ask: Ask<'_>) -> Reply {
        self.page(ask, pages::sign_in)
    }

    /// `POST /sign-in` with a form of `name` and `email`: opens a new demo account.
    #[must_use]
    pub fn sign_in(&self, form: &[u8]) -> Reply {
        let field = |name: &str| {
            let found = form_urlencoded::parse(form).find(|(n, _)| n == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let account = Account::named(&field("name"), &field("email"));
        Reply::redirect("/account").cookie(Some(self.0.sessions.sign_in(&account, self.secure())))
    }

    /// `POST /sign-out`
    #[must_use]
    pub fn sign_out(&self) -> Reply {
        Reply::redirect("/").cookie(Some(SessionKey::sign_out(self.secure())))
    }

    /// `GET /return`: where the hosted page sends people.
    ///
    /// Its query may hold an e-mail address and licence keys: only the ids and the status go on.
    #[must_use]
    pub fn returned(&self, ask: Ask<'_>) -> Reply {
        Reply::redirect(&format!("/thanks?{}", returned_query(ask)))
    }

    /// `GET /thanks`
    #[must_use]
    pub fn thanks(&self, ask: Ask<'_>) -> Reply {
        let live = format!("/live/thanks?{}", returned_query(ask));
        self.page(ask, |chrome| {
            let outcome = self.outcome(chrome.account, ask);
            let tag = tag(&pages::thanks_live(&outcome).into_string());
            pages::thanks(chrome, &live, &tag, &outcome)
        })
    }

    /// `GET /live/thanks`
    #[must_use]
    pub fn thanks_live(&self, ask: Ask<'_>) -> Reply {
        let (account, _) = self.who(ask);
        Reply::fragment(pages::thanks_live(&self.outcome(&account, ask)), ask.if_none_match)
    }

    fn outcome(&self, account: &Account, ask: Ask<'_>) -> Outcome {
        let belongings = self.0.orders.of(&account.id);
        if let Some(payment) = ask.parameter("payment_id") {
            let order = belongings.orders.into_iter().find(|o| o.payment_id == payment);
            if let Some(order) = order {
                return Outcome::Fulfilled(order);
            }
        }
        if let Some(subscription) = ask.parameter("subscription_id") {
            let access = belongings.subscriptions.into_iter().find(|a| {
                a.subscription_id == subscription && a.standing == Standing::Granted
            });
            if let Some(access) = access {
                return Outcome::Granted(access);
            }
        }
        match ask.parameter("status").as_deref() {
            Some("succeeded" | "active" | "processing" | "pending") => Outcome::Waiting,
            _ => Outcome::NotPaid,
        }
    }

    /// `GET /revenue`
    #[must_use]
    pub fn revenue(&self, ask: Ask<'_>) -> Reply {
        let view = self.revenue_view(ask);
        let tag = tag(&pages::revenue_live(&view).into_string());
        self.page(ask, |chrome| pages::revenue(chrome, &tag, &view))
    }

    /// `GET /live/revenue`
    #[must_use]
    pub fn revenue_live(&self, ask: Ask<'_>) -> Reply {
        Reply::fragment(pages::revenue_live(&self.revenue_view(ask)), ask.if_none_match)
    }

    fn revenue_view(&self, ask: Ask<'_>) -> RevenueView {
        let filter = Filter::read(ask.query);
        RevenueView {
            filter,
            report: Report::new(self.0.books.cells(filter)),
            bookings: self.0.books.bookings(filter, &self.0.catalog),
            now: Timestamp::now(),
        }
    }

    /// `GET /revenue/{record}`
    #[must_use]
    pub fn explain(&self, ask: Ask<'_>, record: &str) -> Reply {
        match self.0.books.explain(record, &self.0.catalog) {
            Some(explanation) => self.page(ask, |chrome| pages::explain(chrome, &explanation)),
            None => self.not_found(ask),
        }
    }

    /// `GET /assets/{name}`
    #[must_use]
    pub fn asset(&self, ask: Ask<'_>, name: &str) -> Reply {
        match name {
            "shop.css" => {
                Reply::asset("text/css; charset=utf-8", include_str!("assets/shop.css"))
            }
            "shop.js" => {
                Reply::asset("text/javascript; charset=utf-8", include_str!("assets/shop.js"))
            }
            "mark.svg" => Reply::asset("image/svg+xml", include_str!("assets/mark.svg")),
            _ => self.not_found(ask),
        }
    }

    /// Every other address.
    #[must_use]
    pub fn not_found(&self, ask: Ask<'_>) -> Reply {
        let mut reply = self.page(ask, pages::not_found);
        reply.status = 404;
        reply
    }

    fn page(&self, ask: Ask<'_>, page: impl FnOnce(Chrome<'_>) -> maud::Markup) -> Reply {
        let (account, set_cookie) = self.who(ask);
        let Inner { mode, dashboard, framework, .. } = &*self.0;
        let chrome = Chrome { account: &account, mode, dashboard: dashboard.as_deref(), framework };
        Reply::page(200, page(chrome)).cookie(set_cookie)
    }

    /// The account in the cookie, or a new guest and the cookie that makes the browser this guest.
    fn who(&self, ask: Ask<'_>) -> (Account, Option<String>) {
        if let Some(account) = self.0.sessions.account(ask.cookies) {
            return (account, None);
        }
        let guest = Account::guest();
        let cookie = self.0.sessions.sign_in(&guest, self.secure());
        (guest, Some(cookie))
    }

    /// Whether cookies are for https only.
    fn secure(&self) -> bool {
        self.0.public_url.starts_with("https://")
    }
}

/// What may stay in the address bar of what Dodo's redirect brings.
fn returned_query(ask: Ask<'_>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["payment_id", "subscription_id", "status"] {
        if let Some(value) = ask.parameter(name) {
            query.append_pair(name, &value);
        }
    }
    query.finish()
}

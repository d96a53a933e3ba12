//! The shop: its state, and one function per page.

use std::sync::Arc;

use accounts::Hosts;
use dodo_core::{BoxError, Dodo, SignedIn};
use dodo_ledger::Ledger;
use jiff::Timestamp;

use crate::{
    Ask,
    backend::Backend,
    catalog::Catalog,
    consent::Choice,
    database::Database,
    merchant::MerchantKey,
    pages::{self, AccountView, Chrome, Outcome, Trail},
    reply::{Reply, tag},
    session::{Account, SessionKey},
    year::YearState,
};

/// What a page that reads the database answers.
pub(crate) type Answer = Result<Reply, BoxError>;

/// The shop. Cheap to clone; all clones are one shop.
#[derive(Clone, Debug)]
pub struct Shop(Arc<Inner>);

/// What a shop is made of.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dodo: Dodo,
    pub(crate) catalog: Catalog,
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) sessions: SessionKey,
    pub(crate) merchant: MerchantKey,
    pub(crate) year: YearState,
    /// Where Segment gets records, if anywhere.
    pub(crate) segment_url: Option<String>,
    /// This machine and the public address.
    pub(crate) hosts: Hosts,
    /// The address customers use, without a slash at the end.
    pub(crate) public_url: String,
    /// The address of the webhook route on this machine.
    pub(crate) webhook_url: String,
    pub(crate) backend: Backend,
    /// The web framework, in words.
    pub(crate) framework: &'static str,
}

impl Shop {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn merchant(&self) -> &MerchantKey {
        &self.0.merchant
    }

    pub(crate) fn year(&self) -> &YearState {
        &self.0.year
    }

    pub(crate) fn segment_url(&self) -> Option<&str> {
        self.0.segment_url.as_deref()
    }

    pub(crate) fn dodo(&self) -> &Dodo {
        &self.0.dodo
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn sessions(&self) -> &SessionKey {
        &self.0.sessions
    }

    pub(crate) fn public_url(&self) -> &str {
        &self.0.public_url
    }

    pub(crate) fn webhook_url(&self) -> String {
        self.0.webhook_url.clone()
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// `GET /`
    pub(crate) fn storefront(&self, ask: &Ask) -> Reply {
        let captured = ask.captured();
        let trail = Trail {
            visitor: captured.and_then(|c| c.visitor()).map(|v| v.as_str()),
            campaign: captured.and_then(|c| c.campaign()),
        };
        self.visit(ask).page(|chrome| pages::storefront(chrome, &self.0.catalog, trail))
    }

    /// `GET /account`
    pub(crate) async fn account(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let view = self.account_view(&visit.account).await?;
        let tag = tag(&pages::account_live(&view).into_string());
        Ok(visit.page(|chrome| pages::account(chrome, &tag, &view)))
    }

    /// `GET /live/account`
    pub(crate) async fn account_live(&self, ask: &Ask) -> Answer {
        let view = self.account_view(&self.visit(ask).account).await?;
        Ok(Reply::fragment(pages::account_live(&view), ask.head.header("if-none-match")))
    }

    async fn account_view(&self, account: &Account) -> Result<AccountView, BoxError> {
        Ok(AccountView {
            belongings: self.0.database.belongings(&account.id).await?,
            has_portal: self.0.database.customer_of(&account.id).await?.is_some(),
        })
    }

    /// `GET /sign-in`
    pub(crate) fn sign_in_form(&self, ask: &Ask) -> Reply {
        self.visit(ask).page(pages::sign_in)
    }

    /// `POST /sign-in` with a form of `name` and `email`: opens a new demo account.
    pub(crate) async fn sign_in(&self, ask: &Ask) -> Reply {
        let field = |name| ask.form_field(name).unwrap_or_default();
        let account = Account::named(&field("name"), &field("email"));
        if let Err(error) = self.identify(&account, ask).await {
            tracing::warn!(target: "shop", %error, "visitor not linked to the account; sign-in continues");
        }
        Reply::redirect("/account").cookie(Some(self.0.sessions.sign_in(&account, self.secure())))
    }

    /// Links the visitor to the address, so that a payment from another device finds the visitor. Only
    /// with consent.
    async fn identify(&self, account: &Account, ask: &Ask) -> Result<(), BoxError> {
        let (Some(email), Some(captured)) = (&account.email, ask.captured()) else { return Ok(()) };
        let user = SignedIn::user(&account.id).email(email);
        self.0.ledger.identify_captured(captured, &user).await?;
        Ok(())
    }

    /// `POST /sign-out`
    pub(crate) fn sign_out(&self) -> Reply {
        Reply::redirect("/").cookie(Some(SessionKey::sign_out(self.secure())))
    }

    /// `GET /return`: where the hosted page sends people.
    ///
    /// Its query may hold an e-mail address and license keys: only the ids and the status go on.
    pub(crate) fn returned(&self, ask: &Ask) -> Reply {
        Reply::redirect(&format!("/thanks?{}", returned_query(ask)))
    }

    /// `GET /thanks`
    pub(crate) async fn thanks(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let live = format!("/live/thanks?{}", returned_query(ask));
        let outcome = self.outcome(&visit.account, ask).await?;
        let tag = tag(&pages::thanks_live(&outcome).into_string());
        Ok(visit.page(|chrome| pages::thanks(chrome, &live, &tag, &outcome)))
    }

    /// `GET /live/thanks`
    pub(crate) async fn thanks_live(&self, ask: &Ask) -> Answer {
        let outcome = self.outcome(&self.visit(ask).account, ask).await?;
        Ok(Reply::fragment(pages::thanks_live(&outcome), ask.head.header("if-none-match")))
    }

    async fn outcome(&self, account: &Account, ask: &Ask) -> Result<Outcome, BoxError> {
        let belongings = self.0.database.belongings(&account.id).await?;
        if let Some(payment) = ask.parameter("payment_id") {
            let order = belongings.orders.into_iter().find(|o| o.payment_id == payment);
            if let Some(order) = order {
                return Ok(Outcome::Fulfilled(order));
            }
        }
        if let Some(subscription) = ask.parameter("subscription_id") {
            let access = belongings
                .subscriptions
                .into_iter()
                .find(|a| a.subscription_id == subscription && a.is_open(Timestamp::now()));
            if let Some(access) = access {
                return Ok(Outcome::Granted(access));
            }
        }
        Ok(match ask.parameter("status").as_deref() {
            Some("succeeded" | "active" | "processing" | "pending") => Outcome::Waiting,
            _ => Outcome::NotPaid,
        })
    }

    /// `GET /merchant`
    pub(crate) fn merchant_page(&self, ask: &Ask) -> Reply {
        let year = self.backend().dashboard().map(|_| self.year().get());
        let tag = tag(&pages::merchant_live(year.unwrap_or_default()).into_string());
        self.visit(ask).page(|chrome| pages::merchant(chrome, &tag, year))
    }

    /// `GET /live/merchant`
    pub(crate) fn merchant_live(&self, ask: &Ask) -> Reply {
        let part = pages::merchant_live(self.year().get());
        Reply::fragment(part, ask.head.header("if-none-match"))
    }

    /// `POST /merchant/year`
    pub(crate) fn ask_for_year(&self) -> Reply {
        self.simulate_year();
        Reply::redirect("/merchant")
    }

    /// `GET /assets/{name}`
    pub(crate) fn asset(&self, ask: &Ask, name: &str) -> Reply {
        match name {
            "shop.css" => Reply::asset("text/css; charset=utf-8", include_str!("assets/shop.css")),
            "shop.js" => {
                Reply::asset("text/javascript; charset=utf-8", include_str!("assets/shop.js"))
            }
            "mark.svg" => Reply::asset("image/svg+xml", include_str!("assets/mark.svg")),
            _ => self.not_found(ask),
        }
    }

    /// Every other address.
    pub(crate) fn not_found(&self, ask: &Ask) -> Reply {
        Reply { status: 404, ..self.visit(ask).page(pages::not_found) }
    }

    /// The address exists, but not for this method.
    pub(crate) fn method_not_allowed(&self, ask: &Ask, allowed: &str) -> Reply {
        Reply { status: 405, ..self.visit(ask).page(pages::not_found) }.header("allow", allowed)
    }

    /// A page of another site sent this: nothing is changed, the cookie least of all.
    pub(crate) fn refused(&self, ask: &Ask) -> Reply {
        let mut reply = Reply { status: 403, ..self.visit(ask).page(pages::not_found) };
        reply.headers.retain(|(name, _)| *name != "set-cookie");
        reply
    }

    /// Something of ours failed. The reason is for the log alone.
    pub(crate) fn failed(&self, ask: &Ask, error: &BoxError) -> Reply {
        tracing::error!(target: "shop", %error, path = ask.head.uri.path(), "a page cannot be shown");
        Reply { status: 500, ..self.visit(ask).page(pages::failed) }
    }

    /// Whether a request with this `Host` header is for the shop. Another host is answered with
    /// [`misdirected`](Self::misdirected).
    #[must_use]
    pub fn accepts_host(&self, host: Option<&[u8]>) -> bool {
        self.0.hosts.accept(host)
    }

    /// The answer to a request for another host.
    #[must_use]
    pub fn misdirected(&self) -> Reply {
        Reply::plain(421, "unknown host: name the public address of the shop in DODO_PUBLIC_URL\n")
    }

    /// The answer to everyone but the merchant: the reason, or a cookie for who has the key.
    pub(crate) fn merchant_only(&self, ask: &Ask) -> Option<Reply> {
        if ask.parameter("key").is_some_and(|key| self.merchant().is_in_link(&key)) {
            // The key must not stay in the address bar.
            let cookie = self.merchant().set_cookie(self.secure());
            return Some(Reply::redirect("/merchant").cookie(Some(cookie)));
        }
        if self.merchant().is_in_cookie(&ask.head) {
            return None;
        }
        Some(Reply { status: 403, ..self.visit(ask).page(pages::merchant_only) })
    }

    /// `POST /consent` with a form of `choice` and `back`: keeps the visitor's answer.
    pub(crate) fn consent(&self, ask: &Ask) -> Reply {
        let back = ask.form_field("back").filter(|back| is_own_path(back));
        let cookies = Choice::cookies(&ask.form_field("choice").unwrap_or_default(), self.secure());
        let reply = Reply::redirect(back.as_deref().unwrap_or("/"));
        cookies.into_iter().fold(reply, |reply, cookie| reply.cookie(Some(cookie)))
    }

    /// The account in the cookie, or a new guest and the cookie that makes the browser this guest.
    fn visit(&self, ask: &Ask) -> Visit<'_> {
        let known = self.0.sessions.account(&ask.head);
        let (account, set_cookie) = match known {
            Some(account) => (account, None),
            None => {
                let guest = Account::guest();
                let cookie = self.0.sessions.sign_in(&guest, self.secure());
                (guest, Some(cookie))
            }
        };
        let choice = Choice::of(&ask.head, ask.captured());
        Visit { shop: &self.0, account, set_cookie, choice, back: ask.target().to_owned() }
    }

    /// Whether cookies are for https only.
    pub(crate) fn secure(&self) -> bool {
        self.0.public_url.starts_with("https://")
    }
}

/// One request of one account.
struct Visit<'a> {
    shop: &'a Inner,
    account: Account,
    set_cookie: Option<String>,
    choice: Choice,
    /// The address to return to from the banner.
    back: String,
}

impl Visit<'_> {
    fn page(self, page: impl FnOnce(Chrome<'_>) -> maud::Markup) -> Reply {
        let Inner { backend, framework, .. } = self.shop;
        let (mode, dashboard) = (backend.mode(), backend.dashboard());
        let Self { account, choice, back, .. } = &self;
        let chrome = Chrome { account, mode, dashboard, framework, choice: *choice, back };
        Reply::page(200, page(chrome)).cookie(self.set_cookie)
    }
}

/// Whether this is a path of the shop, and not an address of another site such as `//evil.example`.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')
}

/// The part of the redirect's query that may stay in the address bar.
fn returned_query(ask: &Ask) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["payment_id", "subscription_id", "status"] {
        if let Some(value) = ask.parameter(name) {
            query.append_pair(name, &value);
        }
    }
    query.finish()
}

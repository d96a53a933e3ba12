//! The shop: its state, and one function per page.

use std::{sync::Arc, time::Duration};

use accounts::Hosts;
use dodo_billing::{Access, AccessSource, AfterCheckout, Billing, SourceKind};
use dodo_core::{BoxError, Dodo, ErrorKind, SignedIn};
use dodo_ledger::Ledger;
use dodo_sandbox::Sandbox;

use crate::{
    Ask,
    backend::Backend,
    catalog::{Catalog, Product},
    consent::Choice,
    database::Database,
    merchant::MerchantKey,
    pages::{self, Chrome, Outcome, Trail},
    plans::ARCHIVE,
    reply::{Reply, content_security_policy, tag},
    session::{Account, SessionKey},
    year::YearState,
};

/// The time for which the page after a checkout waits for the webhook, before it asks Dodo
/// Payments.
const WAIT_FOR_WEBHOOK: Duration = Duration::from_secs(5);

/// The result of a page that reads the database.
pub(crate) type Answer = Result<Reply, BoxError>;

/// The shop. Cheap to clone; all clones are one shop.
#[derive(Clone, Debug)]
pub struct Shop(Arc<Inner>);

/// The parts of a shop.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dodo: Dodo,
    pub(crate) catalog: Catalog,
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) billing: Billing,
    pub(crate) sessions: SessionKey,
    pub(crate) merchant: MerchantKey,
    pub(crate) year: YearState,
    /// The URL of Segment, if the shop sends records there.
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

    pub(crate) fn billing(&self) -> &Billing {
        &self.0.billing
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
    pub(crate) async fn storefront(&self, ask: &Ask) -> Answer {
        let captured = ask.captured();
        let trail = Trail {
            visitor: captured.and_then(|c| c.visitor()).map(|v| v.as_str()),
            campaign: captured.and_then(|c| c.campaign()),
        };
        let visit = self.visit(ask);
        let access = self.billing().owner(&visit.account.id).await?;
        let goods = self.catalog().products().iter();
        let goods = goods.map(|product| (product, self.is_subscribed(&access, product))).collect();
        Ok(visit.page(|chrome| pages::storefront(chrome, goods, trail)))
    }

    /// Whether an account has a subscription of this product's plan, or one that a payment repairs.
    fn is_subscribed(&self, access: &Access, product: &Product) -> bool {
        let plan = self.billing().plans().plan_of(product.id.as_str());
        let source = plan.and_then(|plan| access.subscription(plan));
        source.is_some_and(|source| source.is_live() || source.recoverable)
    }

    /// `GET /account`
    pub(crate) async fn account(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let view = self.account_view(&visit.account).await?;
        let part = pages::account_live(self.catalog(), &view);
        let tag = tag(&part.0);
        Ok(visit.page(|chrome| pages::account(chrome, &tag, part)))
    }

    /// `GET /live/account`
    pub(crate) async fn account_live(&self, ask: &Ask) -> Answer {
        let view = self.account_view(&self.visit(ask).account).await?;
        let part = pages::account_live(self.catalog(), &view);
        Ok(Reply::fragment(part, ask.head.header("if-none-match")))
    }

    /// `GET /change?product=pdt_x&subscription=sub_x`: the price of another plan, and the button that takes it.
    pub(crate) async fn change(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let product = ask.parameter("product").unwrap_or_default();
        let Some(product) = self.catalog().get(&product) else { return Ok(self.not_found(ask)) };
        let owner = self.billing().owner(&visit.account.id);
        let subscription = ask.parameter("subscription");
        let (of, to) = (subscription.as_deref(), product.id.as_str());
        let price = owner.preview_change(of, to, None, None).await;
        let status = if price.is_ok() { 200 } else { 409 };
        let reply = visit.page(|chrome| pages::change(chrome, product, price.as_ref()));
        Ok(Reply { status, ..reply })
    }

    /// `GET /members`: open to accounts with the feature.
    pub(crate) async fn members(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let access = self.billing().owner(&visit.account.id).await?;
        if !access.can(ARCHIVE) {
            return Ok(Reply::redirect("/account"));
        }
        Ok(visit.page(|chrome| pages::members(chrome, access.reason())))
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

    /// `GET /return`: the return URL of the hosted page.
    ///
    /// Its query may hold an e-mail address and license keys: only the ids go on.
    pub(crate) fn returned(&self, ask: &Ask) -> Reply {
        Reply::redirect(&format!("/thanks?{}", returned_query(ask)))
    }

    /// `GET /thanks`
    pub(crate) async fn thanks(&self, ask: &Ask) -> Answer {
        let visit = self.visit(ask);
        let live = format!("/live/thanks?{}", returned_query(ask));
        let outcome = self.outcome(&visit.account, ask).await?;
        let part = pages::thanks_live(self.catalog(), &outcome);
        let tag = tag(&part.0);
        // Only a payment without a result changes.
        let live = (outcome == Outcome::Waiting).then_some(&*live);
        Ok(visit.page(|chrome| pages::thanks(chrome, live, &tag, part)))
    }

    /// `GET /live/thanks`
    pub(crate) async fn thanks_live(&self, ask: &Ask) -> Answer {
        let outcome = self.outcome(&self.visit(ask).account, ask).await?;
        let part = pages::thanks_live(self.catalog(), &outcome);
        Ok(Reply::fragment(part, ask.head.header("if-none-match")))
    }

    /// The result of a checkout, by its key. Another account's key is unknown.
    async fn outcome(&self, account: &Account, ask: &Ask) -> Result<Outcome, BoxError> {
        let owner = self.billing().owner(&account.id);
        let key = ask.parameter("checkout").unwrap_or_default();
        let access = match owner.after_checkout(&key, WAIT_FOR_WEBHOOK).await {
            Ok(AfterCheckout::Done(access)) => *access,
            Ok(AfterCheckout::Failed) => return Ok(Outcome::NotPaid),
            Ok(_) => return Ok(Outcome::Waiting),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Unknown),
            Err(error) => return Err(error.into()),
        };
        let id = ask.parameter("subscription_id");
        let is_it = |source: &&AccessSource| matches!(&source.kind, SourceKind::Subscription(of) if Some(of) == id.as_ref());
        if let Some(subscription) = access.subscriptions().find(is_it) {
            return Ok(Outcome::Subscribed(Box::new(subscription.clone())));
        }
        let paid = self.account_view(account).await?.payments;
        let id = ask.parameter("payment_id");
        let paid = paid.into_iter().find(|paid| Some(&paid.line.id) == id.as_ref());
        Ok(Outcome::Paid(paid.map(Box::new)))
    }

    /// `GET /merchant`
    pub(crate) fn merchant_page(&self, ask: &Ask) -> Reply {
        let year = self.backend().sandbox().map(|_| self.year().get());
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

    /// The answer to an error of the shop. Only the log has the reason.
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

    /// The answer without the merchant's cookie: the reason, or a cookie for a browser with the
    /// key.
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
        let choice = Choice::from_request(&ask.head, ask.captured());
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
        let (mode, dashboard) = (backend.mode(), backend.sandbox().map(Sandbox::url));
        let Self { account, choice, back, .. } = &self;
        let chrome = Chrome { account, mode, dashboard, framework, choice: *choice, back };
        let policy = content_security_policy(dashboard);
        Reply::page(200, page(chrome), &policy).cookie(self.set_cookie)
    }
}

/// Whether this is a path of the shop, and not an address of another site such as `//evil.example`.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')
}

/// The part of the redirect's query that may stay in the address bar.
fn returned_query(ask: &Ask) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["checkout", "payment_id", "subscription_id"] {
        if let Some(value) = ask.parameter(name) {
            query.append_pair(name, &value);
        }
    }
    query.finish()
}

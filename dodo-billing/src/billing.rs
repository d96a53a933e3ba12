//! The handle of the app: plans, secrets, the client, and the database of the ledger.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};

use dodo_core::{Client, Dodo, Environment, Error as CoreError, ErrorKind as CoreKind};
use dodo_ledger::LedgerHandle;
use jiff::{SignedDuration, Timestamp};

use crate::{
    answer,
    error::{Error, ErrorKind},
    listener::{AccessListener, DynListener},
    owner::{OwnerId, OwnerSecrets},
    owner_handle::Owner,
    plans::Plans,
    store,
};

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The access of owners to plans and features. Cheap to clone.
///
/// Give it to the ledger as a projection: it then follows each booking, and answers from one row.
///
/// ```
/// use dodo_billing::{Billing, Plan, Plans};
/// use dodo_core::{Dodo, Environment};
/// use dodo_ledger::{Ledger, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let _ = rustls::crypto::ring::default_provider().install_default();
/// let dodo = Dodo::builder("sk_...", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test).build()?;
/// let plans = Plans::builder().plan(Plan::new("pro").product("pdt_pro").feature("export")).build()?;
/// let billing = Billing::builder(&dodo, plans).secret("a-secret-of-32-random-characters").build()?;
/// let store = Store::open("sqlite::memory:").await?;
/// let ledger = Ledger::builder(store).projection(billing.clone()).open().await?;
///
/// let access = billing.owner("user_42").await?;
/// assert!(!access.can("export"));
/// # drop(ledger);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Billing(Arc<Shared>);

struct Shared {
    client: Client,
    plans: Plans,
    fingerprint: String,
    secrets: OwnerSecrets,
    clock: Clock,
    listener: Option<Arc<dyn DynListener>>,
    trial_notice: Option<SignedDuration>,
    return_to: Option<String>,
    paywall_page: Option<String>,
    mounted_at: String,
    /// The time of the last snapshot, in microseconds.
    snapshot_at: AtomicI64,
    ledger: OnceLock<LedgerHandle>,
}

/// Builds a [`Billing`].
#[must_use = "call `.build()`"]
pub struct BillingBuilder {
    client: Client,
    plans: Plans,
    secret: Option<String>,
    clock: Option<Clock>,
    listener: Option<Arc<dyn DynListener>>,
    trial_notice: Option<SignedDuration>,
    return_to: Option<String>,
    paywall_page: Option<String>,
    mounted_at: Option<String>,
}

impl Billing {
    /// Starts with the connection to Dodo Payments, which also names the mode, and the plans.
    pub fn builder(dodo: &Dodo, plans: Plans) -> BillingBuilder {
        BillingBuilder {
            client: dodo.client().clone(),
            plans,
            secret: None,
            clock: None,
            listener: None,
            trial_notice: None,
            return_to: None,
            paywall_page: None,
            mounted_at: None,
        }
    }

    /// An owner: await it for the access, or call what changes it.
    ///
    /// ```no_run
    /// # async fn f(billing: dodo_billing::Billing) -> Result<(), dodo_core::Error> {
    /// let access = billing.owner("user_42").await?;
    /// if access.can("export") {
    ///     println!("until {:?}: {}", access.until(), access.reason());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn owner(&self, id: impl AsRef<str>) -> Owner {
        Owner::new(self.clone(), id.as_ref())
    }

    /// The declared plans.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.0.plans
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn secrets(&self) -> &OwnerSecrets {
        &self.0.secrets
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    pub(crate) fn live(&self) -> bool {
        self.0.client.environment() == Environment::Live
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// The time of an answer of the API: now, but later than the previous answer, so that the later
    /// one of two answers counts.
    pub(crate) fn snapshot_time(&self) -> Timestamp {
        let now = self.now().as_microsecond();
        let next = |last: i64| Some(now.max(last.saturating_add(1)));
        let clock = &self.0.snapshot_at;
        let last = clock.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        let at = last.ok().and_then(next).unwrap_or(now);
        Timestamp::from_microsecond(at).unwrap_or_else(|_| self.now())
    }

    /// A timer called at this time, by the clock of the database: the clock of this machine may be behind, and
    /// the answers of the API that follow are later.
    pub(crate) fn not_before(&self, at: Timestamp) {
        self.0.snapshot_at.fetch_max(at.as_microsecond(), Ordering::SeqCst);
    }

    pub(crate) fn listener(&self) -> Option<&Arc<dyn DynListener>> {
        self.0.listener.as_ref()
    }

    pub(crate) fn trial_notice(&self) -> Option<SignedDuration> {
        self.0.trial_notice
    }

    /// The page to which customers return.
    pub(crate) fn return_to(&self) -> Option<&str> {
        self.0.return_to.as_deref()
    }

    /// The page of prices.
    pub(crate) fn paywall_page(&self) -> Option<&str> {
        self.0.paywall_page.as_deref()
    }

    /// The path of the endpoints.
    pub(crate) fn mounted_at(&self) -> &str {
        &self.0.mounted_at
    }

    /// Stores the ledger. The first one counts.
    pub(crate) fn keep(&self, ledger: LedgerHandle) {
        let _first = self.0.ledger.set(ledger);
    }

    /// The ledger that billing follows.
    pub(crate) fn ledger(&self) -> Result<&LedgerHandle, CoreError> {
        self.0.ledger.get().ok_or_else(|| {
            CoreError::new(
                CoreKind::Config,
                "billing has no ledger: give it to `Ledger::builder(store).projection(billing)`",
            )
        })
    }

    /// The access of an owner now: one row, or all facts if the row is of other plans or its answer is over. An
    /// owner without a stored answer has no facts.
    pub(crate) async fn access(&self, owner: &OwnerId) -> Result<crate::Access, CoreError> {
        let store = self.ledger()?.database();
        let now = self.now();
        let stored = store::read_answer(store, owner, self.live()).await?;
        // The first fact and the first decision of an owner store an answer.
        let Some((plans, answer)) = stored.filter(|(_, answer)| !answer.is_empty()) else {
            return Ok(crate::derive(&[], self.plans(), now));
        };
        let current = Some(answer).filter(|_| plans == self.0.fingerprint);
        if let Some(access) = current.and_then(|answer| answer::current(&answer, now)) {
            return Ok(access);
        }
        Ok(self.access_from_facts(&mut store.read().await?, owner).await?)
    }

    /// The access of an owner now, from all facts.
    pub(crate) async fn access_from_facts(
        &self,
        tx: &mut impl store::Loaded,
        owner: &OwnerId,
    ) -> Result<crate::Access, dodo_ledger::Error> {
        let owners = [owner.clone()].into();
        let facts = self.facts_of(tx, &owners, &Default::default()).await?;
        let facts = facts.into_values().next().unwrap_or_default();
        Ok(crate::derive(&facts, self.plans(), self.now()))
    }
}

impl BillingBuilder {
    /// Sets the secret that signs owners in the metadata of checkouts: at least 16 characters. For a
    /// rotation, put the new secret first and the old ones after it, with blanks between them.
    ///
    /// Default: the variable `DODO_BILLING_SECRET`.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets who hears about changes of access.
    pub fn listener(mut self, listener: impl AccessListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Calls [`AccessListener::trial_ending`] this long before the end of a trial. Default: never.
    pub fn trial_notice(mut self, notice: SignedDuration) -> Self {
        self.trial_notice = Some(notice);
        self
    }

    /// Sets the page to which customers return from Dodo Payments: an absolute URL. The query gets
    /// `checkout=...`, the key for [`after_checkout`](Owner::after_checkout).
    ///
    /// Default: the page of the client, without the key.
    pub fn return_to(mut self, url: impl Into<String>) -> Self {
        self.return_to = Some(url.into());
        self
    }

    /// Sends browsers without access to this page of the app, such as `/pricing`. Default: every client gets
    /// the problem document.
    pub fn paywall_page(mut self, page: impl Into<String>) -> Self {
        self.paywall_page = Some(page.into());
        self
    }

    /// Sets the path under which the app mounts the [endpoints](Billing::endpoints), for the links of
    /// refusals. Default: `/billing`.
    pub fn mounted_at(mut self, path: impl Into<String>) -> Self {
        self.mounted_at = Some(path.into());
        self
    }

    /// Sets the clock, for an app that runs against a sandbox whose time is moved. Default: the clock of
    /// the machine.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`WeakSecret`](ErrorKind::WeakSecret), or [`NegativeDuration`](ErrorKind::NegativeDuration).
    pub fn build(self) -> Result<Billing, Error> {
        let from_env = || dodo_core::env::variable("DODO_BILLING_SECRET").ok().flatten();
        let secrets = OwnerSecrets::new(&self.secret.or_else(from_env).unwrap_or_default())?;
        if self.trial_notice.is_some_and(|notice| notice.is_negative()) {
            let text = "trial_notice is negative: set zero or more".to_owned();
            return Err(Error::new(ErrorKind::NegativeDuration, text));
        }
        if let Some(url) = &self.return_to {
            let is_web = url.parse::<http::Uri>().is_ok_and(|uri| {
                uri.authority().is_some() && matches!(uri.scheme_str(), Some("https" | "http"))
            });
            if !is_web {
                let text = format!("return_to {url:?}: write an absolute URL of the web");
                return Err(Error::new(ErrorKind::InvalidOption, text));
            }
        }
        Ok(Billing(Arc::new(Shared {
            client: self.client,
            fingerprint: self.plans.fingerprint(),
            plans: self.plans,
            secrets,
            clock: self.clock.unwrap_or_else(|| Arc::new(Timestamp::now)),
            listener: self.listener,
            trial_notice: self.trial_notice,
            return_to: self.return_to,
            paywall_page: self.paywall_page,
            mounted_at: self.mounted_at.unwrap_or_else(|| "/billing".to_owned()),
            snapshot_at: AtomicI64::new(i64::MIN),
            ledger: OnceLock::new(),
        })))
    }
}

impl fmt::Debug for Billing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Billing").field("client", &self.0.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for BillingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BillingBuilder").field("client", &self.client).finish_non_exhaustive()
    }
}

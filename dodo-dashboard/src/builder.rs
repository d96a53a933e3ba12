use std::{fmt, future::Future, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use dodo_core::{BoxError, Error, RequestHead};
use dodo_ledger::Ledger;
use sha2::{Digest, Sha256};

use crate::{
    Dashboard, Denied, Permission, Person, Theme, access::Allow, cache::Cache, dashboard::Settings,
};

pub(crate) const SCRIPT: &str = include_str!("assets/dashboard.js");

/// Access before [`allow`](DashboardBuilder::allow).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Undecided;

/// Access by a function of the app.
#[derive(Clone)]
pub struct Decided(Allow);

/// Builds a [`Dashboard`].
///
/// Without [`allow`](Self::allow) there is no dashboard:
///
/// ```compile_fail,E0599
/// # async fn run(ledger: dodo_ledger::Ledger) {
/// let dashboard = dodo_dashboard::Dashboard::builder(&ledger).build();
/// # }
/// ```
#[must_use = "call `.allow(..)` and `.build()`"]
pub struct DashboardBuilder<Access = Undecided> {
    access: Access,
    ledger: Ledger,
    title: String,
    theme: Theme,
    denied: Denied,
    back: Option<(String, String)>,
    product_name: Option<Naming>,
    person_link: Option<Linking>,
}

/// The app's name of a product.
pub(crate) type Naming = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// The app's own page of a person.
pub(crate) type Linking = Arc<dyn Fn(&Person) -> Option<String> + Send + Sync>;

impl DashboardBuilder {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        Self {
            access: Undecided,
            ledger: ledger.clone(),
            title: "Revenue".to_owned(),
            theme: Theme::default(),
            denied: Denied::default(),
            back: None,
            product_name: None,
            person_link: None,
        }
    }

    /// Calls `decide` at each request for the access of the person, before it reads the query.
    ///
    /// An error of `decide`, and a decision that takes more than 5 seconds, is 500.
    pub fn allow<F, Fut, E>(self, decide: F) -> DashboardBuilder<Decided>
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Permission, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let allow: Allow = Arc::new(move |head| {
            let decision = decide(head);
            Box::pin(async move { decision.await.map_err(Into::into) })
        });
        let Self { ledger, title, theme, denied, back, product_name, person_link, .. } = self;
        let access = Decided(allow);
        DashboardBuilder { access, ledger, title, theme, denied, back, product_name, person_link }
    }
}

impl<Access> DashboardBuilder<Access> {
    /// Sets the title, such as the name of the app. Default: `Revenue`.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the colors.
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Sets the answer for a person without access. Default: 403 and a page.
    pub fn denied(mut self, denied: Denied) -> Self {
        self.denied = denied;
        self
    }

    /// Links back to a page of the app.
    pub fn back_link(mut self, url: impl Into<String>, label: impl Into<String>) -> Self {
        self.back = Some((url.into(), label.into()));
        self
    }

    /// Names products. Default, and for `None`: the id.
    pub fn product_names(
        mut self,
        name: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.product_name = Some(Arc::new(name));
        self
    }

    /// Links customers and visitors to the app's own page of each person. Only viewers with access
    /// to people see the links.
    pub fn person_link(
        mut self,
        link: impl Fn(&Person) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.person_link = Some(Arc::new(link));
        self
    }
}

impl DashboardBuilder<Decided> {
    /// Checks the options.
    ///
    /// # Errors
    /// [`Config`](dodo_core::ErrorKind::Config) if the accent of the theme is not a color with enough
    /// contrast, or if [`Denied::Redirect`] does not name a path of the app.
    pub fn build(self) -> Result<Dashboard, Error> {
        let style = self.theme.sheet()?;
        if let Denied::Redirect(to) = &self.denied {
            let is_path = to.starts_with('/') && !to.starts_with("//");
            if !is_path || http::HeaderValue::from_str(to).is_err() {
                return Err(Error::config("Denied::Redirect: write a path, such as /login"));
            }
        }
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            hash(&style),
            hash(SCRIPT)
        );
        Ok(Dashboard::new(Settings {
            allow: self.access.0,
            ledger: self.ledger,
            build: hash(&style),
            style,
            policy,
            title: self.title,
            denied: self.denied,
            back: self.back,
            product_name: self.product_name,
            person_link: self.person_link,
            cache: Cache::default(),
        }))
    }
}

/// The source expression of a text in a Content-Security-Policy.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(text)))
}

impl<Access> fmt::Debug for DashboardBuilder<Access> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardBuilder").field("title", &self.title).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decided").finish_non_exhaustive()
    }
}

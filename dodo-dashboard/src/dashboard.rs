//! The endpoint: access, entity tag, answer.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use dodo_core::{
    Error, ErrorKind, RequestHead,
    endpoint::{Endpoint, Get, MountPrefix},
    internals::SealedEndpoint,
};
use dodo_ledger::Ledger;
use http::{Method, Request, Response, header};
use jiff::{Timestamp, Zoned};
use maud::html;

use crate::{
    DashboardBuilder, Denied, Permission,
    access::Allow,
    answer::{self, Tag},
    builder::{Linking, Naming, SCRIPT},
    cache::Cache,
    load::{self, Loaded, Loader},
    page::{self, Frame},
    question::{Format, Parsed, Question},
    table::Table,
};

/// The longest decision of the app.
const DECISION_LIMIT: Duration = Duration::from_secs(5);
/// The longest time for the questions of a page.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// The dashboard as an endpoint: `GET` and `HEAD` on one path, everything else in the query string.
///
/// Mount it with `mount` of `dodo-axum` or `dodo-actix`, or with
/// [`into_service`](dodo_core::endpoint::Endpoint::into_service).
#[derive(Clone)]
pub struct Dashboard(Arc<Settings>);

/// The parts of a dashboard.
pub(crate) struct Settings {
    pub(crate) allow: Allow,
    pub(crate) ledger: Ledger,
    pub(crate) style: String,
    pub(crate) policy: String,
    /// Names this build in entity tags.
    pub(crate) build: String,
    pub(crate) title: String,
    pub(crate) denied: Denied,
    pub(crate) back: Option<(String, String)>,
    pub(crate) product_name: Option<Naming>,
    pub(crate) person_link: Option<Linking>,
    pub(crate) cache: Cache,
}

impl Dashboard {
    /// Starts with the ledger that the dashboard shows.
    pub fn builder(ledger: &Ledger) -> DashboardBuilder {
        DashboardBuilder::new(ledger)
    }

    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// The Content-Security-Policy of its pages. A stricter policy of the app on the same path blocks
    /// them: leave this path out there.
    #[must_use]
    pub fn content_security_policy(&self) -> &str {
        &self.0.policy
    }
}

impl SealedEndpoint for Dashboard {}

impl Endpoint for Dashboard {
    type Methods = Get;

    const ANSWERS_HEAD: bool = true;

    /// A `GET` needs no body. The limit applies to clients that send one.
    fn body_limit(&self, _: &Method) -> usize {
        100 << 10
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    fn owns_caching(&self, _: &Method) -> bool {
        true
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let head = RequestHead::from(request.into_parts().0);
        if head.extension::<MountPrefix>().is_some()
            && MountPrefix::path_below(&head.extensions, &head.uri) != "/"
        {
            return Error::new(ErrorKind::NotFound, "there is no such page").to_response();
        }
        let query = head.uri.query().unwrap_or_default();
        let permission = match self.0.permission(head.clone()).await {
            Ok(permission) => permission,
            Err(error) => return error.to_response(),
        };
        if !permission.sees_numbers() {
            return self.0.denied(query);
        }
        let now = Timestamp::now().to_zoned(self.0.ledger.zone().clone());
        let Ok(parsed) = Question::parse(query, now.date()) else {
            let message = "the query is too long: at most 4096 bytes, and 200 characters a value";
            return Error::new(ErrorKind::InvalidRequest, message).to_response();
        };
        self.0.answer(&head, permission, parsed, now).await
    }
}

/// A page and its live part have one tag, and two bodies.
fn cache_key(tag: &Tag, question: &Question) -> String {
    format!("{}{}", tag.as_str(), if question.live { " live" } else { "" })
}

impl Settings {
    async fn permission(&self, head: RequestHead) -> Result<Permission, Error> {
        let decision = tokio::time::timeout(DECISION_LIMIT, (self.allow)(head)).await;
        let failed = |error: Error| {
            let cause = std::error::Error::source(&error).map(tracing::field::display);
            tracing::error!(target: "dodo::dashboard", cause, "{}", error.message());
            error
        };
        match decision {
            Ok(Ok(permission)) => Ok(permission),
            Ok(Err(cause)) => Err(failed(
                Error::new(
                    ErrorKind::CallbackFailed,
                    "the application failed to decide who may see the dashboard",
                )
                .with_source(cause),
            )),
            Err(_) => Err(failed(Error::new(
                ErrorKind::CallbackFailed,
                "the application did not decide in time who may see the dashboard",
            ))),
        }
    }

    /// The answer to a person without access. It has no number, and needs no query.
    fn denied(&self, query: &str) -> Response<Bytes> {
        let is_page = form_urlencoded::parse(query.as_bytes())
            .all(|(name, value)| name != "part" && (name != "format" || value == "html"));
        let forbidden = "the function in `allow` of the dashboard does not let you see it";
        match (&self.denied, is_page) {
            (Denied::NotFound, _) => {
                Error::new(ErrorKind::NotFound, "there is no such page").to_response()
            }
            (Denied::Redirect(to), true) => answer::redirect(to),
            (Denied::Redirect(_), false) => {
                Error::new(ErrorKind::Unauthenticated, "no user is signed in").to_response()
            }
            (Denied::Page, true) => answer::page(
                http::StatusCode::FORBIDDEN,
                page::message(
                    "Not allowed",
                    "The app that runs this page does not let you see it. Its developers decide in the function that they gave to `allow` of the dashboard.",
                    &self.style,
                ),
                &self.policy,
            ),
            (Denied::Page, false) => Error::new(ErrorKind::OriginNotAllowed, forbidden)
                .with_code("not_allowed")
                .to_response(),
        }
    }

    async fn answer(
        &self,
        head: &RequestHead,
        permission: Permission,
        parsed: Parsed,
        now: Zoned,
    ) -> Response<Bytes> {
        let tag = match load::tag(self, &parsed, permission, &now).await {
            Ok(tag) => tag,
            Err(error) => return self.failed(&error),
        };
        if let Some(tag) = &tag {
            if tag.is_known(&head.headers) {
                return answer::not_modified(tag);
            }
            if let Some(body) = self.cache.get(&cache_key(tag, &parsed.question)) {
                return self.wrapped(&parsed.question, tag, body);
            }
        }
        let loading = async {
            let loader = Loader::new(self, permission, parsed, now).await?;
            let loaded = loader.load().await?;
            Ok::<_, dodo_ledger::Error>((loader, loaded))
        };
        let (loader, loaded) = match tokio::time::timeout(LOAD_LIMIT, loading).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => return self.failed(&error),
            Err(_) => return self.too_much(),
        };
        let body = match self.written(&loader, &loaded, tag.as_ref()) {
            Ok(body) => body,
            Err(error) => return error.to_response(),
        };
        match tag {
            Some(tag) => {
                self.cache.put(cache_key(&tag, &loader.question), body.clone());
                self.wrapped(&loader.question, &tag, body)
            }
            // The change number does not cover this page, so the tag is the hash of the answer.
            None => {
                let tag = Tag::from_content(
                    &loaded.fingerprint(&loader.question, loader.now.time_zone()),
                    &self.build,
                );
                if tag.is_known(&head.headers) {
                    return answer::not_modified(&tag);
                }
                self.wrapped(&loader.question, &tag, body)
            }
        }
    }

    /// The page or file.
    fn written(
        &self,
        loader: &Loader<'_>,
        loaded: &Loaded,
        tag: Option<&Tag>,
    ) -> Result<Bytes, Error> {
        let (question, zone) = (&loader.question, loader.now.time_zone());
        let tables = || {
            let mut tables: Vec<Table> = Vec::new();
            loaded.sheet.blocks.iter().for_each(|block| block.tables(question, &mut tables));
            tables
        };
        let content = tag
            .cloned()
            .unwrap_or_else(|| Tag::from_content(&loaded.fingerprint(question, zone), &self.build));
        Ok(match question.format {
            Format::Json => {
                let as_of = loader.now.timestamp();
                page::json_page(question, &tables(), zone, as_of, loader.change).to_string().into()
            }
            Format::Csv => {
                let tables = tables();
                let wanted = question.table.as_deref();
                let found = match wanted {
                    Some(wanted) => tables.iter().find(|table| table.name == wanted),
                    None => tables.first(),
                };
                let Some(table) = found else {
                    let message = "the page has no such table: `format=json` names its tables";
                    return Err(Error::new(ErrorKind::InvalidRequest, message).with_field("table"));
                };
                if table.next.is_some() {
                    let message =
                        "a file holds at most 100,000 rows: filter, or choose a shorter period";
                    return Err(
                        Error::new(ErrorKind::InvalidRequest, message).with_code("too_many_rows")
                    );
                }
                table.csv().into()
            }
            Format::Html => {
                let frame = Frame {
                    title: &self.title,
                    back: self.back.as_ref(),
                    style: &self.style,
                    script: SCRIPT,
                    tag: content.as_str(),
                    question,
                    notices: &loaded.notices,
                    search_label: loader.search_label(),
                    conditions: &loader.conditions(),
                    currencies: &loader.currencies,
                    unit: loader.unit,
                    mode: loader.mode,
                    pages: &loader.pages(),
                    now: &loader.now,
                };
                let page = if question.live {
                    frame.live(&loaded.sheet)
                } else {
                    frame.page(&loaded.sheet)
                };
                page.into_string().into()
            }
        })
    }

    fn wrapped(&self, question: &Question, tag: &Tag, body: Bytes) -> Response<Bytes> {
        let mut response = match question.format {
            Format::Html => answer::page(http::StatusCode::OK, html! {}, &self.policy),
            Format::Json => answer::file("application/json"),
            Format::Csv => {
                let mut file = answer::file("text/csv; charset=utf-8; header=present");
                let name = question.table.as_deref().unwrap_or(question.page.name());
                answer::download(&mut file, name);
                file
            }
        };
        *response.body_mut() = body;
        answer::cacheable(&mut response, tag);
        response
    }

    fn failed(&self, error: &dodo_ledger::Error) -> Response<Bytes> {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        tracing::warn!(target: "dodo::dashboard", cause, "the ledger did not answer; check the database");
        let mut response = answer::page(
            http::StatusCode::SERVICE_UNAVAILABLE,
            page::message(
                "Not available",
                "The ledger cannot be read now. Try again in a few seconds.",
                &self.style,
            ),
            &self.policy,
        );
        response.headers_mut().insert(header::RETRY_AFTER, http::HeaderValue::from_static("5"));
        response
    }

    fn too_much(&self) -> Response<Bytes> {
        let text = "This is too much at once: choose a shorter period, or fewer conditions.";
        answer::page(
            http::StatusCode::SERVICE_UNAVAILABLE,
            page::message("Too much at once", text, &self.style),
            &self.policy,
        )
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard").field("title", &self.0.title).finish_non_exhaustive()
    }
}

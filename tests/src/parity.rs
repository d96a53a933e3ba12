//! Sends each case through every framework and compares everything that came of it.

use std::{fmt::Debug, io};

use serde_json::Value;

use crate::{
    case::Case,
    conformance::API_KEY,
    delivery::KEY,
    server::{Application, Framework},
    subject::{Observed, Subject, Surroundings},
};

/// The same application in every framework.
#[derive(Debug)]
pub struct Parity {
    subjects: Vec<Subject>,
}

impl Parity {
    /// Starts one server for each framework.
    pub async fn start<A: Application>(
        build: impl Fn(Surroundings) -> A + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let mut subjects = Vec::new();
        for framework in Framework::ALL {
            subjects.push(Subject::start(framework, build.clone()).await?);
        }
        Ok(Self { subjects })
    }

    /// Servers that were started one by one, to compare what is not the same application.
    #[must_use]
    pub fn between(subjects: Vec<Subject>) -> Self {
        Self { subjects }
    }

    /// The servers.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Runs a table.
    pub async fn check(&self, cases: impl IntoIterator<Item = Case>) -> Report {
        let mut report = Report::default();
        for case in cases {
            report.cases += 1;
            match self.observe(&case).await {
                Ok(all) => report.compare(&case, &all),
                Err(error) => report.failures.push(format!("{}: {error}", case.name)),
            }
        }
        report
    }

    /// Runs one case and hands out what came of it, by framework.
    pub async fn observe(&self, case: &Case) -> io::Result<Vec<(Framework, Observed)>> {
        let mut all = Vec::new();
        for subject in &self.subjects {
            let observed = subject.observe(case).await;
            let observed =
                observed.map_err(|e| io::Error::other(format!("{}: {e}", subject.framework)))?;
            all.push((subject.framework, observed));
        }
        Ok(all)
    }
}

/// What a table showed.
#[derive(Debug, Default)]
#[must_use]
pub struct Report {
    /// Cases sent to each framework.
    pub cases: usize,
    /// One line for each thing that differs or is not as expected.
    pub failures: Vec<String>,
}

impl Report {
    /// Adds what another table showed.
    pub fn and(mut self, other: Self) -> Self {
        self.cases += other.cases;
        self.failures.extend(other.failures);
        self
    }

    /// Prints the number of cases for each framework.
    ///
    /// # Panics
    /// If the table is empty or anything failed, with all failures.
    pub fn assert_equal(self, table: &str) {
        for framework in Framework::ALL {
            println!("parity: {table}: {} cases through {framework}", self.cases);
        }
        assert!(self.cases > 0, "{table}: no cases");
        let count = self.failures.len();
        assert!(count == 0, "{table}: {count} failures\n{}", self.failures.join("\n"));
    }

    /// Compares what the frameworks did with each other and with what the case expects.
    pub fn compare(&mut self, case: &Case, all: &[(Framework, Observed)]) {
        let mut fail = |text: String| self.failures.push(format!("{}: {text}", case.name));
        let Some(((reference, first), others)) = all.split_first() else {
            return fail("nothing ran".to_owned());
        };
        for (framework, other) in others {
            let pair = format!("{reference} and {framework}");
            differ(&pair, "status", &first.status, &other.status, &mut fail);
            differ(&pair, "headers", &first.headers, &other.headers, &mut fail);
            differ(&pair, "body", &first.body, &other.body, &mut fail);
            differ(&pair, "upstream calls", &first.upstream, &other.upstream, &mut fail);
            differ(&pair, "callbacks", &first.callbacks, &other.callbacks, &mut fail);
            differ(&pair, "log", &first.log, &other.log, &mut fail);
        }
        unexpected(case, first, &mut fail);
        for (framework, observed) in all {
            for leak in leaks(observed) {
                fail(format!("{framework} shows a secret: {leak}"));
            }
        }
    }
}

/// Marks personal data in requests: it may travel to Dodo, and nowhere else.
pub const CANARY: &str = "canary";

/// Where a secret or personal data came out: in the answer, or in a log at any level.
fn leaks(observed: &Observed) -> Vec<String> {
    let mut shown = vec![format!("{:?} {}", observed.headers, observed.body)];
    shown.extend(observed.full_log.0.iter().map(|event| format!("{event:?}")));
    let secret = |text: &String| {
        [API_KEY, KEY.trim_start_matches("whsec_"), CANARY].iter().any(|s| text.contains(s))
    };
    shown.into_iter().filter(secret).collect()
}

fn differ<T: PartialEq + Debug>(
    pair: &str,
    what: &str,
    one: &T,
    other: &T,
    fail: &mut impl FnMut(String),
) {
    if one != other {
        fail(format!("{pair} differ in {what}:\n    {one:?}\n    {other:?}"));
    }
}

/// Frameworks that agree with each other may still be wrong together.
fn unexpected(case: &Case, observed: &Observed, fail: &mut impl FnMut(String)) {
    let expect = &case.expect;
    let json: Value = serde_json::from_str(&observed.body).unwrap_or_default();
    let mut check = |what: &str, right: bool, wanted: &dyn Debug, got: &dyn Debug| {
        if !right {
            let body = &observed.body;
            fail(format!("{what}: expected {wanted:?}, got {got:?} ({body})"));
        }
    };
    if let Some(status) = expect.status {
        check("status", observed.status == status, &status, &observed.status);
    }
    if let Some(code) = &expect.code {
        let problem = observed.headers.get("content-type");
        let right = problem.is_some_and(|kind| *kind == ["application/problem+json"]);
        check("content type", right, &"application/problem+json", &problem);
        check("code", json["code"] == code.as_str(), &code, &json["code"]);
    }
    if let Some(place) = &expect.place {
        let got = json.get("pointer").or_else(|| json.get("field")).unwrap_or(&Value::Null);
        check("place", got == place.as_str(), place, got);
    }
    if let Some(body) = &expect.body {
        check("body", json == *body, &body.to_string(), &json.to_string());
    }
    for (name, value) in &expect.headers {
        let got = observed.headers.get(*name);
        check(name, got.is_some_and(|got| got == std::slice::from_ref(value)), value, &got);
    }
    if let Some(calls) = &expect.upstream {
        let got: Vec<_> = observed.upstream.iter().map(|call| call.bare()).collect();
        check("upstream calls", got == *calls, calls, &got);
    }
    if let Some(names) = &expect.callbacks {
        let got: Vec<_> = observed.callbacks.iter().map(|callback| &callback.name).collect();
        check("callbacks", got == names.iter().collect::<Vec<_>>(), names, &got);
    }
}

use std::{borrow::Cow, fmt, sync::Arc};

use http::request::Parts;

use super::ConsentGate;
use crate::capture::consent::Consent;

type Gate = Arc<dyn ConsentGate>;

/// Grants if every gate grants. One denial denies. A gate that was not asked abstains.
///
/// ```
/// use dodo_core::capture::{VisitorCapture, consent::{AllGates, OneTrust, Tcf}};
/// let both = AllGates::new(OneTrust::analytics()).and(Tcf::storage());
/// let capture = VisitorCapture::visitors_now().consent(both);
/// ```
#[derive(Clone)]
#[must_use]
pub struct AllGates(Vec<Gate>);

impl AllGates {
    /// Begins with this gate.
    pub fn new(gate: impl ConsentGate) -> Self {
        Self(vec![Arc::new(gate)])
    }

    /// Adds a gate that must also grant.
    pub fn and(mut self, gate: impl ConsentGate) -> Self {
        self.0.push(Arc::new(gate));
        self
    }
}

impl ConsentGate for AllGates {
    fn decide(&self, request: &Parts) -> Consent {
        let mut all = Consent::NotAsked;
        for gate in &self.0 {
            match gate.decide(request) {
                Consent::Denied => return Consent::Denied,
                Consent::Granted => all = Consent::Granted,
                Consent::NotAsked => {}
            }
        }
        all
    }

    fn name(&self) -> Cow<'_, str> {
        names("all of", &self.0)
    }
}

/// Grants if at least one gate grants: for sites with one consent tool per region.
///
/// ```
/// use dodo_core::capture::{VisitorCapture, consent::{AnyGate, Cookiebot, OneTrust}};
/// let either = AnyGate::new(OneTrust::analytics()).or(Cookiebot::statistics());
/// let capture = VisitorCapture::visitors_now().consent(either);
/// ```
#[derive(Clone)]
#[must_use]
pub struct AnyGate(Vec<Gate>);

impl AnyGate {
    /// Begins with this gate.
    pub fn new(gate: impl ConsentGate) -> Self {
        Self(vec![Arc::new(gate)])
    }

    /// Adds a gate that can grant instead.
    pub fn or(mut self, gate: impl ConsentGate) -> Self {
        self.0.push(Arc::new(gate));
        self
    }
}

impl ConsentGate for AnyGate {
    fn decide(&self, request: &Parts) -> Consent {
        let mut any = Consent::Denied;
        for gate in &self.0 {
            match gate.decide(request) {
                Consent::Granted => return Consent::Granted,
                Consent::NotAsked => any = Consent::NotAsked,
                Consent::Denied => {}
            }
        }
        any
    }

    fn name(&self) -> Cow<'_, str> {
        names("any of", &self.0)
    }
}

fn names(how: &str, gates: &[Gate]) -> Cow<'static, str> {
    let names: Vec<_> = gates.iter().map(|gate| gate.name()).collect();
    format!("{how} {}", names.join(", ")).into()
}

impl fmt::Debug for AllGates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for AnyGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

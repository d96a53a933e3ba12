//! Which page is at which address.

use crate::{Ask, Reply, Shop};

impl Shop {
    /// Answers everything that is not one of the payment routes: mount it as the fallback.
    pub async fn answer(&self, ask: Ask) -> Reply {
        let segments: Vec<&str> = ask.path.split('/').skip(1).collect();
        let methods = match segments.as_slice() {
            ["sign-in"] => "GET, POST",
            ["sign-out"] => "POST",
            _ => "GET",
        };
        // A server leaves out the body of an answer to HEAD.
        let method = if ask.method == "HEAD" { "GET" } else { ask.method.as_str() };
        if !methods.split(", ").any(|allowed| allowed == method) {
            return self.method_not_allowed(&ask, methods);
        }
        match (method, segments.as_slice()) {
            ("GET", [""]) => self.storefront(&ask),
            ("GET", ["account"]) => self.account(&ask),
            ("GET", ["live", "account"]) => self.account_live(&ask),
            ("GET", ["sign-in"]) => self.sign_in_form(&ask),
            ("POST", ["sign-in"]) => self.sign_in(&ask),
            ("POST", ["sign-out"]) => self.sign_out(),
            ("GET", ["return"]) => self.returned(&ask),
            ("GET", ["thanks"]) => self.thanks(&ask),
            ("GET", ["live", "thanks"]) => self.thanks_live(&ask),
            ("GET", ["revenue"]) => self.revenue(&ask).await,
            ("GET", ["live", "revenue"]) => self.revenue_live(&ask).await,
            ("GET", ["revenue", record]) => self.explain(&ask, record).await,
            ("GET", ["assets", name]) => self.asset(&ask, name),
            _ => self.not_found(&ask),
        }
    }
}

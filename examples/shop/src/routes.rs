//! The addresses of the pages.

use crate::{Ask, Reply, Shop};

impl Shop {
    /// Answers everything that is not one of the payment routes: mount it as the fallback.
    pub async fn answer(&self, ask: Ask) -> Reply {
        let segments: Vec<&str> = ask.head.uri.path().split('/').skip(1).collect();
        let methods = match segments.as_slice() {
            ["sign-in"] => "GET, POST",
            ["sign-out" | "consent"] | ["merchant", "year"] => "POST",
            _ => "GET",
        };
        // A server leaves out the body of an answer to HEAD.
        let method = ask.head.method.as_str();
        let method = if method == "HEAD" { "GET" } else { method };
        if !methods.split(", ").any(|allowed| allowed == method) {
            return self.method_not_allowed(&ask, methods);
        }
        // A form of another site could open a new account in this browser, and the old one is gone.
        if method == "POST" && ask.is_from_elsewhere(self.public_url()) {
            return self.refused(&ask);
        }
        if let ["merchant", ..] | ["live", "merchant"] = segments.as_slice()
            && let Some(reply) = self.merchant_only(&ask)
        {
            return reply;
        }
        let answer = match (method, segments.as_slice()) {
            ("GET", [""]) => self.storefront(&ask).await,
            ("GET", ["account"]) => self.account(&ask).await,
            ("GET", ["change"]) => self.change(&ask).await,
            ("GET", ["members"]) => self.members(&ask).await,
            ("GET", ["live", "account"]) => self.account_live(&ask).await,
            ("GET", ["sign-in"]) => Ok(self.sign_in_form(&ask)),
            ("POST", ["sign-in"]) => Ok(self.sign_in(&ask).await),
            ("POST", ["sign-out"]) => Ok(self.sign_out()),
            ("POST", ["consent"]) => Ok(self.consent(&ask)),
            ("GET", ["return"]) => Ok(self.returned(&ask)),
            ("GET", ["thanks"]) => self.thanks(&ask).await,
            ("GET", ["live", "thanks"]) => self.thanks_live(&ask).await,
            ("GET", ["merchant"]) => Ok(self.merchant_page(&ask)),
            ("GET", ["live", "merchant"]) => Ok(self.merchant_live(&ask)),
            ("POST", ["merchant", "year"]) => Ok(self.ask_for_year()),
            ("GET", ["assets", name]) => Ok(self.asset(&ask, name)),
            _ => Ok(self.not_found(&ask)),
        };
        answer.unwrap_or_else(|error| self.failed(&ask, &error))
    }
}

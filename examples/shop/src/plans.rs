//! The plans of the shop.

use dodo_billing::{Plan, Plans, SoldProduct};

use crate::catalog::Catalog;

/// The feature that opens the members' page.
pub(crate) const ARCHIVE: &str = "archive";
/// The feature of every buyer.
const CUSTOMER: &str = "customer";

/// The two plans, and everything else that the account sells: each subscription is a plan of its own, and
/// the rest is paid once.
pub(crate) fn plans(catalog: &Catalog) -> Result<Plans, dodo_billing::Error> {
    let mut plans = Plans::builder()
        .plan(Plan::new("club").product("pdt_print_club").feature(ARCHIVE))
        .plan(Plan::new("studio").product("pdt_print_studio").includes("club").trial_once());
    for product in catalog.products() {
        plans = match (product.id.as_str(), &product.every) {
            ("pdt_print_club" | "pdt_print_studio", _) => plans,
            (id, Some(_)) => plans.plan(Plan::new(id).product(id).feature(ARCHIVE)),
            (id, None) => plans.product(SoldProduct::once(id).feature(CUSTOMER)),
        };
    }
    plans.build()
}

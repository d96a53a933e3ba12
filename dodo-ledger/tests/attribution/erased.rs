//! Every way on which personal data reaches the ledger: the rows of the tests of erasure.

use serde_json::{Value, json};

use crate::{
    payloads::{
        charged, day, dispute, paid, payment, recovered, refund, refunded, subscription, visitor,
    },
    world::{Act, bind, identified},
};

/// How a person is to be found in what the ledger holds: `cus_ann` and her address; by every other
/// visitor that a story names.
pub(crate) const ANN: [&str; 6] =
    ["cus_ann", "ann@", "\"ann\"", "71d4f55f", "113, 212, 245", "113,212,245"];

pub(crate) fn nobody() -> Value {
    json!({ "customer": null })
}

/// A title, a story, and the traces of Ann in it.
pub(crate) type ErasureRow = (&'static str, Vec<Act>, &'static [&'static str]);

/// Every way on which personal data of Ann reaches the ledger.
pub(crate) fn stories() -> Vec<ErasureRow> {
    vec![
        (
            "a purchase and all that is known of it",
            story![
                bind("cks_1", json!({ "visitor": "v_visit", "landing_path": "/landed" })),
                identified("ann@example.com", "v_said"),
                subscription("subscription.active", "sub_1", day(0), visitor("v_sub")),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                    .with(json!({ "metadata": {
                        "visitor": "v_own", "source": "news", "user_id": "u42", "datafast_visitor_id": "df1",
                    } }))
                    .with(json!({ "customer": {
                        "customer_id": "cus_ann", "email": "ann@example.com", "name": "ann",
                        "metadata": { "visitor": "v_customer" },
                    } })),
                refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_refund")),
                dispute("lost", "dp_1", "pay_1", day(2), json!("400"), json!({})),
            ],
            &["v_visit", "/landed", "v_said", "v_sub", "v_own", "news", "u42", "df1", "v_refund"][..],
        ),
        (
            "an event without a customer, of a payment with one",
            story![
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try")).with(nobody()),
                paid("pay_1", day(0), 2000, json!({})),
                refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_refund")).with(nobody()),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), visitor("v_failed"))
                    .with(nobody()),
            ],
            &["v_try", "v_refund", "v_failed"],
        ),
        (
            "events without a record",
            story![
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try")),
                refund("refund.failed", "ref_1", "pay_2", day(2), json!(500), visitor("v_failed")),
                subscription("subscription.updated", "sub_1", day(0), visitor("v_sub")),
                dispute("won", "dp_1", "pay_3", day(2), json!("400"), json!({})),
            ],
            &["v_try", "v_failed", "v_sub"],
        ),
        (
            "a renewal without a customer inherits from the first charge",
            story![
                charged("pay_1", "sub_1", day(0), 2000, visitor("v_own")),
                charged("pay_2", "sub_1", day(31), 2000, nobody()),
                refunded("ref_2", "pay_2", day(32), json!(500), json!({})).with(nobody()),
            ],
            &["v_own"],
        ),
        (
            "an event without a customer, of a subscription with one",
            story![
                charged("pay_1", "sub_1", day(0), 2000, json!({})),
                subscription("subscription.active", "sub_1", day(0), visitor("v_start"))
                    .with(nobody()),
                subscription("subscription.updated", "sub_1", day(1), json!({}))
                    .with(json!({ "metadata": { "source": "v_update" } }))
                    .with(nobody()),
                charged("pay_2", "sub_1", day(31), 2000, visitor("v_later")).with(nobody()),
                refunded("ref_2", "pay_2", day(32), json!(500), visitor("v_back")).with(nobody()),
            ],
            &["v_start", "v_update", "v_later", "v_back"],
        ),
        (
            "another payment of the same checkout",
            story![
                bind("cks_1", json!({ "visitor": "v_visit", "landing_path": "/landed" })),
                paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
                paid("pay_2", day(0), 2000, json!({ "checkout_session_id": "cks_1" })).with(nobody()),
            ],
            &["v_visit", "/landed"],
        ),
        (
            "a charge without a customer inherits from the subscription",
            story![
                subscription("subscription.active", "sub_1", day(0), visitor("v_sub")),
                charged("pay_1", "sub_1", day(0), 2000, nobody()),
            ],
            &["v_sub"],
        ),
        (
            "a payment without a customer recovers an abandoned one",
            story![
                bind("cks_1", json!({ "campaign": { "source": "news" } })),
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try"))
                    .with(json!({ "checkout_session_id": "cks_1" })),
                recovered("pay_1", "pay_2", day(1)),
                paid("pay_2", day(1), 2000, nobody()),
            ],
            &["v_try", "news"],
        ),
        (
            "an identity of an address without a delivery",
            story![
                identified("ann@example.com", "v_said"),
                paid("pay_1", day(0), 2000, json!({ "customer": { "customer_id": "cus_ann" } })),
            ],
            &["v_said"],
        ),
        (
            "a failure of an unbooked refund names no customer",
            story![
                paid("pay_1", day(0), 2000, json!({})),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), visitor("v_failed"))
                    .with(nobody()),
            ],
            &["v_failed"],
        ),
        (
            "the customer's own metadata",
            story![
                paid("pay_1", day(0), 2000, json!({})).with(json!({ "customer": {
                    "customer_id": "cus_ann", "metadata": { "visitor": "v_customer" },
                } })),
                subscription("subscription.active", "sub_1", day(0), json!({ "customer": {
                    "customer_id": "cus_ann", "metadata": { "visitor": "v_start" },
                } })),
            ],
            &["v_customer", "v_start"],
        ),
    ]
}

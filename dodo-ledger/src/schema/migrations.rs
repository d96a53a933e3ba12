//! The statements of each schema version, oldest first. A version that was released never changes.

use crate::store::sql::{Sql, sql};

pub(super) const ALL: &[&[Sql]] = &[V1];

const V1: &[Sql] = &[
    // Every delivery that was answered with 200. Rows stay for ever: the id is what makes a repeat a
    // repeat. `available_at` is the due time of a pending row and the end of its lease while claimed.
    sql!(
        "CREATE TABLE dodo_inbox (
            id TEXT PRIMARY KEY,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead', 'parked')),
            body " BYTES ",
            received_at BIGINT NOT NULL,
            available_at BIGINT NOT NULL,
            fence BIGINT NOT NULL DEFAULT 0,
            claims BIGINT NOT NULL DEFAULT 0,
            failures BIGINT NOT NULL DEFAULT 0,
            kind TEXT,
            occurred_at BIGINT,
            customer_id TEXT,
            booked_at BIGINT,
            finished_at BIGINT,
            last_error TEXT
        )"
    ),
    sql!(
        "CREATE INDEX dodo_inbox_unbooked ON dodo_inbox (available_at)
         WHERE state = 'pending' AND booked_at IS NULL"
    ),
    sql!(
        "CREATE INDEX dodo_inbox_due ON dodo_inbox (available_at)
         WHERE state = 'pending' AND booked_at IS NOT NULL"
    ),
    sql!(
        "CREATE INDEX dodo_inbox_failed ON dodo_inbox (finished_at) WHERE state IN ('dead', 'parked')"
    ),
    sql!(
        "CREATE INDEX dodo_inbox_erasable ON dodo_inbox (finished_at)
         WHERE state = 'done' AND body IS NOT NULL"
    ),
    sql!(
        "CREATE INDEX dodo_inbox_customer ON dodo_inbox (customer_id)
         WHERE customer_id IS NOT NULL AND body IS NOT NULL"
    ),
    // What each sink has still to be told.
    sql!(
        "CREATE TABLE dodo_outbox (
            record_id TEXT NOT NULL,
            sink TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
            created_at BIGINT NOT NULL,
            available_at BIGINT NOT NULL,
            fence BIGINT NOT NULL DEFAULT 0,
            claims BIGINT NOT NULL DEFAULT 0,
            failures BIGINT NOT NULL DEFAULT 0,
            uncertain_since BIGINT,
            finished_at BIGINT,
            last_error TEXT,
            PRIMARY KEY (record_id, sink)
        )"
    ),
    sql!(
        "CREATE INDEX dodo_outbox_due ON dodo_outbox (sink, available_at) WHERE state = 'pending'"
    ),
    sql!("CREATE INDEX dodo_outbox_dead ON dodo_outbox (sink, finished_at) WHERE state = 'dead'"),
    // One row per business fact (`charge:pay_x`). `body` is the whole record as JSON; the other
    // columns are copies that queries and the resolution chain look up.
    sql!(
        "CREATE TABLE dodo_record (
            id TEXT PRIMARY KEY,
            body TEXT NOT NULL,
            kind TEXT NOT NULL,
            occurred_at BIGINT NOT NULL,
            live BIGINT NOT NULL,
            payment_id TEXT,
            customer_id TEXT,
            checkout_session_id TEXT,
            email_sha256 TEXT,
            visitor TEXT,
            link_id TEXT,
            campaign_id TEXT,
            source TEXT,
            medium TEXT,
            content TEXT,
            product_id TEXT,
            currency TEXT,
            exponent BIGINT,
            gross BIGINT,
            tax BIGINT,
            net BIGINT
        )"
    ),
    sql!("CREATE INDEX dodo_record_occurred ON dodo_record (occurred_at)"),
    sql!("CREATE INDEX dodo_record_payment ON dodo_record (payment_id)"),
    sql!("CREATE INDEX dodo_record_customer ON dodo_record (customer_id, occurred_at)"),
    sql!("CREATE INDEX dodo_record_session ON dodo_record (checkout_session_id)"),
    sql!("CREATE INDEX dodo_record_email ON dodo_record (email_sha256)"),
    // The subscriptions of a record: one payment may start several.
    sql!(
        "CREATE TABLE dodo_record_subscription (
            subscription_id TEXT NOT NULL,
            record_id TEXT NOT NULL,
            PRIMARY KEY (subscription_id, record_id)
        )"
    ),
    // The newest state of each subscription, by (event_at, event_id).
    sql!(
        "CREATE TABLE dodo_subscription (
            id TEXT PRIMARY KEY,
            event_at BIGINT NOT NULL,
            event_id TEXT NOT NULL,
            customer_id TEXT,
            body TEXT NOT NULL
        )"
    ),
    sql!("CREATE INDEX dodo_subscription_customer ON dodo_subscription (customer_id)"),
    // What the checkout knew about the visitor, under the checkout session's id.
    sql!(
        "CREATE TABLE dodo_context (
            session_id TEXT PRIMARY KEY,
            body TEXT NOT NULL,
            created_at BIGINT NOT NULL
        )"
    ),
    // Who an e-mail address belongs to, as the application said by `identify`.
    sql!(
        "CREATE TABLE dodo_identity (
            email_sha256 TEXT NOT NULL,
            visitor TEXT NOT NULL,
            body TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (email_sha256, visitor)
        )"
    ),
    // `abandoned_checkout.recovered`: the payment that was lost and the one that made up for it.
    sql!(
        "CREATE TABLE dodo_recovery (
            recovered_payment_id TEXT PRIMARY KEY,
            payment_id TEXT NOT NULL
        )"
    ),
];

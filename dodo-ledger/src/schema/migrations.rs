//! The statements of each schema version, oldest first. A version that was released never changes.

use crate::store::sql::{Sql, sql};

pub(super) const ALL: &[&[Sql]] = &[V1, V2, V3, V4, V5, V6, V7, V8];

const V1: &[Sql] = &[
    // Every delivery that was answered with 200. Rows stay for ever: the id is what makes a repeat a
    // repeat. `available_at` is the due time of a pending row and the end of its lease while claimed.
    sql!(
        "CREATE TABLE dodo_inbox (
            id " KEY " PRIMARY KEY,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead', 'parked')),
            body " BYTES ",
            live BIGINT NOT NULL,
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
            record_id " KEY " NOT NULL,
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
    // One row per business fact (`charge:pay_x`). `evidence` is what was delivered, `record` what
    // follows from it, `derived` what it hands on: each whole, as JSON. The other columns are copies to look up and sum by.
    sql!(
        "CREATE TABLE dodo_entry (
            id " KEY " PRIMARY KEY,
            evidence TEXT NOT NULL,
            record TEXT NOT NULL,
            derived TEXT NOT NULL,
            class BIGINT NOT NULL,
            at_micros BIGINT NOT NULL,
            paid BIGINT NOT NULL,
            visitor_step BIGINT NOT NULL,
            campaign_step BIGINT NOT NULL,
            kind TEXT NOT NULL,
            live BIGINT NOT NULL,
            payment_id TEXT,
            customer_id TEXT,
            email_sha256 TEXT,
            checkout_session_id TEXT,
            product_id TEXT,
            visitor TEXT,
            link_id TEXT,
            campaign_id TEXT,
            source TEXT,
            medium TEXT,
            content TEXT,
            landing_path TEXT,
            referrer_host TEXT,
            device TEXT,
            currency TEXT,
            exponent BIGINT,
            gross BIGINT,
            tax BIGINT,
            net BIGINT
        )"
    ),
    sql!("CREATE INDEX dodo_entry_at ON dodo_entry (at_micros)"),
    sql!("CREATE INDEX dodo_entry_payment ON dodo_entry (payment_id) WHERE payment_id IS NOT NULL"),
    sql!("CREATE INDEX dodo_entry_visitor ON dodo_entry (visitor) WHERE visitor IS NOT NULL"),
    // What an entry can be found by: payment, subscription, customer, e-mail hash, checkout session.
    sql!(
        "CREATE TABLE dodo_link (
            kind TEXT NOT NULL,
            value " KEY " NOT NULL,
            class BIGINT NOT NULL,
            at_micros BIGINT NOT NULL,
            entry_id " KEY " NOT NULL,
            PRIMARY KEY (kind, value, class, at_micros, entry_id)
        )"
    ),
    sql!("CREATE INDEX dodo_link_entry ON dodo_link (entry_id)"),
    // Facts that are no entries, such as `subscription:sub_x` or `session:cks_x`: what was learned
    // from events that bring no money, and what the checkout knew about the visitor.
    sql!(
        "CREATE TABLE dodo_fact (
            id " KEY " PRIMARY KEY,
            body TEXT NOT NULL,
            changed_at BIGINT NOT NULL
        )"
    ),
];

const V2: &[Sql] = &[
    // Whose an event is, as long as it has its body. `forgotten`: the body goes when the event is done.
    sql!("ALTER TABLE dodo_inbox ADD COLUMN email_sha256 TEXT"),
    sql!("ALTER TABLE dodo_inbox ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0"),
    sql!("UPDATE dodo_inbox SET customer_id = NULL WHERE body IS NULL"),
    sql!(
        "CREATE INDEX dodo_inbox_email ON dodo_inbox (email_sha256)
         WHERE email_sha256 IS NOT NULL AND body IS NOT NULL"
    ),
    // Whom a fact is about. Kinds and values are those of `dodo_link`.
    sql!(
        "CREATE TABLE dodo_about (
            kind TEXT NOT NULL,
            value " KEY " NOT NULL,
            fact_id " KEY " NOT NULL,
            PRIMARY KEY (kind, value, fact_id)
        )"
    ),
    sql!("CREATE INDEX dodo_about_fact ON dodo_about (fact_id)"),
];

const V3: &[Sql] = &[
    // Contexts of checkouts that nobody paid are erased some day; `kept`: somebody paid this one.
    sql!("ALTER TABLE dodo_fact ADD COLUMN kept BIGINT NOT NULL DEFAULT 0"),
    sql!(
        "CREATE INDEX dodo_fact_unpaid ON dodo_fact (changed_at)
         WHERE id >= 'checkout:' AND id < 'checkout;' AND kept = 0"
    ),
];

/// Days and ranges of days go by when money moved, as the record says; `at_micros` is for what is
/// derived from one another.
const V4: &[Sql] = &[
    sql!("ALTER TABLE dodo_entry ADD COLUMN occurred_micros BIGINT NOT NULL DEFAULT 0"),
    Sql {
        sqlite: "UPDATE dodo_entry SET occurred_micros =
            CAST(ROUND(unixepoch(record ->> '$.occurred_at', 'subsec') * 1000) AS INTEGER) * 1000",
        postgres: "UPDATE dodo_entry SET occurred_micros =
            CAST(extract(epoch FROM
                substring(record FROM '\"occurred_at\":\"([^\"]*)\"')::timestamptz) * 1000000 AS BIGINT)",
    },
    sql!("DROP INDEX dodo_entry_at"),
    sql!("CREATE INDEX dodo_entry_occurred ON dodo_entry (occurred_micros)"),
];

/// What is read page by page, or a few at a time, is in the order of an index to its last column:
/// SQLite would otherwise read and sort everything for each page.
const V5: &[Sql] = &[
    sql!("DROP INDEX dodo_entry_occurred"),
    sql!("CREATE INDEX dodo_entry_page ON dodo_entry (occurred_micros, id)"),
    sql!("DROP INDEX dodo_outbox_due"),
    sql!(
        "CREATE INDEX dodo_outbox_next ON dodo_outbox (sink, available_at, created_at)
         WHERE state = 'pending'"
    ),
];

/// What is known of payments that failed goes some day too, unless another payment recovered one; and the
/// context of a checkout does not go before them.
const V6: &[Sql] = &[
    sql!(
        "CREATE INDEX dodo_fact_failed ON dodo_fact (changed_at)
         WHERE id >= 'attempt:' AND id < 'attempt;' AND kept = 0"
    ),
    sql!(
        "CREATE INDEX dodo_fact_recovered ON dodo_fact (changed_at)
         WHERE id >= 'recovered:' AND id < 'recovered;' AND kept = 0"
    ),
    sql!(
        "CREATE INDEX dodo_fact_recovered_by ON dodo_fact (changed_at)
         WHERE id >= 'recovered_by:' AND id < 'recovered_by;' AND kept = 0"
    ),
    Sql {
        sqlite: "INSERT INTO dodo_about (kind, value, fact_id)
            SELECT 'k', body ->> '$.what.checkout_session_id', id FROM dodo_fact
            WHERE id >= 'attempt:' AND id < 'attempt;'
              AND body ->> '$.what.checkout_session_id' IS NOT NULL",
        // As text: JSON with a NUL in it, such as a name, is none to PostgreSQL.
        postgres: "INSERT INTO dodo_about (kind, value, fact_id)
            SELECT 'k', substring(body FROM '\"checkout_session_id\":\"([^\"]*)\"'), id FROM dodo_fact
            WHERE id >= 'attempt:' AND id < 'attempt;'
              AND body ~ '\"checkout_session_id\":\"'",
    },
];

/// What became nothing for a sink before its turn came is no dead letter. SQLite changes no check of a table
/// that is there, so it makes the table anew. And how long a sink is left alone.
const V7: &[Sql] = &[
    Sql {
        sqlite: "CREATE TABLE dodo_outbox_anew (
            record_id TEXT NOT NULL,
            sink TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'sent', 'dead', 'unwanted')),
            created_at BIGINT NOT NULL,
            available_at BIGINT NOT NULL,
            fence BIGINT NOT NULL DEFAULT 0,
            claims BIGINT NOT NULL DEFAULT 0,
            failures BIGINT NOT NULL DEFAULT 0,
            uncertain_since BIGINT,
            finished_at BIGINT,
            last_error TEXT,
            PRIMARY KEY (record_id, sink)
        )",
        postgres: "ALTER TABLE dodo_outbox DROP CONSTRAINT dodo_outbox_state_check",
    },
    Sql {
        sqlite: "INSERT INTO dodo_outbox_anew
            SELECT record_id, sink, state, created_at, available_at, fence, claims, failures,
                uncertain_since, finished_at, last_error
            FROM dodo_outbox",
        postgres: "ALTER TABLE dodo_outbox ADD CONSTRAINT dodo_outbox_state_check
            CHECK (state IN ('pending', 'sent', 'dead', 'unwanted'))",
    },
    Sql { sqlite: "DROP TABLE dodo_outbox", postgres: "DROP INDEX dodo_outbox_next" },
    Sql {
        sqlite: "ALTER TABLE dodo_outbox_anew RENAME TO dodo_outbox",
        postgres: "DROP INDEX dodo_outbox_dead",
    },
    sql!(
        "CREATE INDEX dodo_outbox_next ON dodo_outbox (sink, available_at, created_at)
         WHERE state = 'pending'"
    ),
    sql!("CREATE INDEX dodo_outbox_dead ON dodo_outbox (sink, finished_at) WHERE state = 'dead'"),
    sql!(
        "UPDATE dodo_outbox SET state = 'unwanted'
         WHERE state = 'dead' AND last_error = 'no longer for this sink'"
    ),
    sql!(
        "CREATE TABLE dodo_sink (
            name " KEY " PRIMARY KEY,
            quiet_until BIGINT NOT NULL
        )"
    ),
];

/// The callbacks of an unreadable event run before it is parked. And the last two fields of a campaign,
/// and why money is not attributed: an earlier entry has none of the three until it is derived again.
const V8: &[Sql] = &[
    sql!("ALTER TABLE dodo_inbox ADD COLUMN unreadable TEXT"),
    sql!("ALTER TABLE dodo_entry ADD COLUMN term TEXT"),
    sql!("ALTER TABLE dodo_entry ADD COLUMN lead_id TEXT"),
    sql!("ALTER TABLE dodo_entry ADD COLUMN reason TEXT"),
];

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::{
        schema::{bring_up, migrate},
        store::{Store, sql::args},
    };

    /// As the sixth version left them.
    const OUTBOX: Sql = sql!(
        "INSERT INTO dodo_outbox (record_id, sink, state, created_at, available_at, fence, last_error)
         VALUES ('charge:pay_1', 's', 'dead', 1, 2, 3, 'no longer for this sink'),
                ('charge:pay_2', 's', 'dead', 1, 2, 3, 'the sink refuses the record'),
                ('charge:pay_3', 's', 'pending', 1, 2, 3, NULL)"
    );

    #[tokio::test]
    async fn what_a_sink_did_not_want_is_no_dead_letter_any_more() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        bring_up(&store, ALL.get(..6).unwrap()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.execute(&OUTBOX, args![]).await.unwrap();
        tx.commit().await.unwrap();
        migrate(&store).await.unwrap();
        let all = sql!("SELECT state, available_at, fence FROM dodo_outbox ORDER BY record_id");
        let rows = store.read().await.unwrap().fetch(&all, args![]).await.unwrap();
        let seen: Vec<_> = rows
            .into_iter()
            .map(|mut row| (row.text(0).unwrap(), row.int(1).unwrap(), row.int(2).unwrap()))
            .collect();
        let left = ["unwanted", "dead", "pending"].map(|state| (state.to_owned(), 2, 3));
        assert_eq!(seen, left);
    }
}

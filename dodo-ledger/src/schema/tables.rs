//! The statements of each schema version, oldest first. A released version never changes.

use crate::store::sql::{Sql, sql};

pub(super) const VERSIONS: &[&[Sql]] = &[V1];

/// Times of the inbox and the outbox are milliseconds since 1970. Times of facts and records are
/// microseconds. Flags are 0 and 1.
const V1: &[Sql] = &[
    // Every delivery that was answered with 200. Rows stay, because the id makes a repeat a repeat.
    // `available_at` is the due time of a pending row, and the end of its lease while claimed. `erased`:
    // the body goes when the event is done. `projection`: no delivery, but an event of this projection, or
    // its timer, which is due at `occurred_at`.
    sql!(
        "CREATE TABLE dodo_inbox (
            id " KEY " PRIMARY KEY,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead', 'parked')),
            body " BYTES ",
            live BIGINT NOT NULL,
            received_at BIGINT NOT NULL,
            attempt_at BIGINT,
            available_at BIGINT NOT NULL,
            fencing_token BIGINT NOT NULL DEFAULT 0,
            attempts BIGINT NOT NULL DEFAULT 0,
            failed_attempts BIGINT NOT NULL DEFAULT 0,
            kind TEXT,
            occurred_at BIGINT,
            customer_id TEXT,
            email_sha256 TEXT,
            erased BIGINT NOT NULL DEFAULT 0,
            projection TEXT,
            timer BIGINT NOT NULL DEFAULT 0,
            booked_at BIGINT,
            finished_at BIGINT,
            last_error TEXT,
            unreadable TEXT
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
    sql!(
        "CREATE INDEX dodo_inbox_email ON dodo_inbox (email_sha256)
         WHERE email_sha256 IS NOT NULL AND body IS NOT NULL"
    ),
    // The records that each sink has still to receive.
    sql!(
        "CREATE TABLE dodo_outbox (
            record_id " KEY " NOT NULL,
            sink TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'sent', 'dead', 'skipped')),
            created_at BIGINT NOT NULL,
            available_at BIGINT NOT NULL,
            fencing_token BIGINT NOT NULL DEFAULT 0,
            attempts BIGINT NOT NULL DEFAULT 0,
            failed_attempts BIGINT NOT NULL DEFAULT 0,
            uncertain_since BIGINT,
            finished_at BIGINT,
            last_error TEXT,
            PRIMARY KEY (record_id, sink)
        )"
    ),
    // SQLite reads the next rows in the order of this index to its last column.
    sql!(
        "CREATE INDEX dodo_outbox_next ON dodo_outbox (sink, available_at, created_at)
         WHERE state = 'pending'"
    ),
    sql!("CREATE INDEX dodo_outbox_dead ON dodo_outbox (sink, finished_at) WHERE state = 'dead'"),
    sql!(
        "CREATE TABLE dodo_sink (
            name " KEY " PRIMARY KEY,
            paused_until BIGINT NOT NULL
        )"
    ),
    // `parent_id`: the group was merged into this one. Transactions that read a key before the merge
    // follow it. `version` is another random number after each booking, `rules_hash` names the rules of the last resolution.
    // `unpaid_since`: the group holds only contexts and failed payments, the last one of this time.
    sql!(
        "CREATE TABLE dodo_group (
            id " IDENTITY ",
            parent_id BIGINT,
            version BIGINT NOT NULL DEFAULT 0,
            facts BIGINT NOT NULL DEFAULT 0,
            rules_hash BIGINT NOT NULL DEFAULT 0,
            unpaid_since BIGINT
        )"
    ),
    sql!("CREATE INDEX dodo_group_parent ON dodo_group (parent_id) WHERE parent_id IS NOT NULL"),
    sql!(
        "CREATE INDEX dodo_group_unpaid ON dodo_group (unpaid_since) WHERE unpaid_since IS NOT NULL"
    ),
    sql!(
        "CREATE TABLE dodo_key (
            kind BIGINT NOT NULL,
            live BIGINT NOT NULL,
            value " KEY " NOT NULL,
            group_id BIGINT NOT NULL,
            PRIMARY KEY (kind, live, value)
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_key_group ON dodo_key (group_id)"),
    // SQLite stores the facts of a group side by side.
    Sql {
        sqlite: "CREATE TABLE dodo_fact (
            id TEXT NOT NULL UNIQUE,
            group_id BIGINT NOT NULL,
            occurred_at BIGINT NOT NULL,
            kind TEXT NOT NULL,
            object TEXT NOT NULL,
            format BIGINT NOT NULL,
            body TEXT NOT NULL,
            person TEXT,
            PRIMARY KEY (group_id, occurred_at, id)
        ) WITHOUT ROWID",
        postgres: "CREATE TABLE dodo_fact (
            id TEXT COLLATE \"C\" PRIMARY KEY,
            group_id BIGINT NOT NULL,
            occurred_at BIGINT NOT NULL,
            kind TEXT NOT NULL,
            object TEXT NOT NULL,
            format BIGINT NOT NULL,
            body TEXT NOT NULL,
            person TEXT
        )",
    },
    Sql {
        sqlite: "SELECT 1",
        postgres: "CREATE INDEX dodo_fact_group ON dodo_fact (group_id, occurred_at, id)",
    },
    // The row lock and the identity of one e-mail hash.
    sql!("CREATE TABLE dodo_address (hash " KEY " PRIMARY KEY, identity TEXT)" CLUSTERED),
    sql!(
        "CREATE TABLE dodo_address_group (
            hash " KEY " NOT NULL,
            group_id BIGINT NOT NULL,
            PRIMARY KEY (hash, group_id)
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_address_of_group ON dodo_address_group (group_id)"),
    // `state`: 0 valid, 1 withdrawn, 2 void. `no` is a short number for other tables.
    sql!(
        "CREATE TABLE dodo_record (
            no " IDENTITY ",
            id " KEY " NOT NULL UNIQUE,
            group_id BIGINT NOT NULL,
            version BIGINT NOT NULL,
            state BIGINT NOT NULL,
            record TEXT NOT NULL,
            journey TEXT,
            excess BIGINT,
            kind TEXT NOT NULL,
            live BIGINT NOT NULL,
            business_id TEXT NOT NULL,
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
            term TEXT,
            lead_id TEXT,
            channel TEXT NOT NULL,
            reason TEXT,
            landing_path TEXT,
            referrer_host TEXT,
            device TEXT,
            currency TEXT,
            exponent BIGINT,
            gross BIGINT,
            tax BIGINT,
            net BIGINT,
            is_charge BIGINT NOT NULL,
            created_micros BIGINT,
            occurred_micros BIGINT NOT NULL
        )"
    ),
    sql!("CREATE INDEX dodo_record_group ON dodo_record (group_id)"),
    sql!("CREATE INDEX dodo_record_page ON dodo_record (occurred_micros, id)"),
    sql!(
        "CREATE INDEX dodo_record_payment ON dodo_record (payment_id) WHERE payment_id IS NOT NULL"
    ),
    sql!("CREATE INDEX dodo_record_visitor ON dodo_record (visitor) WHERE visitor IS NOT NULL"),
    sql!(
        "CREATE INDEX dodo_record_customer ON dodo_record (customer_id) WHERE customer_id IS NOT NULL"
    ),
    // Groups to resolve again: a new identity, new rules. Append only, never unique, so that no
    // writer waits for another.
    sql!(
        "CREATE TABLE dodo_resolve (
            id " IDENTITY ",
            group_id BIGINT NOT NULL,
            reason TEXT NOT NULL
        )"
    ),
    // `subject`: the SHA-256 of a customer id, or of the hash of an e-mail address.
    sql!(
        "CREATE TABLE dodo_erasure (subject " KEY " PRIMARY KEY, erased_at BIGINT NOT NULL)"
        CLUSTERED
    ),
    // The projections of the application, and the version of the tables of each.
    sql!(
        "CREATE TABLE dodo_projection (
            name " KEY " PRIMARY KEY,
            version BIGINT NOT NULL,
            applied_at BIGINT NOT NULL
        )"
    ),
    // Changes by operators. `at` is in milliseconds.
    sql!(
        "CREATE TABLE dodo_audit (
            no " IDENTITY ",
            at BIGINT NOT NULL,
            operator TEXT NOT NULL,
            action TEXT NOT NULL,
            object TEXT NOT NULL,
            reason TEXT NOT NULL
        )"
    ),
];

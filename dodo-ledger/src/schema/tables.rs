//! The statements of each schema version, oldest first. A released version never changes.

use crate::store::sql::{Sql, sql};

/// An index of the money rows with a value of a dimension. SQLite reads the rows of a span in its order, and
/// needs no index for a filter.
macro_rules! filtered_by {
    ($column:literal) => {
        Sql {
            sqlite: "SELECT 1",
            postgres: concat!(
                "CREATE INDEX dodo_money_",
                $column,
                " ON dodo_money (",
                $column,
                ", at) WHERE ",
                $column,
                " > 0"
            ),
        }
    };
}

pub(super) const VERSIONS: &[&[Sql]] = &[V1];

/// Times of the inbox and the outbox are milliseconds since 1970. Times of facts and records are
/// microseconds. Flags are 0 and 1.
const V1: &[Sql] = &[
    // Every stored event. Rows stay, because their ids identify duplicates. `available_at` is the
    // due time of a pending row, and the end of its lease while claimed. `erased`: the body goes
    // when the event is done. `projection`: no delivery, but an event of this projection, or its
    // timer, which is due at `occurred_at`.
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
        "CREATE INDEX dodo_inbox_failed ON dodo_inbox (finished_at, id, state)
         WHERE state IN ('dead', 'parked')"
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
    // The records for each sink.
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
            format BIGINT NOT NULL,
            body TEXT NOT NULL,
            person TEXT
        )",
    },
    Sql {
        sqlite: "SELECT 1",
        postgres: "CREATE INDEX dodo_fact_group ON dodo_fact (group_id, occurred_at, id)",
    },
    // Disputes are rare: the list of the open ones reads them all.
    sql!("CREATE INDEX dodo_fact_dispute ON dodo_fact (occurred_at) WHERE kind = 'dispute'"),
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
            visit_context TEXT,
            excess BIGINT,
            kind TEXT NOT NULL,
            live BIGINT NOT NULL,
            business_id TEXT NOT NULL,
            payment_id TEXT,
            customer_id TEXT,
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
            country TEXT,
            is_first BIGINT NOT NULL,
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
    sql!("CREATE INDEX dodo_record_page ON dodo_record (occurred_micros, no)"),
    sql!(
        "CREATE INDEX dodo_record_refund ON dodo_record (occurred_micros)
         WHERE kind = 'refund' AND net IS NULL"
    ),
    sql!(
        "CREATE INDEX dodo_record_payment ON dodo_record (payment_id) WHERE payment_id IS NOT NULL"
    ),
    sql!("CREATE INDEX dodo_record_visitor ON dodo_record (visitor) WHERE visitor IS NOT NULL"),
    sql!(
        "CREATE INDEX dodo_record_customer ON dodo_record (customer_id) WHERE customer_id IS NOT NULL"
    ),
    // The values of the dimensions of `dodo_money`. `dim` is the number of the dimension. `uses`: the
    // number of rows with the value. A value without a use is deleted, because it can be personal.
    sql!(
        "CREATE TABLE dodo_value (
            id " IDENTITY ",
            dim BIGINT NOT NULL,
            text " KEY " NOT NULL,
            uses BIGINT NOT NULL,
            UNIQUE (dim, text)
        )"
    ),
    // One row per record with money. The dimensions hold ids of values; 0: none. `no` is the number of
    // the record, `channel` the number of the channel. The tax is `gross - net`. Questions read many of
    // these rows, so PostgreSQL has narrow columns, and no space between them.
    sql!(
        "CREATE TABLE dodo_money (
            at BIGINT NOT NULL,
            no BIGINT NOT NULL,
            gross BIGINT NOT NULL,
            net BIGINT NOT NULL,
            source INTEGER NOT NULL,
            medium INTEGER NOT NULL,
            campaign INTEGER NOT NULL,
            content INTEGER NOT NULL,
            term INTEGER NOT NULL,
            link INTEGER NOT NULL,
            landing INTEGER NOT NULL,
            referrer INTEGER NOT NULL,
            device INTEGER NOT NULL,
            country INTEGER NOT NULL,
            product INTEGER NOT NULL,
            lead INTEGER NOT NULL,
            reason INTEGER NOT NULL,
            visitor INTEGER NOT NULL,
            customer INTEGER NOT NULL,
            live SMALLINT NOT NULL,
            kind SMALLINT NOT NULL,
            is_first SMALLINT NOT NULL,
            channel SMALLINT NOT NULL,
            currency " KEY " NOT NULL,
            PRIMARY KEY (live, currency, at, no)" (include "customer, net, kind") "
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_money_visitor ON dodo_money (visitor) WHERE visitor > 0"),
    // All columns of the sums by customer, so that they read no row of the table.
    sql!(
        "CREATE INDEX dodo_money_customer ON dodo_money (live, currency, customer, at, net, kind, is_first,
            gross)"
    ),
    filtered_by!("source"),
    filtered_by!("medium"),
    filtered_by!("campaign"),
    filtered_by!("content"),
    filtered_by!("term"),
    filtered_by!("link"),
    filtered_by!("landing"),
    filtered_by!("referrer"),
    filtered_by!("country"),
    filtered_by!("product"),
    filtered_by!("lead"),
    // Sums of `dodo_money`. `dim` 0: all rows. `grain` 0: `bucket` is a civil day, in days since 1970;
    // 1: a civil month, in months since the year 0. Both in the zone of the books. `n`: rows. `net`: of all rows.
    sql!(
        "CREATE TABLE dodo_roll (
            live BIGINT NOT NULL,
            currency " KEY " NOT NULL,
            dim BIGINT NOT NULL,
            grain BIGINT NOT NULL,
            bucket BIGINT NOT NULL,
            value BIGINT NOT NULL,
            n BIGINT NOT NULL,
            firsts BIGINT NOT NULL,
            charges BIGINT NOT NULL,
            refunds BIGINT NOT NULL,
            disputes BIGINT NOT NULL,
            net BIGINT NOT NULL,
            charges_net BIGINT NOT NULL,
            charges_gross BIGINT NOT NULL,
            refunds_gross BIGINT NOT NULL,
            disputes_gross BIGINT NOT NULL,
            PRIMARY KEY (live, currency, dim, grain, bucket, value)
        )" CLUSTERED
    ),
    // The state of each subscription for lists. `mrr` counts until `counts_until`, in microseconds.
    sql!(
        "CREATE TABLE dodo_subscription (
            id " KEY " PRIMARY KEY,
            live BIGINT NOT NULL,
            currency TEXT NOT NULL,
            customer_id " KEY ",
            product_id TEXT,
            source TEXT,
            status TEXT,
            since BIGINT,
            amount BIGINT NOT NULL,
            unit TEXT,
            count BIGINT NOT NULL,
            mrr BIGINT NOT NULL,
            counts_until BIGINT,
            at_risk BIGINT NOT NULL,
            ending BIGINT NOT NULL,
            next_billing BIGINT,
            trial_end BIGINT,
            trial_mrr BIGINT NOT NULL
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_subscription_list ON dodo_subscription (live, currency, mrr, id)"),
    // All columns of the sums of all subscriptions, by plan and by source, so that they read no row of the table.
    // The order of each index spares a sort of its customers.
    sql!(
        "CREATE INDEX dodo_subscription_sums ON dodo_subscription (live, currency, customer_id, mrr, counts_until)"
    ),
    sql!(
        "CREATE INDEX dodo_subscription_plan ON dodo_subscription (live, currency, product_id, customer_id,
            mrr, counts_until)"
    ),
    sql!(
        "CREATE INDEX dodo_subscription_source ON dodo_subscription (live, currency, source, customer_id,
            mrr, counts_until)"
    ),
    // Few subscriptions each: their sums read no others.
    sql!("CREATE INDEX dodo_subscription_risk ON dodo_subscription (live, currency) WHERE at_risk = 1"),
    sql!("CREATE INDEX dodo_subscription_ending ON dodo_subscription (live, currency) WHERE ending = 1"),
    sql!(
        "CREATE INDEX dodo_subscription_trial ON dodo_subscription (live, currency) WHERE trial_mrr > 0"
    ),
    sql!(
        "CREATE INDEX dodo_subscription_due ON dodo_subscription (live, currency, next_billing, id)
         WHERE mrr > 0 AND ending = 0"
    ),
    sql!(
        "CREATE INDEX dodo_subscription_customer ON dodo_subscription (customer_id)
         WHERE customer_id IS NOT NULL"
    ),
    // The movements of the monthly revenue of each customer, at the subscription with the largest part.
    // `kind`: 1 new, 2 expansion, 3 reactivation, 4 contraction, 5 churn. `reason`: 0 none, 1 asked,
    // 2 payment failed, 3 paused, 4 expired, 5 merchant.
    sql!(
        "CREATE TABLE dodo_mrr (
            live BIGINT NOT NULL,
            currency " KEY " NOT NULL,
            at BIGINT NOT NULL,
            subscription_id " KEY " NOT NULL,
            kind BIGINT NOT NULL,
            reason BIGINT NOT NULL,
            amount BIGINT NOT NULL,
            PRIMARY KEY (live, currency, at, subscription_id, kind)
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_mrr_subscription ON dodo_mrr (subscription_id)"),
    // The checkout sessions with a context. `session_id`: NULL after the retention of its facts. `live` -1: no
    // payment, so the mode is not known. `failure`: the code of the last failed payment, '': without a code.
    // The dimensions hold ids of values, as in `dodo_money`. `no` is random.
    sql!(
        "CREATE TABLE dodo_funnel (
            at BIGINT NOT NULL,
            no BIGINT NOT NULL,
            session_id " KEY " UNIQUE,
            live BIGINT NOT NULL,
            tried BIGINT NOT NULL,
            paid_at BIGINT,
            kept BIGINT NOT NULL,
            failure TEXT,
            channel BIGINT NOT NULL,
            source BIGINT NOT NULL,
            medium BIGINT NOT NULL,
            campaign BIGINT NOT NULL,
            content BIGINT NOT NULL,
            term BIGINT NOT NULL,
            link BIGINT NOT NULL,
            PRIMARY KEY (at, no)
        )" CLUSTERED
    ),
    // Failures are counted from their rows.
    sql!(
        "CREATE INDEX dodo_funnel_failed ON dodo_funnel (at, failure, live, paid_at, channel, source, medium,
            campaign, content, term, link) WHERE failure IS NOT NULL"
    ),
    // Sums of `dodo_funnel`. `dim`, `grain`, `bucket` and `value` are those of `dodo_roll`, by the time of
    // the opening. `dim` -1: paid sessions; `value` is the time to pay, in seconds.
    sql!(
        "CREATE TABLE dodo_funnel_roll (
            live BIGINT NOT NULL,
            dim BIGINT NOT NULL,
            grain BIGINT NOT NULL,
            bucket BIGINT NOT NULL,
            value BIGINT NOT NULL,
            opened BIGINT NOT NULL,
            tried BIGINT NOT NULL,
            paid BIGINT NOT NULL,
            kept BIGINT NOT NULL,
            recovered BIGINT NOT NULL,
            PRIMARY KEY (live, dim, grain, bucket, value)
        )" CLUSTERED
    ),
    // One row. `change` grows with each booking that adds or changes a fact or a record.
    // `complete`: the sums are those of the zone.
    sql!(
        "CREATE TABLE dodo_books (
            id BIGINT PRIMARY KEY,
            zone TEXT NOT NULL,
            change BIGINT NOT NULL,
            complete BIGINT NOT NULL
        )"
    ),
    sql!("INSERT INTO dodo_books (id, zone, change, complete) VALUES (1, 'UTC', 0, 1)"),
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

//! The tables of facts, groups and records. They become schema version 1 when the worker uses them.

use crate::{
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

/// The statements in their order. Times are microseconds since 1970, flags are 0 and 1.
const TABLES: &[Sql] = &[
    // `parent_id`: the group was merged into this one. Transactions that read a key before the merge
    // follow it. `version` counts bookings, `rules_hash` names the rules of the last resolution.
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
            landing_path TEXT,
            referrer_host TEXT,
            device TEXT,
            currency TEXT,
            exponent BIGINT,
            gross BIGINT,
            tax BIGINT,
            net BIGINT,
            occurred_micros BIGINT NOT NULL
        )"
    ),
    sql!("CREATE INDEX dodo_record_group ON dodo_record (group_id)"),
    // Groups to resolve again: a new identity, new rules. Append only, never unique, so that no
    // writer waits for another.
    sql!(
        "CREATE TABLE dodo_resolve (
            id " IDENTITY ",
            group_id BIGINT NOT NULL,
            reason TEXT NOT NULL
        )"
    ),
    sql!(
        "CREATE TABLE dodo_erasure (customer_sha256 " KEY " PRIMARY KEY, erased_at BIGINT NOT NULL)"
        CLUSTERED
    ),
];

pub(super) async fn create(tx: &mut Tx) -> Result<(), Error> {
    for table in TABLES {
        tx.execute(table, args![]).await?;
    }
    Ok(())
}

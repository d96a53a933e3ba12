use dodo_ledger::store::sql::{Sql, sql};

/// The statements of each version, oldest first.
pub(crate) const SCHEMA: &[&[Sql]] = &[V1];

/// Times are microseconds since 1970. Flags are 0 and 1. `live`: the mode.
const V1: &[Sql] = &[
    // The answer of each owner, and the row lock under which it changes. `no` is random. It names the owner in
    // timers and events, which hold no personal data. `plans`: the hash of the plans that made the answer. `busy`: the
    // request that creates something at Dodo Payments for the owner, until `busy_until` in milliseconds.
    sql!(
        "CREATE TABLE dodo_billing_owner (
            owner " KEY " NOT NULL,
            live BIGINT NOT NULL,
            no BIGINT NOT NULL UNIQUE,
            version BIGINT NOT NULL,
            plans TEXT NOT NULL,
            answer TEXT NOT NULL,
            busy TEXT NOT NULL DEFAULT '',
            busy_until BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (owner, live)
        )" CLUSTERED
    ),
    // The groups of the ledger that hold facts of an owner.
    sql!(
        "CREATE TABLE dodo_billing_group (
            owner " KEY " NOT NULL,
            live BIGINT NOT NULL,
            group_id BIGINT NOT NULL,
            PRIMARY KEY (owner, live, group_id)
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_billing_group_id ON dodo_billing_group (group_id)"),
    // The owner of each customer. The first owner keeps it.
    sql!(
        "CREATE TABLE dodo_billing_customer (
            customer_id " KEY " NOT NULL,
            live BIGINT NOT NULL,
            owner " KEY " NOT NULL,
            bound_at BIGINT NOT NULL,
            PRIMARY KEY (customer_id, live)
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_billing_customer_owner ON dodo_billing_customer (owner, live)"),
    // The checkout sessions that the app opened for owners. `return_key` is in the return URL.
    sql!(
        "CREATE TABLE dodo_billing_checkout (
            return_key " KEY " PRIMARY KEY,
            session_id " KEY " NOT NULL,
            live BIGINT NOT NULL,
            owner " KEY " NOT NULL,
            cart TEXT NOT NULL,
            checkout_url TEXT,
            created_at BIGINT NOT NULL
        )" CLUSTERED
    ),
    sql!("CREATE INDEX dodo_billing_checkout_session ON dodo_billing_checkout (session_id, live)"),
    sql!(
        "CREATE INDEX dodo_billing_checkout_owner
         ON dodo_billing_checkout (owner, live, created_at)"
    ),
    // The decisions of the app: grants, blocks and ends of access. They stay, and the last one counts.
    sql!(
        "CREATE TABLE dodo_billing_grant (
            no " IDENTITY ",
            owner " KEY " NOT NULL,
            live BIGINT NOT NULL,
            decided_at BIGINT NOT NULL,
            decision TEXT NOT NULL
        )"
    ),
    sql!("CREATE INDEX dodo_billing_grant_owner ON dodo_billing_grant (owner, live)"),
    // Each change of an answer, until the listener has seen it.
    sql!(
        "CREATE TABLE dodo_billing_change (
            owner_no BIGINT NOT NULL,
            version BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            before TEXT NOT NULL,
            after TEXT NOT NULL,
            PRIMARY KEY (owner_no, version)
        )" CLUSTERED
    ),
];

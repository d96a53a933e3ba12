//! Each test on a database of its own: SQLite, and PostgreSQL if `DODO_TEST_POSTGRES_URL` names a server.

use dodo_ledger::sqlx::{self, Connection as _, PgConnection};

use super::*;

/// A database of its own.
struct Temporary {
    database: Database,
    folder: std::path::PathBuf,
    /// The server and the schema.
    postgres: Option<(String, String)>,
}

impl Temporary {
    async fn sqlite(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dodo-shop-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("shop.db").display());
        Self { database: Database::open(&url).await.unwrap(), folder, postgres: None }
    }

    async fn all(test: &str) -> Vec<Self> {
        let sqlite = Self::sqlite(test).await;
        let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else {
            let required = std::env::var("DODO_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "DODO_REQUIRE_POSTGRES=1, but DODO_TEST_POSTGRES_URL is not set");
            eprintln!("SKIPPED {test} on PostgreSQL: DODO_TEST_POSTGRES_URL is not set");
            return vec![sqlite];
        };
        let schema = format!("shop_{test}_{}", std::process::id());
        run(&server, format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))
            .await;
        let join = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{join}options=-csearch_path%3D{schema}");
        let database = Database::open(&url).await.unwrap();
        let folder = sqlite.folder.clone();
        vec![sqlite, Self { database, folder, postgres: Some((server, schema)) }]
    }

    async fn remove(self) {
        std::fs::remove_dir_all(&self.folder).ok();
        if let Some((server, schema)) = self.postgres {
            run(&server, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }

    async fn belongings(&self, account: &str) -> Belongings {
        self.database.belongings(account).await.unwrap()
    }

    async fn customer_of(&self, account: &str) -> Option<String> {
        let customer = self.database.customer_of(account).await.unwrap();
        customer.map(|id| id.to_string())
    }
}

async fn run(server: &str, statements: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn cus(id: &str) -> CustomerId {
    CustomerId::new(id).unwrap()
}

fn owner(account: Option<&str>, customer: &str) -> Owner {
    Owner { account: account.map(Into::into), customer: Some(cus(customer)) }
}

fn an_order(payment_id: &str) -> Order {
    Order {
        payment_id: payment_id.into(),
        product: "Field guide".into(),
        paid: 1900,
        refunded: 0,
        currency: Currency::USD,
        exponent: 2,
        at: at(0),
    }
}

fn an_access(subscription_id: &str, state: State, since: i64) -> Access {
    Access {
        subscription_id: subscription_id.into(),
        product: "Print club".into(),
        state,
        since: at(since),
        paid_until: None,
    }
}

#[tokio::test]
async fn orders_are_fulfilled_once_and_refunded_in_any_order() {
    for shop in Temporary::all("orders").await {
        let mut lease = shop.database.lease().await.unwrap();
        let mine = owner(Some("ada"), "cus_1");
        refund(lease.connection(), "ref_0", "pay_1", Some(400)).await.unwrap();
        for _ in 0..2 {
            fulfill(lease.connection(), &mine, &an_order("pay_1")).await.unwrap();
            refund(lease.connection(), "ref_1", "pay_1", Some(500)).await.unwrap();
        }
        let known = shop.belongings("ada").await;
        assert_eq!(known.orders, [Order { refunded: 900, ..an_order("pay_1") }]);
        refund(lease.connection(), "ref_2", "pay_1", None).await.unwrap();
        assert_eq!(shop.belongings("ada").await.orders[0].refunded, 1900, "the rest");
        assert_eq!(shop.belongings("bob").await, Belongings::default());
        shop.remove().await;
    }
}

#[tokio::test]
async fn subscription_state_moves_forward_only() {
    use State::{Active, Canceled, Ending, OnHold};
    for shop in Temporary::all("subscriptions").await {
        let mut lease = shop.database.lease().await.unwrap();
        let stories = [
            (vec![(Active, 1), (Canceled, 2)], Canceled, 2),
            (vec![(Canceled, 2), (Active, 1)], Canceled, 2),
            (vec![(Canceled, 2), (Active, 2)], Canceled, 2),
            (vec![(Active, 1), (Active, 5)], Active, 1),
            (vec![(Active, 1), (Ending, 2), (Active, 3)], Active, 3),
            (vec![(Active, 3), (Active, 1), (OnHold, 2)], Active, 3),
        ];
        for (n, (story, ends, since)) in stories.into_iter().enumerate() {
            let (id, account) = (format!("sub_{n}"), format!("acc_{n}"));
            let mine = owner(Some(&account), "cus_1");
            for (state, since) in &story {
                let change = an_access(&id, *state, *since);
                subscription(lease.connection(), &mine, &change).await.unwrap();
            }
            let known = shop.belongings(&account).await.subscriptions;
            assert_eq!(known, [an_access(&id, ends, since)], "{story:?}");
        }
        shop.remove().await;
    }
}

#[test]
fn paid_period_decides_about_access() {
    let day = 24 * 60 * 60;
    for (state, paid_until, open_before, open_at_end, open_days_later) in [
        (State::Active, Some(0), true, true, false),
        (State::Active, None, true, true, true),
        (State::Ending, Some(0), true, false, false),
        (State::OnHold, Some(0), true, false, false),
        (State::Canceled, Some(0), true, false, false),
        (State::Canceled, None, false, false, false),
        (State::Paused, Some(0), false, false, false),
        (State::Over, Some(0), false, false, false),
    ] {
        let access = Access { paid_until: paid_until.map(at), ..an_access("sub_1", state, -day) };
        let open = [-1, 0, 2 * day].map(|second| access.is_open(at(second)));
        assert_eq!(open, [open_before, open_at_end, open_days_later], "{access:?}");
    }
}

#[tokio::test]
async fn a_customer_belongs_to_the_account_that_opened_the_session() {
    for shop in Temporary::all("customers").await {
        let mut lease = shop.database.lease().await.unwrap();
        let access = an_access("sub_1", State::Active, 1);
        subscription(lease.connection(), &owner(None, "cus_1"), &access).await.unwrap();
        assert_eq!(shop.belongings("ada").await, Belongings::default(), "the customer is unknown");

        opened(lease.connection(), "cks_1", "ada").await.unwrap();
        paid_session(lease.connection(), "cks_1", &cus("cus_1")).await.unwrap();
        assert_eq!(shop.customer_of("ada").await.as_deref(), Some("cus_1"));
        assert_eq!(shop.belongings("ada").await.subscriptions.len(), 1, "found by the customer");

        let forged = owner(Some("mallory"), "cus_1");
        fulfill(lease.connection(), &forged, &an_order("pay_1")).await.unwrap();
        paid_session(lease.connection(), "cks_unknown", &cus("cus_1")).await.unwrap();
        opened(lease.connection(), "cks_2", "mallory").await.unwrap();
        paid_session(lease.connection(), "cks_2", &cus("cus_1")).await.unwrap();
        assert_eq!(shop.customer_of("mallory").await, None, "the first account keeps the customer");

        delete_customer_links(lease.connection()).await.unwrap();
        assert_eq!(shop.customer_of("ada").await, None);
        shop.remove().await;
    }
}

#[tokio::test]
async fn a_secret_is_made_once() {
    for shop in Temporary::all("secrets").await {
        assert_eq!(shop.database.secret("key", || "one".into()).await.unwrap(), "one");
        assert_eq!(shop.database.secret("key", || "two".into()).await.unwrap(), "one");
        shop.remove().await;
    }
}

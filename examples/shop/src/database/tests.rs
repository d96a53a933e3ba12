//! Each test on a database of its own: SQLite, and PostgreSQL if `DODO_TEST_POSTGRES_URL` names a server.

use dodo_ledger::sqlx::{Connection as _, PgConnection};
use jiff::Timestamp;

use super::*;
use crate::shipping::ship;

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
}

async fn run(server: &str, statements: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn payment_ships_its_goods_once() {
    for shop in Temporary::all("shipments").await {
        let mut lease = shop.database.lease().await.unwrap();
        for goods in ["Field guide", "Field guide again"] {
            ship(lease.connection(), "pay_1", goods, Timestamp::UNIX_EPOCH).await.unwrap();
        }
        let goods = shop.database.goods_of("pay_1").await.unwrap();
        assert_eq!(goods.as_deref(), Some("Field guide"));
        assert_eq!(shop.database.goods_of("pay_2").await.unwrap(), None);
        drop(lease);
        shop.remove().await;
    }
}

#[tokio::test]
async fn shared_secret_is_created_once() {
    for shop in Temporary::all("secrets").await {
        assert_eq!(shop.database.secret("key", || "one".into()).await.unwrap(), "one");
        assert_eq!(shop.database.secret("key", || "two".into()).await.unwrap(), "one");
        shop.remove().await;
    }
}

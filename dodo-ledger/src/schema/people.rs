//! Finding what is stored about people, to erase it.

use std::time::Duration;

use crate::{
    attribution::Link,
    error::Error,
    store::{
        Store, Tx,
        sql::{Rows, Sql, args, sql},
    },
};

/// Contexts that are old enough: those of checkouts that somebody paid are not looked at again, ...
const KEEP_CONTEXTS: Sql = sql!(
    "UPDATE dodo_fact SET kept = 1 WHERE id IN (
        SELECT id FROM dodo_fact
        WHERE id >= 'checkout:' AND id < 'checkout;' AND kept = 0 AND changed_at <= " NOW " - $1
          AND EXISTS (SELECT 1 FROM dodo_link
                      WHERE dodo_link.kind = 'k' AND dodo_link.value = substr(dodo_fact.id, 10))
        LIMIT $2)"
);
/// ... and the others go.
const ERASE_CONTEXTS: Sql = sql!(
    "DELETE FROM dodo_fact WHERE id IN (
        SELECT id FROM dodo_fact
        WHERE id >= 'checkout:' AND id < 'checkout;' AND kept = 0 AND changed_at <= " NOW " - $1
          AND NOT EXISTS (SELECT 1 FROM dodo_link
                          WHERE dodo_link.kind = 'k' AND dodo_link.value = substr(dodo_fact.id, 10))
        LIMIT $2)"
);
/// Whom facts were about that are no more.
const FORGET_ABOUT_CONTEXTS: Sql = sql!(
    "DELETE FROM dodo_about WHERE fact_id >= 'checkout:' AND fact_id < 'checkout;'
       AND NOT EXISTS (SELECT 1 FROM dodo_fact WHERE dodo_fact.id = dodo_about.fact_id)"
);
/// Rows per transaction, so that nobody waits long for the lock.
const BATCH: u32 = 500;

/// Erases what was captured for checkouts so long ago that nobody paid, and says of how many.
pub(crate) async fn erase_contexts(store: &Store, older_than: Duration) -> Result<u64, Error> {
    let age = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX / 4);
    let (mut erased, mut kept) = (0, u64::from(BATCH));
    loop {
        // A booking of the payment may be under way: it writes the link.
        let mut tx = store.begin_booking().await?;
        tx.lock_booking().await?;
        if kept == u64::from(BATCH) {
            kept = tx.execute(&KEEP_CONTEXTS, args![age, BATCH]).await?;
        }
        let batch = tx.execute(&ERASE_CONTEXTS, args![age, BATCH]).await?;
        if batch > 0 {
            tx.execute(&FORGET_ABOUT_CONTEXTS, args![]).await?;
        }
        tx.commit().await?;
        erased += batch;
        if batch.max(kept) < u64::from(BATCH) {
            return Ok(erased);
        }
    }
}

/// The customers of an address, or the addresses of a customer, as events name them together.
const RELATED_IN_ENTRIES: Sql = sql!(
    "SELECT DISTINCT theirs.value FROM dodo_link AS named
     JOIN dodo_link AS theirs ON theirs.entry_id = named.entry_id
     WHERE named.kind = $1 AND named.value = $2 AND theirs.kind = $3"
);
const RELATED_IN_FACTS: Sql = sql!(
    "SELECT DISTINCT theirs.value FROM dodo_about AS named
     JOIN dodo_about AS theirs ON theirs.fact_id = named.fact_id
     WHERE named.kind = $1 AND named.value = $2 AND theirs.kind = $3"
);
const ADDRESSES_IN_EVENTS: Sql = sql!(
    "SELECT DISTINCT email_sha256 FROM dodo_inbox
     WHERE customer_id = $1 AND body IS NOT NULL AND email_sha256 IS NOT NULL"
);
const CUSTOMERS_IN_EVENTS: Sql = sql!(
    "SELECT DISTINCT customer_id FROM dodo_inbox
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NOT NULL"
);
/// Callbacks of pending events still need the body: it goes when they are done.
const FORGET_EVENTS_OF_CUSTOMER: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE customer_id = $1 AND body IS NOT NULL"
);
const FORGET_EVENTS_OF_ADDRESS: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NULL"
);
const ABOUT: Sql = sql!(
    "SELECT DISTINCT fact_id FROM " (rows 1: 1 kind TEXT, 2 value TEXT) "
     JOIN dodo_about ON dodo_about.kind = given.kind AND dodo_about.value = given.value"
);
const NOTE_ABOUT: Sql = sql!(
    "INSERT INTO dodo_about (kind, value, fact_id)
     SELECT * FROM " (rows 1: 1 kind TEXT, 2 value TEXT, 3 fact_id TEXT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const FORGET_ABOUT: Sql =
    sql!("DELETE FROM dodo_about WHERE fact_id IN (SELECT id FROM " (rows 1: 1 id TEXT) ")");

impl Tx {
    /// The customers that an address belongs to, or the addresses of a customer.
    pub(super) async fn related(&mut self, person: &Link) -> Result<Vec<String>, Error> {
        let (events, other) = match person {
            Link::Customer(_) => (&ADDRESSES_IN_EVENTS, "e"),
            Link::Email(_) => (&CUSTOMERS_IN_EVENTS, "c"),
            _ => return Ok(Vec::new()),
        };
        let named = || args![person.kind(), person.value(), other];
        let mut rows = self.fetch(&RELATED_IN_ENTRIES, named()).await?;
        rows.extend(self.fetch(&RELATED_IN_FACTS, named()).await?);
        rows.extend(self.fetch(events, args![person.value()]).await?);
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// Erases the bodies of a person's events, or has them erased when they are done.
    pub(crate) async fn forget_events(&mut self, person: &Link) -> Result<(), Error> {
        let sql = match person {
            Link::Customer(_) => &FORGET_EVENTS_OF_CUSTOMER,
            Link::Email(_) => &FORGET_EVENTS_OF_ADDRESS,
            _ => return Ok(()),
        };
        self.execute(sql, args![person.value()]).await.map(drop)
    }

    /// The keys of facts that are about one of these.
    pub(super) async fn about(&mut self, links: &[Link]) -> Result<Vec<String>, Error> {
        let mut asked = Rows::default();
        links.iter().for_each(|link| asked.push(args![link.kind(), link.value()]));
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.fetch(&ABOUT, args![asked]).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// Kind, value and key of each fact.
    pub(super) async fn note_about(&mut self, rows: Rows) -> Result<(), Error> {
        self.write(&NOTE_ABOUT, rows).await
    }

    pub(super) async fn forget_about(&mut self, keys: Rows) -> Result<(), Error> {
        self.write(&FORGET_ABOUT, keys).await
    }
}

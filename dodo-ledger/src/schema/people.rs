//! Finding what is stored about people, to erase it.

use std::collections::BTreeSet;

use crate::{
    attribution::Link,
    error::Error,
    store::{
        Tx,
        sql::{Rows, Sql, args, sql},
    },
};

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
/// Callbacks of pending events still need the body: it goes when they are done. Who books an event has
/// its row and waits for the lock of bookings: what is not booked yet is forgotten before that is taken.
const FORGET_EVENTS_OF_CUSTOMER: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE customer_id = $1 AND body IS NOT NULL
       AND (state <> 'pending' OR booked_at IS NOT NULL)"
);
const FORGET_EVENTS_OF_ADDRESS: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NULL
       AND (state <> 'pending' OR booked_at IS NOT NULL)"
);
/// These are booked of nobody.
const FORGET_UNBOOKED_OF_CUSTOMER: Sql = sql!(
    "UPDATE dodo_inbox SET forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE customer_id = $1 AND body IS NOT NULL AND state = 'pending' AND booked_at IS NULL"
);
const FORGET_UNBOOKED_OF_ADDRESS: Sql = sql!(
    "UPDATE dodo_inbox SET forgotten = 1, customer_id = NULL, email_sha256 = NULL
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NULL
       AND state = 'pending' AND booked_at IS NULL"
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
    /// Who is to be forgotten with somebody: all customers of an address. And their addresses: others may
    /// share them, so they are no people to forget.
    pub(crate) async fn people(&mut self, person: &Link) -> Result<(Vec<Link>, Vec<Link>), Error> {
        let mut people = BTreeSet::from([person.clone()]);
        if let Link::Email(_) = person {
            people.extend(self.related(person).await?.into_iter().map(Link::Customer));
        }
        let mut addresses = BTreeSet::new();
        for one in &people {
            match one {
                Link::Email(_) => addresses.extend([one.clone()]),
                _ => addresses.extend(self.related(one).await?.into_iter().map(Link::Email)),
            }
        }
        Ok((people.into_iter().collect(), addresses.into_iter().collect()))
    }

    /// The customers that an address belongs to, or the addresses of a customer.
    async fn related(&mut self, person: &Link) -> Result<Vec<String>, Error> {
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

    /// Erases the bodies of a person's events, or has them erased when they are done. Says of how many.
    pub(crate) async fn forget_events(&mut self, person: &Link) -> Result<u64, Error> {
        self.change_events(person, &FORGET_EVENTS_OF_CUSTOMER, &FORGET_EVENTS_OF_ADDRESS).await
    }

    /// Has a person's events that are not booked yet booked of nobody. Says how many these are. It waits
    /// for bookings that have taken one, which may wait for the lock of bookings.
    pub(crate) async fn forget_unbooked(&mut self, person: &Link) -> Result<u64, Error> {
        self.change_events(person, &FORGET_UNBOOKED_OF_CUSTOMER, &FORGET_UNBOOKED_OF_ADDRESS).await
    }

    /// Events are found by a customer or by an address.
    async fn change_events(
        &mut self,
        person: &Link,
        of_customer: &Sql,
        of_address: &Sql,
    ) -> Result<u64, Error> {
        let sql = match person {
            Link::Customer(_) => of_customer,
            Link::Email(_) => of_address,
            _ => return Ok(0),
        };
        self.execute(sql, args![person.value()]).await
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

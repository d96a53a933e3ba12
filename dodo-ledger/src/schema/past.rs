//! The ledger's past around a booking: read in few statements, changed in memory, written in few.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    attribution::{Entry, Find, Head, History, Link, Wanted},
    error::Error,
    store::{
        Tx,
        sql::{Rows, args},
    },
};

/// A link that finds more entries than this is searched in the tables.
const HELD: u32 = 256;
/// Of what a link finds, the newest are read ahead: most charges follow the one before.
const AHEAD: usize = 3;

/// The past, as far as one transaction looked at it. [`write`](Self::write) writes what was changed;
/// without it nothing is.
#[derive(Debug)]
pub(crate) struct Past {
    tx: Tx,
    /// What each link finds; `None`: too much to be held.
    links: HashMap<Link, Option<BTreeSet<String>>>,
    heads: HashMap<String, Head>,
    /// `None`: there is no entry under this key.
    entries: HashMap<String, Option<Entry>>,
    facts: HashMap<String, Option<String>>,
    /// The keys of entries that were put, with what was there before.
    changed: BTreeMap<String, Option<Before>>,
    changed_facts: BTreeSet<String>,
    /// Whom facts are about, to be written.
    noted: BTreeSet<(String, Link)>,
    /// Facts that shall be about nobody.
    unnoted: BTreeSet<String>,
    /// Whether an entry or a fact was changed.
    has_changed: bool,
}

/// What an entry was linked by.
type Before = (Head, Vec<Link>);

impl Past {
    pub(crate) fn of(tx: Tx) -> Self {
        Self {
            tx,
            links: HashMap::new(),
            heads: HashMap::new(),
            entries: HashMap::new(),
            facts: HashMap::new(),
            changed: BTreeMap::new(),
            changed_facts: BTreeSet::new(),
            noted: BTreeSet::new(),
            unnoted: BTreeSet::new(),
            has_changed: false,
        }
    }

    /// Whether an entry or a fact was changed so far.
    pub(crate) const fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Reads ahead what a booking will look at.
    pub(crate) async fn read_ahead(&mut self, wanted: Wanted) -> Result<(), Error> {
        let Wanted { mut entries, links, facts } = wanted;
        self.read_links(links).await?;
        for ids in self.links.values().flatten() {
            let mut heads: Vec<&Head> = ids.iter().filter_map(|id| self.heads.get(id)).collect();
            heads.sort_by(|a, b| b.place().cmp(&a.place()));
            entries.extend(heads.iter().take(AHEAD).map(|head| head.id.clone()));
        }
        self.read_entries(entries).await?;
        self.read_facts(facts).await
    }

    async fn read_links(&mut self, links: impl IntoIterator<Item = Link>) -> Result<(), Error> {
        let missing: BTreeSet<Link> =
            links.into_iter().filter(|link| !self.links.contains_key(link)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<Link> = missing.into_iter().collect();
        let found = self.tx.heads(&missing, HELD).await?;
        let mut read: HashMap<Link, Option<BTreeSet<String>>> =
            missing.into_iter().map(|link| (link, Some(BTreeSet::new()))).collect();
        for (link, head) in found {
            match (head, read.get_mut(&link)) {
                // What was put since is newer than what is in the tables.
                (Some(head), Some(Some(ids))) if !self.changed.contains_key(&head.id) => {
                    ids.insert(head.id.clone());
                    self.heads.insert(head.id.clone(), head);
                }
                (None, Some(ids)) => *ids = None,
                _ => {}
            }
        }
        for entry in self.changed.keys().filter_map(|id| self.entries.get(id)?.as_ref()) {
            for link in entry.links() {
                if let Some(Some(ids)) = read.get_mut(&link) {
                    ids.insert(entry.id.clone());
                }
            }
        }
        self.links.extend(read);
        Ok(())
    }

    async fn read_entries(&mut self, ids: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let missing: BTreeSet<String> =
            ids.into_iter().filter(|id| !self.entries.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = self.tx.entries(Rows::texts(missing.iter())).await?;
        self.entries.extend(missing.into_iter().map(|id| (id, None)));
        self.entries.extend(found.into_iter().map(|entry| (entry.id.clone(), Some(entry))));
        Ok(())
    }

    async fn read_facts(&mut self, keys: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let is_missing = |key: &String| !key.is_empty() && !self.facts.contains_key(key);
        let missing: BTreeSet<String> = keys.into_iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = self.tx.facts(Rows::texts(missing.iter())).await?;
        self.facts.extend(missing.into_iter().map(|key| (key, None)));
        self.facts.extend(found.into_iter().map(|(key, json)| (key, Some(json))));
        Ok(())
    }

    /// Writes what was changed, and gives the transaction back for the rest and its commit.
    pub(crate) async fn write(mut self) -> Result<Tx, Error> {
        self.flush().await?;
        Ok(self.tx)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let changed = std::mem::take(&mut self.changed);
        let (mut put, mut unlink, mut link) = (Vec::new(), Rows::default(), Vec::new());
        for (id, before) in &changed {
            let Some(Some(entry)) = self.entries.get(id) else { continue };
            put.push(entry);
            let stays = before.as_ref().is_some_and(|(head, links)| {
                let now = entry.head();
                (head.class, head.at_micros) == (now.class, now.at_micros)
                    && *links == entry.links()
            });
            if !stays {
                link.push(entry);
                if before.is_some() {
                    unlink.push(args![id]);
                }
            }
        }
        self.tx.put_entries(&put).await?;
        self.tx.unlink(unlink).await?;
        self.tx.link(&link).await?;

        let (mut write, mut remove) = (Rows::default(), Rows::default());
        for key in std::mem::take(&mut self.changed_facts) {
            match self.facts.get(&key) {
                Some(Some(json)) => write.push(args![&key, json]),
                _ => remove.push(args![&key]),
            }
        }
        self.tx.put_facts(write).await?;
        self.tx.remove_facts(remove).await?;

        let unnoted = std::mem::take(&mut self.unnoted);
        self.tx.forget_about(Rows::texts(unnoted)).await?;
        let mut noted = Rows::default();
        for (key, link) in std::mem::take(&mut self.noted) {
            noted.push(args![link.kind(), link.value(), key]);
        }
        self.tx.note_about(noted).await
    }

    /// Who is to be forgotten with somebody, and their addresses.
    pub(crate) async fn people(&mut self, person: &Link) -> Result<(Vec<Link>, Vec<Link>), Error> {
        self.flush().await?;
        self.tx.people(person).await
    }
}

impl History for Past {
    async fn entry(&mut self, id: &str) -> Result<Option<Entry>, Error> {
        self.read_entries([id.to_owned()]).await?;
        Ok(self.entries.get(id).cloned().flatten())
    }

    async fn find(&mut self, find: &Find) -> Result<Vec<Entry>, Error> {
        self.read_links(find.links.iter().cloned()).await?;
        let held: Option<Vec<&BTreeSet<String>>> =
            find.links.iter().filter_map(|link| self.links.get(link)).map(Option::as_ref).collect();
        let Some(held) = held else {
            self.flush().await?;
            return self.tx.search(find).await;
        };
        let ids: BTreeSet<&String> = held.into_iter().flatten().collect();
        let mut heads: Vec<&Head> = ids.iter().filter_map(|id| self.heads.get(*id)).collect();
        find.arrange(&mut heads);
        let ids: Vec<String> = heads.into_iter().map(|head| head.id.clone()).collect();
        self.read_entries(ids.iter().cloned()).await?;
        Ok(ids.iter().filter_map(|id| self.entries.get(id)?.clone()).collect())
    }

    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let before = self.entry(&entry.id).await?.map(|old| (old.head(), old.links()));
        for link in before.iter().flat_map(|(_, links)| links) {
            if let Some(Some(ids)) = self.links.get_mut(link) {
                ids.remove(&entry.id);
            }
        }
        for link in entry.links() {
            if let Some(Some(ids)) = self.links.get_mut(&link) {
                ids.insert(entry.id.clone());
            }
        }
        self.has_changed = true;
        self.changed.entry(entry.id.clone()).or_insert(before);
        self.heads.insert(entry.id.clone(), entry.head());
        self.entries.insert(entry.id.clone(), Some(entry.clone()));
        Ok(())
    }

    async fn facts(&mut self, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        self.read_facts(keys.iter().cloned()).await?;
        Ok(keys.iter().map(|key| self.facts.get(key).cloned().flatten()).collect())
    }

    async fn put_fact(&mut self, key: &str, json: &str) -> Result<(), Error> {
        self.has_changed = true;
        self.facts.insert(key.to_owned(), Some(json.to_owned()));
        self.changed_facts.insert(key.to_owned());
        Ok(())
    }

    async fn remove_fact(&mut self, key: &str) -> Result<(), Error> {
        self.read_facts([key.to_owned()]).await?;
        if self.facts.insert(key.to_owned(), None).flatten().is_some() {
            self.has_changed = true;
            self.changed_facts.insert(key.to_owned());
        }
        Ok(())
    }

    async fn note_about(&mut self, key: &str, links: &[Link]) -> Result<(), Error> {
        self.noted.extend(links.iter().map(|link| (key.to_owned(), link.clone())));
        Ok(())
    }

    async fn about(&mut self, links: &[Link]) -> Result<Vec<String>, Error> {
        self.flush().await?;
        self.tx.about(links).await
    }

    async fn forget_about(&mut self, key: &str) -> Result<(), Error> {
        self.noted.retain(|(noted, _)| noted != key);
        self.unnoted.insert(key.to_owned());
        Ok(())
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use dodo_core::webhook::VerifiedEvent;

    use super::*;
    use crate::{
        Ledger,
        attribution::{Evidence, Rules, book},
    };

    const PAYMENT: &str = r#"{"type": "payment.succeeded", "timestamp": "2026-11-20T10:00:00Z", "data": {
        "payment_id": "pay_1", "created_at": "2026-11-20T10:00:00Z", "total_amount": 500,
        "currency": "USD", "subscription_id": "sub_1", "checkout_session_id": "cks_1",
        "metadata": {"visitor": "v1"},
        "customer": {"customer_id": "cus_1", "email": "ada@example.com"}}}"#;

    async fn found(past: &mut Past, link: &Link) -> Vec<String> {
        let found = past.find(&Find::links([link.clone()])).await.unwrap();
        found.into_iter().map(|entry| entry.id).collect()
    }

    /// Whatever was read before it was put.
    #[tokio::test]
    async fn what_was_put_is_found_by_what_it_is_now() {
        let ledger = Ledger::in_memory().await.unwrap();
        let (at, rules) = (jiff::Timestamp::UNIX_EPOCH, Rules::default());
        let event = VerifiedEvent::from_trusted_parts("msg_1", PAYMENT.into(), at, true);
        let evidence = Evidence::of_event(&event, &rules).unwrap().unwrap();
        let mut past = Past::of(ledger.shared.store.begin_booking().await.unwrap());
        let mut entry = book(&rules, &mut past, evidence).await.unwrap().changes.remove(0).entry;
        past.write().await.unwrap().commit().await.unwrap();

        let mut past = Past::of(ledger.shared.store.begin_booking().await.unwrap());
        let before = entry.links();
        assert_eq!(before.len(), 5, "{before:?}");
        entry.evidence.party.customer_id = Some("cus_2".to_owned());
        entry.record.customer_id = Some("cus_2".to_owned());
        past.put(&entry).await.unwrap();
        let now = entry.links();
        for link in before.iter().chain(&now) {
            let expected = if now.contains(link) { vec![entry.id.clone()] } else { Vec::new() };
            assert_eq!(found(&mut past, link).await, expected, "{link:?}");
        }
        assert_ne!(before, now);
    }
}

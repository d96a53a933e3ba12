//! Questions about all owners.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::Error;

use crate::{
    access::Access,
    answer,
    billing::Billing,
    change::AccessChange,
    fact::BillingFact,
    owner::OwnerId,
    plans::Plans,
    store::{self, StoredAnswer},
};

impl Billing {
    /// The owners for whom a plan, an included plan or a product is live now, sorted. It reads every stored answer.
    ///
    /// # Errors
    /// As [`Owner::access`](crate::Owner::access).
    pub async fn owners_with(&self, plan_or_product: &str) -> Result<Vec<OwnerId>, Error> {
        let mut owners = Vec::new();
        let mut last = String::new();
        loop {
            let page = self.page(&mut last).await?;
            if page.is_empty() {
                owners.sort();
                return Ok(owners);
            }
            let (now, mut old) = (self.now(), BTreeSet::new());
            let mut with = |owner: OwnerId, access: &Access| {
                if access.has(plan_or_product) {
                    owners.push(owner);
                }
            };
            for StoredAnswer { owner, plans, answer, .. } in page {
                let stored = Some(answer).filter(|_| plans == self.fingerprint());
                match stored.and_then(|answer: String| answer::current(&answer, now)) {
                    Some(access) => with(owner, &access),
                    None => drop(old.insert(owner)),
                }
            }
            for (owner, facts) in self.facts_of_all(&old).await? {
                with(owner, &crate::derive(&facts, self.plans(), now));
            }
        }
    }

    /// Compares the answers with those of other plans or rules, and returns each owner with another answer.
    /// Use it before a deployment. It reads every fact of every owner.
    ///
    /// # Errors
    /// As [`Owner::access`](crate::Owner::access).
    pub async fn preview_plans(
        &self,
        plans: &Plans,
    ) -> Result<Vec<(OwnerId, AccessChange)>, Error> {
        let (mut changes, mut last) = (Vec::new(), String::new());
        loop {
            let page = self.page(&mut last).await?;
            if page.is_empty() {
                return Ok(changes);
            }
            let owners = page.into_iter().map(|row| row.owner).collect();
            for (owner, facts) in self.facts_of_all(&owners).await? {
                let answer = |plans| crate::derive(&facts, plans, self.now());
                let change = AccessChange::between(&answer(self.plans()), &answer(plans));
                changes.extend(change.map(|change| (owner, change)));
            }
        }
    }

    async fn page(&self, last: &mut String) -> Result<Vec<StoredAnswer>, Error> {
        let page = store::owners_after(self.ledger()?.database(), last, self.live()).await?;
        if let Some(row) = page.last() {
            *last = row.owner.as_str().to_owned();
        }
        Ok(page)
    }

    /// The facts of each of these owners. An owner without facts has an empty list.
    async fn facts_of_all(
        &self,
        owners: &BTreeSet<OwnerId>,
    ) -> Result<BTreeMap<OwnerId, Vec<BillingFact>>, Error> {
        if owners.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.ledger()?.database().read().await?;
        let mut facts = self.facts_of(&mut tx, owners, &Default::default()).await?;
        for owner in owners {
            facts.entry(owner.clone()).or_default();
        }
        Ok(facts)
    }
}

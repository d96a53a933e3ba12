//! What follows from an entry that changed: which other entries have to be looked at again.

use std::collections::BTreeSet;

use super::{
    booking::{Change, Desk},
    chain::lookback_end,
    entry::{Class, Entry, Link},
    history::{Find, History, Steps},
};
use crate::error::Error;

impl<H: History> Desk<'_, H> {
    /// Writes an entry if it changed, and marks what may follow from that.
    pub(super) async fn replace(
        &mut self,
        old: Option<Entry>,
        mut new: Entry,
    ) -> Result<(), Error> {
        new.record.flags.reclassified = old.as_ref().is_some_and(|old| {
            let was_charge = old.record.kind.is_charge();
            let other_kind = was_charge && old.record.kind != new.record.kind;
            old.record.flags.reclassified || other_kind
        });
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        self.history.put(&new).await?;
        if new.class() == Class::Charge {
            self.mark_dependents(old.as_ref(), &new).await?;
        }
        let is_new = old.is_none() || self.changes.get(&new.id).is_some_and(|change| change.is_new);
        self.changes.insert(new.id.clone(), Change { entry: new, is_new });
        Ok(())
    }

    /// The charge just after an entry looks at it.
    async fn dirty_next(&mut self, of: &Find, entry: &Entry) -> Result<(), Error> {
        self.dirty(of.clone().class(Class::Charge).after(entry.position()).oldest()).await
    }

    async fn mark_dependents(&mut self, old: Option<&Entry>, new: &Entry) -> Result<(), Error> {
        self.payments.insert(new.record.payment_id.clone());
        let mut links: BTreeSet<Link> = new.links().into_iter().collect();
        links.extend(old.into_iter().flat_map(Entry::links));
        // Evidence that came first may name another customer or another time: then both places count.
        let moved =
            old.is_some_and(|old| old.links() != new.links() || old.position() != new.position());
        let from = old.map_or_else(|| new.position(), |old| old.position().min(new.position()));
        if moved || old.is_none_or(|old| !hands_on_the_same(old, new)) {
            for link in links.iter().filter(|link| matches!(link, Link::Subscription(_))) {
                let find = Find::links([link.clone()]);
                self.dirty_next(&find, new).await?;
                if let Some(old) = old.filter(|_| moved) {
                    self.dirty_next(&find, old).await?;
                }
                self.dirty(find.class(Class::Lifecycle)).await?;
            }
        }
        // Other purchases of the customer that nothing better explains.
        let explains = |entry: &Entry| {
            let visitor = entry.record.visitor.clone().filter(|_| entry.visitor_step() <= 5);
            let campaign = entry.record.campaign.clone().filter(|_| entry.campaign_step() <= 5);
            (visitor, campaign)
        };
        let (before, after) = (old.map(explains).unwrap_or_default(), explains(new));
        let steps = Steps {
            visitor: (moved || before.0 != after.0).then_some(6..=8),
            campaign: (moved || before.1 != after.1).then_some(6..=8),
        };
        if steps != Steps::default() {
            let customers = links.into_iter().filter(|link| matches!(link, Link::Customer(_)));
            let last =
                old.map_or(new.position().at, |old| old.position().at.max(new.position().at));
            let mut find = Find::links(customers).after(from);
            find.until = Some(lookback_end(self.rules, last));
            find.steps = steps;
            self.dirty(find).await?;
        }
        Ok(())
    }
}

/// Whether the charges after this one see no difference.
fn hands_on_the_same(old: &Entry, new: &Entry) -> bool {
    let line = |entry: &Entry| {
        let record = &entry.record;
        (
            record.visitor.clone(),
            record.campaign.clone(),
            record.tool_ids.clone(),
            record.user_id.clone(),
        )
    };
    old.derived == new.derived && old.record.consent == new.record.consent && line(old) == line(new)
}

//! Billing in the booking transaction: each changed group changes the answers of its owners.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{BoxError, client::SubscriptionId};
use dodo_ledger::{
    Error, LedgerHandle,
    attribution::{Fact, FactKind, Timeline},
    projection::{ChangedGroup, Projection, ProjectionTx, QueuedEvent, Sql, Timer},
    store::sql::{Rows, args},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    access::Access,
    answer,
    billing::Billing,
    change::AccessChange,
    fact::BillingFact,
    listener::AccessChanged,
    owner::{OwnerId, owned},
    state::AccessState,
    store::{self, Change},
    until::later,
};

/// The timer of the next change of an answer, and that of the notice before the end of a trial.
const CHANGE: &str = "change:";
const TRIAL: &str = "trial:";
/// The timer of the next request that settles a doubt.
const CHECK: &str = "check:";
/// The shortest wait between two requests about one owner.
const CHECK_WAIT: SignedDuration = SignedDuration::from_mins(10);

impl Projection for Billing {
    fn name(&self) -> &'static str {
        "billing"
    }

    fn schema(&self) -> &'static [&'static [Sql]] {
        store::SCHEMA
    }

    fn opened(&self, ledger: LedgerHandle) {
        self.keep(ledger);
    }

    async fn apply(
        &self,
        groups: &[ChangedGroup<'_>],
        tx: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        let live = self.live();
        let changed: BTreeMap<i64, &Timeline> =
            groups.iter().map(|group| (group.id(), group.timeline())).collect();
        let merged = groups.iter().flat_map(|group| group.merged().iter().copied());
        let ids: BTreeSet<i64> = changed.keys().copied().chain(merged).collect();
        let mut owners = store::owners_of_groups(tx, &ids, live).await?;
        // The session of an erased payment must not name its owner again.
        let erased = changed.values().flat_map(|timeline| erased_sessions(timeline)).collect();
        store::delete_checkouts(tx, &erased, live).await?;
        let known = store::known(tx, changed.values().copied(), live).await?;
        let mut links = BTreeSet::new();
        let mut customers = BTreeMap::new();
        for (id, timeline) in &changed {
            let owned = owned(timeline, &known, self.secrets(), live);
            links.extend(owned.facts.into_keys().map(|owner| (owner, *id)));
            customers.extend(owned.customers);
        }
        owners.extend(links.iter().map(|(owner, _)| owner.clone()));
        if owners.is_empty() {
            return Ok(());
        }
        let locked = store::lock_owners(tx, &owners, live).await?;
        store::unlink_groups(tx, &ids).await?;
        store::link_groups(tx, &links, live).await?;
        customers.retain(|id, _| !known.customers.contains_key(id));
        store::bind_customers(tx, &customers, live, self.now()).await?;
        self.answer(tx, locked, &changed, self.now()).await?;
        Ok(())
    }

    async fn erased(&self, customer_id: &str, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        let live = self.live();
        let Some(owner) = store::owner_of_customer(tx, customer_id, live).await? else {
            return Ok(());
        };
        let locked = store::lock_owners(tx, &[owner.clone()].into(), live).await?;
        store::unbind_customer(tx, customer_id, live).await?;
        if store::has_customer(tx, &owner, live).await? {
            return Ok(());
        }
        for row in locked.values() {
            self.erase_owner(tx, &owner, row.no).await?;
        }
        Ok(())
    }

    async fn timer(&self, timer: &Timer, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        let Some((kind, no)) = [CHANGE, TRIAL, CHECK].iter().find_map(|kind| {
            let no = timer.key.strip_prefix(kind)?.parse::<i64>().ok()?;
            Some((*kind, no))
        }) else {
            return Ok(());
        };
        if kind == CHECK {
            // A timer has whole milliseconds.
            self.not_before(later(timer.at, SignedDuration::from_millis(1)));
            // Ask before the first use of the transaction, so that no lock is held during a
            // request.
            self.settle_doubts(no).await?;
        }
        let Some(owner) = store::owner_of_number(tx, no, self.live()).await? else { return Ok(()) };
        let owners = BTreeSet::from([owner.clone()]);
        let locked = store::lock_owners(tx, &owners, self.live()).await?;
        // The clock of the database called: the clock of this machine may be behind.
        let now = self.now().max(later(timer.at, SignedDuration::from_millis(1)));
        let access = self.answer(tx, locked, &BTreeMap::new(), now).await?;
        // The end is in the id, so each trial has one notice.
        let end = access.filter(|access| kind == TRIAL && access.state() == AccessState::Trialing);
        if let Some(end) = end.and_then(|access| access.until()?.time()) {
            let id = format!("{TRIAL}{no}:{}", end.as_microsecond());
            tx.queue_event(&id, id.clone()).await?;
        }
        Ok(())
    }

    async fn event(&self, event: &QueuedEvent, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        let Some(listener) = self.listener() else { return Ok(()) };
        let (is_notice, body) = match event.body.strip_prefix(TRIAL) {
            Some(body) => (true, body),
            None => (false, &*event.body),
        };
        let numbers = body
            .split_once(':')
            .and_then(|(no, second)| Some((no.parse::<i64>().ok()?, second.parse::<i64>().ok()?)));
        let Some((no, second)) = numbers else { return Ok(()) };
        if is_notice {
            let Some(owner) = store::owner_of_number(tx, no, self.live()).await? else {
                return Ok(());
            };
            let access = self.access_from_facts(tx, &owner).await?;
            return listener.trial_ending(&owner, &access, tx).await;
        }
        let Some((owner, at, before, after)) = store::change_of(tx, no, second).await? else {
            return Ok(());
        };
        let (before, after): (Access, Access) =
            (serde_json::from_str(&before)?, serde_json::from_str(&after)?);
        let Some(change) = AccessChange::between(&before, &after) else { return Ok(()) };
        let changed_at = Timestamp::from_microsecond(at)?;
        listener.access_changed(&AccessChanged { owner, changed_at, change }, tx).await?;
        store::delete_change(tx, no, second).await?;
        Ok(())
    }
}

impl Billing {
    /// Derives and writes the answers of locked owners. The facts of their other groups are read after the
    /// locks, so two bookings of one owner see each other. Returns the answer of the last owner.
    pub(crate) async fn answer(
        &self,
        tx: &mut ProjectionTx<'_>,
        locked: BTreeMap<OwnerId, store::LockedOwner>,
        changed: &BTreeMap<i64, &Timeline>,
        now: Timestamp,
    ) -> Result<Option<Access>, Error> {
        let owners: BTreeSet<OwnerId> = locked.keys().cloned().collect();
        let mut facts = self.facts_of(tx, &owners, changed).await?;
        let (mut rows, mut changes, mut clocks) = (Rows::default(), Vec::new(), Vec::new());
        let mut last = None;
        for (owner, row) in locked {
            let facts = facts.remove(&owner).unwrap_or_default();
            let access = &crate::derive(&facts, self.plans(), now);
            let version = row.version + 1;
            let json = answer::to_json(access);
            rows.push(args![row.no, version, self.fingerprint(), &json]);
            let before = answer::stored(&row.answer);
            let before = before.unwrap_or_else(|| crate::derive(&[], self.plans(), now));
            if self.listener().is_some() && AccessChange::between(&before, access).is_some() {
                let before = answer::to_json(&before);
                changes.push(Change { no: row.no, version, at: now, before, after: json });
            }
            clocks.push((
                row.no,
                access.next_change(),
                self.trial_notice_at(access, now),
                check_at(access, now),
            ));
            last = Some(access.clone());
        }
        store::write_owners(tx, rows, &changes).await?;
        for (no, next, notice, check) in clocks {
            for (kind, at) in [(CHANGE, next), (TRIAL, notice), (CHECK, check)] {
                match at {
                    Some(at) => tx.set_timer(&format!("{kind}{no}"), at).await?,
                    None => tx.clear_timer(&format!("{kind}{no}")).await?,
                }
            }
        }
        for Change { no, version, .. } in changes {
            let id = format!("{no}:{version}");
            tx.queue_event(&id, id.clone()).await?;
        }
        Ok(last)
    }

    /// Asks Dodo Payments for the subscriptions that the facts contradict, and books the answers.
    /// The next timer repeats a failed request.
    async fn settle_doubts(&self, no: i64) -> Result<(), BoxError> {
        let database = self.ledger()?.database();
        let owner = store::owner_of_row(database, no, self.live()).await?;
        let Some(owner) = owner else { return Ok(()) };
        let access = self.access(&owner).await?;
        let ids: BTreeSet<&str> =
            access.checks().iter().map(|check| check.subscription_id.as_str()).collect();
        for id in ids {
            let asked = async {
                let subscription = self.client().subscription(&SubscriptionId::new(id)?).await?;
                self.book_subscription(&subscription).await
            };
            if let Err(error) = asked.await {
                tracing::warn!(
                    target: "dodo::billing", subscription = id, code = error.code(), %error,
                    "doubt about a subscription not settled; billing asks again"
                );
            }
        }
        Ok(())
    }

    /// Deletes every row of a locked owner, and its timers.
    pub(crate) async fn erase_owner(
        &self,
        tx: &mut ProjectionTx<'_>,
        owner: &OwnerId,
        no: i64,
    ) -> Result<(), Error> {
        store::erase_owner(tx, owner, no, self.live()).await?;
        for kind in [CHANGE, TRIAL, CHECK] {
            tx.clear_timer(&format!("{kind}{no}")).await?;
        }
        Ok(())
    }

    /// The facts of owners: of their groups, and the decisions of the app.
    pub(crate) async fn facts_of(
        &self,
        tx: &mut impl store::Loaded,
        owners: &BTreeSet<OwnerId>,
        changed: &BTreeMap<i64, &Timeline>,
    ) -> Result<BTreeMap<OwnerId, Vec<BillingFact>>, Error> {
        let live = self.live();
        let mut others = store::groups_of(tx, owners, live).await?;
        others.retain(|id| !changed.contains_key(id));
        let others = store::load_groups(tx, &others).await?;
        let timelines = || changed.values().copied().chain(others.values());
        let known = store::known(tx, timelines(), live).await?;
        let mut facts = store::decisions_of(tx, owners, live).await?;
        for timeline in timelines() {
            for (owner, of_owner) in owned(timeline, &known, self.secrets(), live).facts {
                if owners.contains(&owner) {
                    facts.entry(owner).or_default().extend(of_owner);
                }
            }
        }
        Ok(facts)
    }

    /// The time of the notice about the end of a trial. `None`: there is no trial, or it ends too soon.
    fn trial_notice_at(&self, access: &Access, now: Timestamp) -> Option<Timestamp> {
        let notice = self.trial_notice()?;
        let end = access.until()?.time().filter(|_| access.state() == AccessState::Trialing)?;
        Some(later(end, -notice)).filter(|at| *at > now)
    }
}

/// The checkout sessions of erased payments.
fn erased_sessions(timeline: &Timeline) -> BTreeSet<String> {
    let facts = || timeline.facts().iter();
    let erased: BTreeSet<_> = facts()
        .filter_map(|fact| match &fact.kind {
            FactKind::Erasure { objects } => Some(objects),
            _ => None,
        })
        .flatten()
        .collect();
    if erased.is_empty() {
        return BTreeSet::new();
    }
    let of_payment = |fact: &Fact| match &fact.kind {
        FactKind::Charge(charge) => charge.session_id.clone(),
        FactKind::FailedPayment(payment) => payment.session_id.clone(),
        _ => None,
    };
    facts().filter(|fact| erased.contains(&fact.object())).filter_map(of_payment).collect()
}

/// The time of the next request that settles a doubt. Billing repeats a request for an old doubt
/// less often.
fn check_at(access: &Access, now: Timestamp) -> Option<Timestamp> {
    let due = access.checks().iter().map(|check| check.due_at).min()?;
    let wait = (now.duration_since(due) / 4).max(CHECK_WAIT);
    Some(if due > now { due } else { later(now, wait) })
}

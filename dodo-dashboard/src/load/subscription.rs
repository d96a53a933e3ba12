use dodo_ledger::{Error, query::SubscriptionItem};

use super::{Loader, PAGE_ROWS, subscriptions::status_of};
use crate::{
    format::Unit,
    page::{Block, Sheet},
    question::{Mode, Page},
    table::Cell,
};

impl Loader<'_> {
    /// One subscription: its terms, and the events that made its state.
    pub(super) async fn subscription(&self, id: &str) -> Result<Sheet, Error> {
        let asked = self.settings.ledger.subscriptions().subscription(id);
        let asked = if self.mode == Mode::Test { asked.test_mode() } else { asked };
        let found = asked.page(1, None).await?.subscriptions.into_iter().next();
        let Some(subscription) = found else { return Ok(self.unknown("subscription", id)) };
        let unit = Unit { currency: subscription.currency, exponent: subscription.exponent };
        let mut events = self.settings.ledger.subscription_events(id).await?;
        // Newest first, so that the limit keeps the newest events.
        events.reverse();
        events.truncate(PAGE_ROWS);
        let text = self.sentence(&subscription, unit);
        let blocks = vec![
            Block::Note { text, link: None, is_warning: subscription.at_risk },
            Block::Facts {
                title: "Subscription".to_owned(),
                unit,
                facts: self.subscription_facts(&subscription, unit),
            },
            Block::Timeline {
                title: "Events, newest first, amounts with tax".to_owned(),
                moments: events.iter().map(|event| self.event_moment(event, unit, id)).collect(),
            },
        ];
        let heading = format!("{} {id}", Page::Subscription.title());
        Ok(Sheet { heading, found: Some(Page::Subscription), blocks })
    }

    /// The state in one sentence.
    fn sentence(&self, each: &SubscriptionItem, unit: Unit) -> String {
        let mrr = unit.show(each.mrr.into());
        match (each.mrr, each.counts_until) {
            (0, _) if each.trial_ends_at.is_some_and(|end| end > self.now.timestamp()) => {
                "In a trial: nothing is paid yet, so it does not count.".to_owned()
            }
            (0, Some(ended)) => format!("It stopped to count on {}.", self.day(ended)),
            (0, None) => "It does not count: nothing recurring is paid.".to_owned(),
            (_, Some(end)) if each.ending => {
                format!("It counts {mrr} a month until {}, when it ends.", self.day(end))
            }
            (_, Some(end)) if each.at_risk => format!(
                "At risk: the last renewal failed. It counts {mrr} a month until {}.",
                self.day(end)
            ),
            (_, _) if each.at_risk => {
                format!("At risk: the last renewal failed. It counts {mrr} a month.")
            }
            _ => format!("It counts {mrr} a month in MRR."),
        }
    }

    fn subscription_facts(
        &self,
        each: &SubscriptionItem,
        unit: Unit,
    ) -> Vec<(&'static str, Cell, Option<crate::question::Question>)> {
        let plan = each.product_id.as_deref().map(|id| self.product(id));
        let interval = each.interval.as_deref().map(|interval| {
            let unit = interval.to_lowercase();
            match each.count {
                ..=1 => format!("every {unit}"),
                count => format!("every {count} {unit}s"),
            }
        });
        let customer = each.customer_id.as_deref();
        let mut facts = vec![
            ("Plan", Cell::maybe(plan.as_deref()), None),
            ("Status", Cell::text(status_of(each)), None),
            ("Since", Cell::time(each.since), None),
            ("Amount before tax", Cell::text(unit.show(each.amount.into())), None),
            ("Charged", Cell::maybe(interval.as_deref()), None),
            ("MRR", Cell::Money(each.mrr.into()), None),
            ("Next charge", Cell::time(self.next_charge(each)), None),
            ("Counts until", Cell::time(each.counts_until), None),
            ("Trial ends", Cell::time(each.trial_ends_at), None),
            ("Customer", Cell::maybe(customer), customer.map(|id| self.person_page(id))),
            ("Source of the first charge", Cell::maybe(each.source.as_deref()), None),
        ];
        // Leave out rows without a value, except for the plan and the customer.
        facts.retain(|(name, cell, _)| {
            *cell != Cell::Nothing || matches!(*name, "Plan" | "Customer")
        });
        facts
    }
}

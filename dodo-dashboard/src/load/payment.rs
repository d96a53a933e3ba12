use dodo_core::{
    EventKind,
    attribution::{AttributionRecord, AttributionStep},
};
use dodo_ledger::{
    Error,
    query::{ExplainedRecord, ObjectEvent},
};

use super::{Loader, Person, kind_of, source_of};
use crate::{
    format::Unit,
    page::{Block, Moment, Sheet},
    question::{Page, Question},
    table::Cell,
};

impl Loader<'_> {
    /// A payment, its reversals, and the reason of its attribution.
    pub(super) async fn payment(&self, id: &str) -> Result<Sheet, Error> {
        let events = self.settings.ledger.payment_events(id).await?;
        let Some(explained) = self.settings.ledger.explain(id).await? else {
            return Ok(self.unpaid(id, &events));
        };
        let Some(charge) = explained.records.first() else { return Ok(self.unpaid(id, &events)) };
        let record = &charge.record;
        let unit = record
            .money
            .as_ref()
            .map_or(self.unit, |money| Unit { currency: money.currency, exponent: money.exponent });
        let mut parts = vec![kind_of(&record.kind)];
        parts.extend(self.products(record));
        let mut text = credit(charge);
        let winner = self.winner(record).await?.map(|id| {
            text.push_str(" The attribution comes from the payment");
            let to = self.question.about(Page::Payment, &id);
            (id, to)
        });
        let mut blocks = vec![Block::Note { text, link: winner, is_warning: false }];
        blocks.push(Block::Cards(vec![
            Block::Facts {
                title: "Money".to_owned(),
                unit,
                facts: money_facts(&explained.records),
            },
            Block::Facts {
                title: "Links".to_owned(),
                unit,
                facts: self.payment_links(record).await?,
            },
        ]));
        blocks.push(Block::Timeline {
            title: "Timeline, amounts with tax".to_owned(),
            moments: self.timeline(&explained.records, &events, (unit, id)),
        });
        for each in &explained.records {
            let is_charge = each.record.id == record.id;
            blocks.push(Block::Sentences {
                title: match is_charge {
                    true => "Why it has this attribution".to_owned(),
                    false => {
                        format!("{} {}", kind_of(&each.record.kind), reversal_id(&each.record))
                    }
                },
                first: reason(each).unwrap_or_default(),
                more: each.sentences.clone(),
                hints: match is_charge {
                    true => explained.hints.iter().map(|hint| hint_text(hint)).collect(),
                    false => Vec::new(),
                },
            });
        }
        let heading = format!("{} · {}", parts.join(" · "), explained.payment_id);
        Ok(Sheet { heading, blocks, ..Sheet::default() })
    }

    /// The earlier payment that has the attribution of this one by a visit of its own. `None`: this one has it.
    async fn winner(&self, record: &AttributionRecord) -> Result<Option<String>, Error> {
        let Some(earlier) = origin(record) else { return Ok(None) };
        // The first charge of a subscription can have it from an earlier purchase.
        let explained = self.settings.ledger.explain(&earlier).await?;
        let charge = explained.as_ref().and_then(|explained| explained.records.first());
        let first = charge.and_then(|charge| origin(&charge.record));
        Ok(Some(first.unwrap_or(earlier)))
    }

    pub(super) fn unknown(&self, what: &str, id: &str) -> Sheet {
        let hint = match (&self.question.search, self.permission.sees_people()) {
            (None, _) => "",
            (Some(_), true) => {
                " Enter the whole id of a payment, customer or subscription, or an e-mail address."
            }
            (Some(_), false) => " Enter the whole id of a payment, customer or subscription.",
        };
        let text = format!("The ledger knows no {what} “{id}”.{hint}");
        let link = Some(("Payments".to_owned(), self.question.on(Page::Payments)));
        let blocks = vec![Block::Note { text, link, is_warning: true }];
        let heading = self.question.page.title().to_owned();
        Sheet { heading, blocks, ..Sheet::default() }
    }

    /// A payment without a charge: it failed, or it is not decided.
    fn unpaid(&self, id: &str, events: &[ObjectEvent]) -> Sheet {
        if events.is_empty() {
            return self.unknown("payment", id);
        }
        let text = "This payment brought no money.".to_owned();
        let moments = events.iter().map(|event| self.event_moment(event, self.unit, id)).collect();
        let blocks = vec![
            Block::Note { text, link: None, is_warning: true },
            Block::Timeline { title: "Timeline, amounts with tax".to_owned(), moments },
        ];
        let heading = format!("{} {id}", Page::Payment.title());
        Sheet { heading, blocks, ..Sheet::default() }
    }

    fn timeline(
        &self,
        records: &[ExplainedRecord],
        events: &[ObjectEvent],
        (unit, id): (Unit, &str),
    ) -> Vec<Moment> {
        // The records show changes of money, and the other events are between them.
        let told = |event: &&ObjectEvent| {
            records.iter().any(|each| each.record.webhook_id == event.event_id)
        };
        let others = events.iter().filter(|event| !told(event));
        let mut moments: Vec<Moment> =
            others.map(|event| self.event_moment(event, unit, id)).collect();
        for ExplainedRecord { record, .. } in records {
            if let Some(created) = record.created_at.filter(|at| *at < record.occurred_at) {
                moments.push(Moment {
                    at: created,
                    text: match record.kind.is_charge() {
                        true => "Payment started".to_owned(),
                        false => format!("{} started", kind_of(&record.kind)),
                    },
                    amount: None,
                    delivery: None,
                    link: None,
                });
            }
            moments.push(Moment {
                at: record.occurred_at,
                text: kind_of(&record.kind),
                amount: record.money.as_ref().map(|money| {
                    let unit = Unit { currency: money.currency, exponent: money.exponent };
                    match money.gross == money.net {
                        true => unit.show(money.gross.into()),
                        false => format!(
                            "{}, net {}",
                            unit.show(money.gross.into()),
                            unit.show(money.net.into())
                        ),
                    }
                }),
                delivery: self.permission.sees_operations().then(|| record.webhook_id.clone()),
                link: None,
            });
        }
        moments.sort_by_key(|moment| moment.at);
        moments
    }

    async fn payment_links(
        &self,
        record: &AttributionRecord,
    ) -> Result<Vec<(&'static str, Cell, Option<Question>)>, Error> {
        let mut facts = vec![("Payment", Cell::text(record.payment_id.as_str()), None)];
        if let Some(customer) = &record.customer_id {
            facts.push((
                "Customer",
                Cell::text(customer.as_str()),
                Some(self.person_page(customer)),
            ));
        }
        facts.extend(self.contact_facts(record));
        for subscription in &record.subscription_ids {
            let to = self.question.about(Page::Subscription, subscription);
            facts.push(("Subscription", Cell::text(subscription.as_str()), Some(to)));
            let events = self.settings.ledger.subscription_events(subscription).await?;
            let paid = |event: &ObjectEvent| {
                let is_paid =
                    event.kind == Some(EventKind::PaymentSucceeded) && event.amount != Some(0);
                event.payment_id.clone().filter(|_| is_paid)
            };
            let first = events.iter().find_map(paid).filter(|first| *first != record.payment_id);
            if let Some(first) = first {
                let to = self.question.about(Page::Payment, &first);
                facts.push(("First paid charge of the subscription", Cell::text(first), Some(to)));
            }
        }
        for (name, value) in [
            ("Visitor", record.visitor.as_ref().map(|found| found.value.as_str())),
            ("Checkout session", record.checkout_session_id.as_deref()),
            ("Invoice", record.invoice_id.as_deref()),
            ("Method", record.payment_method.as_deref()),
        ] {
            if let Some(value) = value {
                facts.push((name, Cell::text(value), None));
            }
        }
        facts.push(("Mode", Cell::text(if record.live { "live" } else { "test" }), None));
        Ok(facts)
    }

    /// Names and addresses, for people who may see them.
    pub(super) fn contact_facts(
        &self,
        record: &AttributionRecord,
    ) -> Vec<(&'static str, Cell, Option<Question>)> {
        let mut facts = Vec::new();
        if self.permission.sees_people() {
            let contact = record.contact.as_ref();
            for (name, value) in [
                ("Name", contact.and_then(|contact| contact.name.as_deref())),
                ("E-mail", contact.and_then(|contact| contact.email.as_deref())),
                ("User", record.user_id.as_deref()),
            ] {
                if let Some(value) = value {
                    facts.push((name, Cell::text(value), None));
                }
            }
        }
        facts
    }

    /// The app's own page of a person.
    pub(super) fn own_page(&self, record: &AttributionRecord) -> Option<String> {
        let link = self.settings.person_link.as_ref().filter(|_| self.permission.sees_people())?;
        let person =
            Person { customer_id: record.customer_id.clone(), user_id: record.user_id.clone() };
        link(&person)
    }
}

/// The sentence that names the reason of the attribution, or of none.
fn reason(each: &ExplainedRecord) -> Option<String> {
    let begins = |start: &str| each.sentences.iter().find(|text| text.starts_with(start));
    let found =
        begins("Not attributed").or_else(|| begins("Campaign: ")).or(each.sentences.first());
    found.cloned()
}

/// The payment from which a charge takes its campaign or visitor.
fn origin(charge: &AttributionRecord) -> Option<String> {
    let campaign = charge.campaign.as_ref().map(|found| (found.step, &found.from));
    let visitor = charge.visitor.as_ref().map(|found| (found.step, &found.from));
    let (step, from) = campaign.or(visitor)?;
    let is_earlier =
        matches!(step, AttributionStep::SubscriptionRecord | AttributionStep::CustomerRecord);
    (is_earlier && from.starts_with("pay_")).then(|| from.clone())
}

/// The sentence above everything else.
fn credit(charge: &ExplainedRecord) -> String {
    use dodo_ledger::query::Channel;
    let record = &charge.record;
    match (source_of(record), charge.channel) {
        (Some(source), _) => format!("Credited to {source}."),
        (None, Channel::Referral) => {
            "Another site sent the visitor, without a campaign.".to_owned()
        }
        (None, Channel::Direct) => "Direct: a visit was seen, and nothing sent it.".to_owned(),
        _ => "Not attributed. The steps below say why.".to_owned(),
    }
}

fn money_facts(records: &[ExplainedRecord]) -> Vec<(&'static str, Cell, Option<Question>)> {
    let money = |pick: fn(&dodo_core::money::Money) -> Option<i64>| {
        records.first().and_then(|charge| charge.record.money.as_ref()).and_then(pick)
    };
    let own = |minor: Option<i64>| Cell::money(minor.map(i128::from));
    let reversed = records.iter().skip(1).filter_map(|each| each.record.money.as_ref());
    let back: i128 = reversed.map(|money| i128::from(money.net)).sum();
    let net = money(|money| Some(money.net)).map(i128::from);
    let mut facts = vec![
        ("Gross", own(money(|money| Some(money.gross))), None),
        ("Tax", own(money(|money| money.tax)), None),
        ("Net", Cell::money(net), None),
    ];
    if records.len() > 1 {
        facts.push(("Reversed, net", Cell::Money(back), None));
        facts.push(("Left, net", Cell::money(net.map(|net| net + back)), None));
    }
    let settlement = records.first().and_then(|charge| charge.record.settlement.as_ref());
    if let Some(settlement) = settlement {
        let unit = Unit { currency: settlement.currency, exponent: settlement.exponent };
        facts.push(("Settlement, gross", Cell::text(unit.show(settlement.gross.into())), None));
    }
    facts
}

/// A hint as a sentence.
fn hint_text(hint: &str) -> String {
    let hint = hint.replace('`', "");
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn reversal_id(record: &AttributionRecord) -> &str {
    record.refund_id.as_deref().or(record.dispute_id.as_deref()).unwrap_or_default()
}

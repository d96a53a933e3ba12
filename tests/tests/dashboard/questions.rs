//! Questions of a founder, a marketer, a support person and a developer. The answers are counted
//! from the story itself; the pages must give them within three pages.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

use crate::{
    html::{cell, links, section, text, tile},
    world::{
        Act, World, ago, charged, customer, disputed, each_store, failed, last_month, opened, paid,
        refunded, subscription,
    },
};

/// A one-time sale. Money in cents.
#[derive(Clone, Debug)]
struct Sale {
    nth: usize,
    at: Timestamp,
    total: i64,
    tax: i64,
    /// Source and campaign. `None`: nothing is known.
    brought: Option<(&'static str, &'static str)>,
    country: &'static str,
    device: &'static str,
    /// The refunded part with tax, a day later.
    refund: i64,
}

impl Sale {
    fn id(&self) -> String {
        format!("pay_{:03}", self.nth)
    }

    const fn net(&self) -> i64 {
        self.total - self.tax
    }
}

/// A subscription of a month.
struct Plan {
    nth: usize,
    mrr: i64,
    started: Timestamp,
    left: Option<Timestamp>,
}

pub(crate) struct Story {
    sales: Vec<Sale>,
    plans: Vec<Plan>,
}

const BROUGHT: [Option<(&str, &str)>; 5] = [
    Some(("newsletter", "spring")),
    Some(("newsletter", "autumn")),
    Some(("partner", "spring")),
    Some(("video", "launch")),
    None,
];

/// Time, net, and the sale. `None`: a subscription.
type Movement<'a> = (Timestamp, i64, Option<&'a Sale>);

impl Story {
    pub(crate) fn new() -> Self {
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut sale = |nth: usize| {
            let total = i64::try_from(1000 + next(9000)).unwrap();
            Sale {
                nth,
                at: ago(i64::try_from(26 + next(24 * 75)).unwrap()),
                total,
                tax: total / 10,
                brought: BROUGHT[usize::try_from(next(5)).unwrap()],
                country: ["DE", "US", "FR"][nth % 3],
                device: ["mobile", "desktop"][nth % 2],
                refund: if next(6) == 0 { total / 2 } else { 0 },
            }
        };
        let sales = (0..90).map(&mut sale).collect();
        let plan = |nth, mrr, started, left| Plan { nth, mrr, started, left };
        let plans = vec![
            plan(0, 1900, last_month(-40), None),
            plan(1, 1900, last_month(-20), None),
            plan(2, 4900, last_month(2), None),
            plan(3, 2900, last_month(-30), Some(last_month(9))),
            plan(4, 900, last_month(-35), Some(last_month(12))),
        ];
        Self { sales, plans }
    }

    pub(crate) fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for sale in &self.sales {
            let session = format!("cks_{:03}", sale.nth);
            let started = sale.at.checked_sub(20.minutes()).unwrap();
            let visit = match sale.brought {
                Some((source, campaign)) => json!({
                    "campaign": { "source": source, "campaign_id": campaign },
                    "device": sale.device,
                }),
                None => json!({ "device": sale.device }),
            };
            acts.push(opened(&session, started, &visit));
            let billing = json!({ "country": sale.country });
            let extra = json!({ "checkout_session_id": session, "billing": billing });
            if sale.nth % 9 == 0 {
                let tried = sale.at.checked_sub(5.minutes()).unwrap();
                let mut declined = extra.clone();
                declined["error_code"] = "CARD_DECLINED".into();
                acts.push(failed(&format!("{}_declined", sale.id()), tried, sale.total, declined));
            }
            acts.push(paid(&sale.id(), sale.at, (sale.total, sale.tax), extra));
            if sale.refund > 0 {
                let at = sale.at.checked_add(24.hours()).unwrap();
                acts.push(refunded(
                    &format!("ref_{:03}", sale.nth),
                    &sale.id(),
                    at,
                    json!(sale.refund),
                ));
            }
        }
        for nth in 0..10 {
            let at = ago(24 * (5 + nth));
            acts.push(opened(
                &format!("cks_left_{nth}"),
                at,
                &json!({ "campaign": { "source": "video" } }),
            ));
        }
        for plan in &self.plans {
            let id = format!("sub_{}", plan.nth);
            let fields = json!({
                "recurring_pre_tax_amount": plan.mrr, "customer": customer(&id),
                "next_billing_date": ago(-24 * 12).to_string() });
            acts.push(subscription("active", &id, plan.started, &fields));
            let pay = format!("pay_{id}");
            acts.push(charged(&pay, &id, plan.started, (plan.mrr, 0), &fields));
            if let Some(left) = plan.left {
                acts.push(subscription("cancelled", &id, left, &fields));
            }
        }
        acts.push(disputed("opened", "dp_open", "pay_001", ago(48), "12.34"));
        acts.push(disputed("opened", "dp_won", "pay_002", ago(60), "5.00"));
        acts.push(disputed("won", "dp_won", "pay_002", ago(50), "5.00"));
        acts
    }

    /// Every movement of money.
    fn money(&self) -> Vec<Movement<'_>> {
        let mut all = Vec::new();
        for sale in &self.sales {
            all.push((sale.at, sale.net(), Some(sale)));
            if sale.refund > 0 {
                // Half to even, of the net.
                let exact = sale.net() * sale.refund;
                let (whole, rest) = (exact / sale.total, exact % sale.total * 2);
                let up = rest > sale.total || rest == sale.total && whole % 2 == 1;
                let at = sale.at.checked_add(24.hours()).unwrap();
                all.push((at, -(whole + i64::from(up)), Some(sale)));
            }
        }
        all.extend(self.plans.iter().map(|plan| (plan.started, plan.mrr, None)));
        all
    }

    fn net(&self, days: i32, pick: impl Fn(Option<(&str, &str)>) -> bool) -> i64 {
        self.net_of(days, |sale| pick(sale.and_then(|sale| sale.brought)))
    }

    fn net_of(&self, days: i32, pick: impl Fn(Option<&Sale>) -> bool) -> i64 {
        let all = self.money().into_iter();
        all.filter(|(at, _, sale)| is_within(*at, days) && pick(*sale)).map(|(_, net, _)| net).sum()
    }
}

/// Whether a time is in the last days, today included.
fn is_within(at: Timestamp, days: i32) -> bool {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    day(at) >= day(Timestamp::now()).checked_sub((days - 1).days()).unwrap()
}

fn dollars(cents: i64) -> String {
    let (sign, size) = (if cents < 0 { "−" } else { "" }, cents.unsigned_abs());
    let whole = (size / 100).to_string();
    let grouped = match whole.len() {
        ..=3 => whole,
        len => format!("{},{}", &whole[..len - 3], &whole[len - 3..]),
    };
    format!("{sign}${grouped}.{:02}", size % 100)
}

fn percent(part: i64, whole: i64) -> String {
    let exact = part * 1000;
    let (tenths, rest) = (exact / whole, exact % whole * 2);
    let tenths = tenths + i64::from(rest > whole || rest == whole && tenths % 2 == 1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// One click.
enum Step {
    /// A link by its text.
    Link(&'static str),
    /// A link by its text, in the section with this heading.
    In(&'static str, &'static str),
    /// The form of the period.
    Period(&'static str),
    /// The form of the search.
    Search(&'static str),
}

/// The place of an answer on the last page.
enum Place {
    Tile(&'static str),
    /// Section, row, column.
    Cell(&'static str, &'static str, &'static str),
    /// Anywhere in a section.
    Section(&'static str),
}

struct Asked {
    question: &'static str,
    clicks: &'static [Step],
    answers: Vec<(Place, String)>,
}

/// Written down before the pages were tried.
fn questions(story: &Story) -> Vec<Asked> {
    use Step::{In, Link, Period, Search};
    let any = |_: Option<(&str, &str)>| true;
    let from =
        |source: &'static str| move |by: Option<(&str, &str)>| by.is_some_and(|by| by.0 == source);
    let named =
        |name: &'static str| move |by: Option<(&str, &str)>| by.is_some_and(|by| by.1 == name);
    let mut sources: BTreeMap<&str, i64> = BTreeMap::new();
    for source in ["newsletter", "partner", "video"] {
        sources.insert(source, story.net(90, from(source)));
    }
    let best = sources.iter().max_by_key(|(_, net)| **net).unwrap();
    let new = story.sales.iter().filter(|sale| is_within(sale.at, 7)).count()
        + story.plans.iter().filter(|plan| is_within(plan.started, 7)).count();
    let charges = |pick: &dyn Fn(&Sale) -> bool| -> i64 {
        story.sales.iter().filter(|s| is_within(s.at, 28) && pick(s)).map(Sale::net).sum()
    };
    let plans: i64 = story.plans.iter().filter(|p| is_within(p.started, 28)).map(|p| p.mrr).sum();
    let attributed = percent(charges(&|s| s.brought.is_some()), charges(&|_| true) + plans);
    let mrr: i64 = story.plans.iter().filter(|p| p.left.is_none()).map(|p| p.mrr).sum();
    let lost: i64 = story.plans.iter().filter(|p| p.left.is_some()).map(|p| p.mrr).sum();
    let declined = &story.sales[9];
    let within = |at| is_within(at, 28);
    let opened = story.sales.iter().filter(|s| within(s.at.checked_sub(20.minutes()).unwrap()));
    let bought = opened.clone().count();
    let failures = opened.filter(|sale| sale.nth % 9 == 0).count();
    vec![
        Asked {
            question: "How much came in during the last 28 days, without tax?",
            clicks: &[],
            answers: vec![(Place::Tile("Net revenue"), dollars(story.net(28, any)))],
        },
        Asked {
            question: "Which source earned most in the last 90 days, and how much?",
            clicks: &[Period("90d")],
            answers: vec![
                (Place::Cell("By source", best.0, "Net"), dollars(*best.1)),
                (Place::Section("By source"), (*best.0).to_owned()),
            ],
        },
        Asked {
            question: "How much did the campaign spring earn in 90 days, with refunds?",
            clicks: &[Period("90d")],
            answers: vec![(
                Place::Cell("By campaign", "spring", "Net"),
                dollars(story.net(90, named("spring"))),
            )],
        },
        Asked {
            question: "How much did spring earn for each source?",
            clicks: &[Period("90d"), In("By campaign", "spring")],
            answers: vec![(
                Place::Cell("By source", "partner", "Net"),
                dollars(story.net(90, |by| by == Some(("partner", "spring")))),
            )],
        },
        Asked {
            question: "How much net came from Germany by phone in 90 days?",
            clicks: &[Period("90d"), In("By country", "Germany")],
            answers: vec![(
                Place::Cell("By device", "phone", "Net"),
                dollars(story.net_of(90, |sale| {
                    sale.is_some_and(|sale| (sale.country, sale.device) == ("DE", "mobile"))
                })),
            )],
        },
        Asked {
            question: "Why is the payment pay_sub_0 not attributed?",
            clicks: &[Search("pay_sub_0")],
            answers: vec![(
                Place::Section("Why it has this attribution"),
                "Not attributed: it does not come from a checkout session.".to_owned(),
            )],
        },
        Asked {
            question: "How many customers bought for the first time in the last 7 days?",
            clicks: &[Period("7d")],
            answers: vec![(Place::Tile("New customers"), new.to_string())],
        },
        Asked {
            question: "How much of the money do we know the origin of?",
            clicks: &[],
            answers: vec![(Place::Tile("Attributed"), attributed)],
        },
        Asked {
            question: "Was the card of the payment pay_009 declined before, and who paid?",
            clicks: &[Search("pay_009")],
            answers: vec![
                (Place::Section("Timeline"), "Payment failed: card declined".to_owned()),
                (Place::Section("Money"), dollars(declined.net())),
                (Place::Section("Links"), "cus_pay_009".to_owned()),
            ],
        },
        Asked {
            question: "How much recurs each month?",
            clicks: &[Link("Subscriptions")],
            answers: vec![
                (Place::Tile("MRR"), dollars(mrr)),
                (Place::Tile("ARR"), dollars(mrr * 12)),
            ],
        },
        Asked {
            question: "Which plan lost most recurring revenue last month, and why?",
            clicks: &[Link("Subscriptions")],
            answers: vec![
                (Place::Cell("Churn by reason", "customer canceled", "MRR"), dollars(-lost)),
                (Place::Cell("Churn by reason", "customer canceled", "Customers"), "2".to_owned()),
                (Place::Cell("Churn by plan and reason", "pdt_plan", "MRR"), dollars(-lost)),
                (
                    Place::Cell("Churn by plan and reason", "pdt_plan", "Reason"),
                    "customer canceled".to_owned(),
                ),
            ],
        },
        Asked {
            question: "How many checkouts of the last 28 days were paid, and what stopped the others?",
            clicks: &[Link("Funnel")],
            answers: vec![
                (Place::Cell("Steps", "Checkout opened", "Sessions"), (bought + 10).to_string()),
                (Place::Cell("Steps", "Paid", "Sessions"), bought.to_string()),
                (Place::Cell("Failed payments", "card declined", "Sessions"), failures.to_string()),
            ],
        },
        Asked {
            question: "Which disputes are open, and about how much?",
            clicks: &[],
            answers: vec![(
                Place::Cell("Needs attention", "dp_open", "Amount"),
                "$12.34".to_owned(),
            )],
        },
        Asked {
            question: "Do deliveries arrive, and did one fail?",
            clicks: &[Link("Deliveries")],
            answers: vec![
                (Place::Tile("Dead letters"), "0".to_owned()),
                (Place::Section("Failed deliveries"), "No delivery failed.".to_owned()),
            ],
        },
    ]
}

/// The address after a click, if the page has that link or form.
fn follow(page: &str, at: &str, step: &Step) -> Option<String> {
    let form = |class: &str, set: (&str, &str)| {
        let (_, form) = page.split_once(&format!("<form class=\"{class}\""))?;
        let form = form.split_once("</form>")?.0;
        let mut query = String::from("?");
        for hidden in form.split("<input type=\"hidden\"").skip(1) {
            let of = |name: &str| hidden.split_once(&format!("{name}=\""))?.1.split_once('"');
            query.push_str(&format!("{}={}&", of("name")?.0, of("value")?.0.replace("&amp;", "&")));
        }
        Some(format!("{query}{}={}", set.0, set.1))
    };
    let link = |part: &str, label: &str| {
        let all = links(part).into_iter().filter(|(_, href)| href != at);
        let mut fitting = all.filter(|(text, href)| text == label && !href.contains("format="));
        fitting.next().map(|(_, href)| href)
    };
    match step {
        Step::Link(label) => link(page, label),
        Step::In(title, label) => link(section(page, title)?, label),
        Step::Period(range) => form("period", ("range", range)),
        Step::Search(id) => form("search", ("q", id)),
    }
}

/// The faults: an answer that is wrong or absent, and a way of more than three pages.
async fn try_them(world: &World, story: &Story) -> Vec<String> {
    let mut faults = Vec::new();
    for asked in questions(story) {
        let mut at = String::new();
        let mut page = world.get(&at).await;
        let mut way = true;
        for step in asked.clicks {
            match follow(&page, &at, step) {
                Some(to) => at = to,
                None => {
                    faults.push(format!("{}: no such link on {at}", asked.question));
                    way = false;
                    break;
                }
            }
            page = world.get(&at).await;
        }
        if asked.clicks.len() + 1 > 3 {
            faults.push(format!("{}: {} pages", asked.question, asked.clicks.len() + 1));
        }
        for (place, expected) in asked.answers.iter().filter(|_| way) {
            let found = match place {
                Place::Tile(label) => tile(&page, label),
                Place::Cell(table, row, column) => cell(&page, table, row, column),
                Place::Section(title) => section(&page, title).map(text),
            };
            let is_right = match (place, &found) {
                (Place::Section(_), Some(found)) => found.contains(expected.as_str()),
                (_, Some(found)) => found == expected,
                (_, None) => false,
            };
            if !is_right {
                faults.push(format!("{}: {expected}, and not {found:?} on {at}", asked.question));
            }
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_answer_questions_within_three_pages() {
    each_store("pages_answer_questions", "UTC", async |world| {
        let story = Story::new();
        world.happen(&story.acts()).await;
        let faults = try_them(world, &story).await;
        assert!(faults.is_empty(), "{faults:#?}");
    })
    .await;
}

//! Attribution: facts, groups and one pure function.
//!
//! `parse` turns a verified event into a [`Fact`]. Facts that share a [`Key`] are in one group, and a
//! [`Timeline`] holds the facts of one group. [`resolve()`] turns a timeline into [`Record`]s by the
//! [`Rules`], and [`explain()`] returns the same records with the report of every step. [`diff()`] compares
//! them with the stored records. All of these are pure: no clock, no database, no stored record. So the
//! order and the number of deliveries cannot change a record.
//!
//! | module | content |
//! |---|---|
//! | `rules`, `report` | the rules of attribution, and the words of its results |
//! | `fact`, `fact_kind`, `row`, `keys` | the stored structs; their rows; the ids that connect facts |
//! | `parse` | payloads to facts; no other module reads a payload |
//! | `timeline`, `group`, `groups` | the facts of one group; its records; the union of a batch |
//! | `objects`, `subscription` | the objects of a timeline, each by the fact that counts |
//! | `resolve`, `charges`, `attribute`, `step` | charges in time order, each with seven attribution steps |
//! | `reversals`, `allocation` | the amounts of refunds and disputes, limited to the payment |
//! | `record`, `channel` | every field and flag of a record, one function per kind; its channel |
//! | `diff`, `erase` | the changes of records; the selection for an erasure |
//! | `mrr` | monthly recurring revenue: levels of subscriptions, movements of customers |
//! | `funnel` | checkout sessions, and the last step that each reached |
//! | `dimension`, `money` | the values of a record by dimension; its money row, and sums of rows |

mod allocation;
mod attribute;
mod channel;
mod charges;
mod diff;
mod dimension;
mod erase;
pub(crate) mod event_owner;
mod fact;
mod fact_kind;
mod funnel;
mod group;
mod groups;
pub(crate) mod hash;
mod keys;
mod money;
mod mrr;
mod objects;
mod parse;
mod record;
mod report;
mod resolve;
mod reversals;
pub(crate) mod row;
mod rules;
pub(crate) mod sanitize;
mod step;
mod subscription;
mod timeline;
mod visit_context;

pub(crate) use self::{
    dimension::texts,
    funnel::{FunnelCounts, FunnelEntry, FunnelKey, FunnelRolls, WAIT_UNITS, WAITS, funnel_dims},
    money::{buckets, day_number, kind_name, kind_number, month_number, summed},
};

pub use self::{
    channel::Channel,
    dimension::Dimension,
    mrr::{ChurnReason, MovementKind},
    report::{StepAnswer, StepReason, StepReport},
    rules::{RenewalCredit, Rules},
    visit_context::VisitContext,
};
#[doc(hidden)]
pub use self::{
    diff::{RecordChange, diff},
    dimension::{CAMPAIGN_TEXTS, CampaignTexts, TEXTS, Texts},
    erase::{Applied, Erasure},
    fact::{FORMAT, Fact, Person, Source, Touchpoint},
    fact_kind::{
        Charge, Dispute, DisputeStep, FactKind, FailedPayment, Grant, GrantedKey, Item, LicenseKey,
        PlanChange, Refund, ScheduledChange, ServicePeriod, Subscription, Void,
    },
    funnel::{FunnelSession, funnel_sessions},
    group::{Admitted, Group},
    groups::{Batch, Component},
    keys::{Key, KeyKind, ObjectId, subject},
    money::{MoneyDelta, MoneyRow, RollEntry, RollKey, RollSum, Rolls, roll},
    mrr::{Movement, Recurring, SubscriptionRow, monthly, recurring},
    parse::{context_fact, parse, parse_api_object, void_fact},
    record::{Record, RecordState},
    resolve::{explain, resolve},
    row::FactRow,
    subscription::{SubscriptionState, state_order, subscriptions},
    timeline::{Identity, Timeline},
};

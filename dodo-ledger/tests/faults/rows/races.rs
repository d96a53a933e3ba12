//! Deliveries that come at once, again, and in another shape.

use std::time::Duration;

use super::{Outcome, Running, control, judge, no_postgres, settle};
use crate::{
    Size,
    delivery::{Parcel, parcel, shuffled},
    world::World,
};

const DRAIN: Duration = Duration::from_secs(120);

/// One id, a thousand times at once, on four instances.
pub(super) async fn one_id(_: Size) -> Outcome {
    let Some(mut world) = World::postgres(4).await else { return no_postgres() };
    let sender = world.start().sender();
    sender.deliver(vec![parcel("msg_1"); 1000], 200).await;
    let history = sender.history();
    let (clean, text) = settle(&history, &world.database, DRAIN).await;
    judge(clean && history.answers.get(&200) == Some(&1000), text)
}

async fn repeats(mut world: World, size: Size) -> Outcome {
    let sender = world.start().sender();
    sender.deliver(shuffled(size.pick(1_000, 20_000)), 64).await;
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    judge(clean, text)
}

/// Many ids, each one to three times, in any order.
pub(super) async fn repeats_sqlite(size: Size) -> Outcome {
    repeats(World::sqlite().await, size).await
}

pub(super) async fn repeats_postgres(size: Size) -> Outcome {
    let Some(world) = World::postgres(4).await else { return no_postgres() };
    repeats(world, size).await
}

/// The same id with another body, while the first is pending and after it is done.
pub(super) async fn other_body(size: Size) -> Outcome {
    bodies(size, None).await
}

pub(super) async fn other_body_control(size: Size) -> Outcome {
    let row: Running = Box::pin(bodies(size, Some("body_is_identity")));
    control(row).await
}

async fn bodies(size: Size, mutant: Option<&str>) -> Outcome {
    let mut world = World::sqlite().await;
    world.set("DODO_MUTANT", mutant.unwrap_or_default());
    let sender = world.start().sender();
    let count = size.pick(100, 2_000);
    let later =
        |parcel: Parcel| Parcel { body: parcel.body.replace("\"v1\"", "\"later\""), ..parcel };
    let all = || (0..count).map(|n| parcel(&format!("msg_{n}")));
    sender.deliver(all().chain(all().map(later)).collect(), 64).await;
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    sender.deliver(all().map(later).collect(), 64).await;
    let rows = world.database.number("SELECT COUNT(*) FROM dodo_inbox").await;
    judge(clean && rows == count, format!("{text} rows {rows}"))
}

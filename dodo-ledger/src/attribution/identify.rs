//! Whose an e-mail address is.

use dodo_core::{attribution::email_sha256, capture::Campaign};

use super::{
    booking::{Booking, Desk},
    entry::Link,
    facts::{self, Identities},
    history::{Find, History, Steps},
    rules::Rules,
};
use crate::error::Error;

/// Notes who an e-mail address belongs to, and looks again at what nothing else explains.
///
/// # Errors
/// Those of the history.
pub async fn identify<H: History>(
    rules: &Rules,
    history: &mut H,
    email: &str,
    visitor: Option<&str>,
    campaign: Option<&Campaign>,
    user_id: Option<&str>,
) -> Result<Booking, Error> {
    let Some(link) = email_sha256(email).as_ref().map(Link::email) else {
        return Ok(Booking::default());
    };
    let key = facts::key("email", link.value());
    let stored = history.facts(std::slice::from_ref(&key)).await?;
    let stored = stored.first().and_then(Option::as_ref);
    let before: Identities = facts::read(stored)?.unwrap_or_default();
    let mut known = before.clone();
    known.visitors.add(visitor.map(str::to_owned));
    known.campaigns.add(campaign.map(facts::write).transpose()?);
    known.users.add(user_id.map(str::to_owned));
    if known == before {
        return Ok(Booking::default());
    }
    history.put_fact(&key, &facts::write(&known)?).await?;
    let mut desk = Desk::new(rules, history);
    let mut unexplained = Find::links([link]);
    unexplained.steps = Steps { visitor: Some(7..=8), campaign: Some(7..=8) };
    desk.dirty(unexplained).await?;
    desk.finish().await
}

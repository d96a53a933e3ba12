//! Whose an e-mail address is.

use dodo_core::{Campaign, email_sha256};

use super::{
    booking::{Booking, Desk},
    entry::Link,
    facts::{self, Identified, Identities},
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
    let who = Identified {
        visitor: visitor.map(str::to_owned),
        campaign: campaign.map(facts::write).transpose()?,
        user_id: user_id.map(str::to_owned),
    };
    let key = facts::key("email", link.value());
    let stored = history.facts(std::slice::from_ref(&key)).await?;
    let stored = stored.first().and_then(Option::as_ref);
    let mut known: Identities = facts::read(stored)?.unwrap_or_default();
    if !known.people.insert(who) {
        return Ok(Booking::default());
    }
    history.put_fact(&key, &facts::write(&known)?).await?;
    let mut desk = Desk::new(rules, history);
    let mut unexplained = Find::links([link]);
    unexplained.steps = Steps { visitor: Some(7..=8), campaign: Some(7..=8) };
    desk.dirty(unexplained).await?;
    desk.finish().await
}

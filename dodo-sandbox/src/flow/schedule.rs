//! What falls due as time passes.

use jiff::Timestamp;

use crate::state::World;

/// When the next thing falls due, if anything does.
pub(crate) fn next(_world: &World) -> Option<Timestamp> {
    None
}

/// Acts out everything that is due, each at its own moment.
pub(crate) fn settle(_world: &mut World) {}

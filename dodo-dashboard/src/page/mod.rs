//! Pages as HTML, from plain data.

mod block;
mod controls;
mod layout;

pub(crate) use self::{
    block::{Block, Check, CheckState, Moment, Tile, json_page},
    layout::{Frame, Sheet, message, zone_name},
};

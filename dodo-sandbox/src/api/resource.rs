//! The definition of a resource, and the operations that follow from it: list, create, read, change,
//! archive or delete, and images. A handler of the definition replaces or adds to them.

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply, Route},
    list::{Rows, list},
    rules::{self, Rules},
};
use crate::{
    Error,
    clock::rfc3339,
    id,
    state::{SandboxState, object::Object},
};

/// Whether a value of the query selects an object.
type Filter = fn(&SandboxState, &Object, &str) -> bool;

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The word for it in errors.
    pub(crate) name: &'static str,
    /// The path of its list, with `{}` for parameters; the name of its table.
    pub(crate) path: &'static str,
    /// Other paths whose last part is a list of it.
    pub(crate) lists: &'static [&'static str],
    /// The fields that the parameters of each path select by, in the order of the paths.
    pub(crate) parents: &'static [&'static [&'static str]],
    /// The field with its id.
    pub(crate) id: &'static str,
    pub(crate) prefix: &'static str,
    /// Its `payload_type` in webhooks.
    pub(crate) payload_type: &'static str,
    /// The event that a new one emits.
    pub(crate) created: Option<&'static str>,
    /// Fields of a new object beside those of the request.
    pub(crate) defaults: fn(&SandboxState) -> Value,
    /// Rules for the fields of its requests.
    pub(crate) rules: &'static [Rules],
    /// Rules of a new or changed object as a whole, and fields that follow from others.
    pub(crate) check: fn(&SandboxState, &mut Map<String, Value>) -> Result<(), Error>,
    /// Fields of answers and webhooks that follow from other objects.
    pub(crate) computed: fn(&SandboxState, &Object) -> Value,
    /// Parameters of the query that are not fields.
    pub(crate) filters: &'static [(&'static str, Filter)],
    /// Fields that `null` clears. In others `null` changes nothing.
    pub(crate) clears: &'static [&'static str],
    /// DELETE removes it instead of archiving it.
    pub(crate) removable: bool,
    /// The table of objects with a type of their own.
    pub(crate) typed: Option<fn(&SandboxState) -> &dyn Rows>,
    /// Operations that do not follow from the path, or differ from those that do.
    pub(crate) routes: &'static [Route],
}

impl Resource {
    /// A resource without rules.
    pub(crate) const PLAIN: Self = Self {
        name: "object",
        path: "",
        lists: &[],
        parents: &[],
        id: "id",
        prefix: "",
        payload_type: "",
        created: None,
        defaults: |_| Value::Null,
        rules: &[],
        check: |_, _| Ok(()),
        computed: |_, _| Value::Null,
        filters: &[],
        clears: &[],
        removable: false,
        typed: None,
        routes: &[],
    };

    /// Adds an object with its defaults by its rules, and returns its id.
    ///
    /// # Errors
    /// 422 by the rules.
    pub(crate) fn create(
        &'static self,
        state: &mut SandboxState,
        given: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<String, Error> {
        let mut fields = match (self.defaults)(state) {
            Value::Object(defaults) => defaults,
            _ => Map::new(),
        };
        fields.extend(given);
        rules::check(self.rules, &fields)?;
        (self.check)(state, &mut fields)?;
        let id = state.add(self, fields.into());
        if let Some(event) = self.created {
            state.emit(event, self, &id);
        }
        Ok(id)
    }

    /// Its objects; `None` before the first one.
    pub(crate) fn rows<'a>(&self, state: &'a SandboxState) -> Option<&'a dyn Rows> {
        match self.typed {
            Some(typed) => Some(typed(state)),
            None => state.objects.table(self).map(|table| table as &dyn Rows),
        }
    }

    /// The operation that follows from the form of a path.
    pub(crate) fn action(&self, method: &Method, shape: &str) -> Option<Action> {
        let paths = [self.path].into_iter().chain(self.lists.iter().copied());
        for (place, path) in paths.enumerate() {
            let Some(rest) = shape.strip_prefix(path).filter(|_| path.starts_with('/')) else {
                continue;
            };
            let parents = self.parents.get(place).copied().unwrap_or_default();
            let action = match (method.as_str(), rest) {
                ("GET", "") => Action::List(path, parents),
                _ if place > 0 => continue,
                ("GET", "/{}") => Action::Read(parents),
                _ if self.typed.is_some() => continue,
                ("POST", "") => Action::Create(parents),
                ("PATCH", "/{}") => Action::Patch(parents),
                ("DELETE", "/{}") => Action::Delete(parents),
                ("POST", "/{}/unarchive" | "/{}/undelete") => Action::Unarchive,
                ("PUT", "/{}/images") => Action::Image,
                _ => continue,
            };
            return Some(action);
        }
        None
    }
}

/// The fields of a path's parameters.
type Parents = &'static [&'static str];

/// An operation that follows from the form of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Create(Parents),
    List(&'static str, Parents),
    Read(Parents),
    Patch(Parents),
    /// Lists show an archived object only on request.
    Delete(Parents),
    Unarchive,
    /// A new image, with an address for its upload.
    Image,
}

impl Action {
    /// Runs the operation.
    ///
    /// # Errors
    /// 404 for an unknown object; 422 by the resource's rules.
    pub(crate) fn run(
        self,
        state: &mut SandboxState,
        resource: &'static Resource,
        call: &Call,
    ) -> Result<Reply, Error> {
        let now = state.now();
        match self {
            Self::Create(parents) => {
                let parents = parents.iter().zip(&call.path);
                let parents = parents.map(|(name, (_, id))| ((*name).to_owned(), json!(id)));
                let id = resource.create(state, call.given(&[]).chain(parents))?;
                Ok(Reply::Json(state.json(resource, &id)))
            }
            Self::List(path, parents) => {
                super::exists(state, path, call)?;
                list(state, call, resource, parents)
            }
            Self::Read(parents) => {
                let found = resource.rows(state).and_then(|rows| rows.get(call.last_id()));
                let found = found.filter(|row| belongs(state, *row, parents, call));
                let found = found.ok_or_else(|| Error::not_found(resource.name))?;
                Ok(Reply::Json(found.details(state)))
            }
            Self::Patch(parents) => {
                let object = own(state, resource, parents, call)?;
                let mut fields = object.fields.clone();
                fields.extend(call.given(resource.clears));
                if let Some(image) = call.text("image_id") {
                    fields.insert("image".to_owned(), json!(state.url(&["images", image])));
                }
                (resource.check)(state, &mut fields)?;
                state.find_mut(resource, call.last_id())?.change(fields, now);
                Ok(Reply::Json(state.json(resource, call.last_id())))
            }
            Self::Delete(parents) => {
                own(state, resource, parents, call)?;
                if resource.removable {
                    state.remove(resource, call.last_id());
                } else {
                    state.find_mut(resource, call.last_id())?.set("archived_at", rfc3339(now));
                }
                Ok(Reply::Empty)
            }
            Self::Unarchive => {
                let object = state.find_mut(resource, call.last_id())?;
                object.set("archived_at", Value::Null);
                Ok(Reply::Json(json!({
                    "collection_id": object.id,
                    "excluded_product_ids": [],
                    "message": "the collection is active again",
                })))
            }
            Self::Image => {
                let (id, url) = new_image(state);
                state.find_mut(resource, call.id())?.set("image", url.clone());
                Ok(Reply::Json(json!({ "image_id": id, "url": url })))
            }
        }
    }
}

/// The object of the path, if it belongs to the parents of the path.
fn own<'a>(
    state: &'a SandboxState,
    resource: &Resource,
    parents: Parents,
    call: &Call,
) -> Result<&'a Object, Error> {
    let object = state.find(resource, call.last_id())?;
    match belongs(state, object, parents, call) {
        true => Ok(object),
        false => Err(Error::not_found(resource.name)),
    }
}

fn belongs(
    state: &SandboxState,
    row: &dyn super::list::Listed,
    parents: Parents,
    call: &Call,
) -> bool {
    let mut pairs = parents.iter().zip(&call.path);
    pairs.all(|(name, (_, value))| row.matches(state, name, value))
}

/// The id and the address of a new image. The sandbox takes no uploads; the page shows a mark.
pub(crate) fn new_image(state: &SandboxState) -> (String, String) {
    let id = id::license_key();
    let url = state.url(&["images", &id]);
    (id, url)
}

//! The definition of a resource, and the operations that follow from it: list, create, read, change,
//! archive or delete, and images. A handler of the definition replaces or adds to them.

use std::fmt;

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply, Route},
    list::{self, Listed},
    rules::{self, Rules},
};
use crate::{
    Error,
    clock::rfc3339,
    id,
    state::{SandboxState, object::Object},
};

/// Whether a value of the query selects an object.
type Filter<T> = fn(&SandboxState, &T, &str) -> bool;

/// Adds an object with these fields, or changes the object with this id. Returns the id.
pub(crate) type Write<T> = fn(
    &'static Resource<T>,
    &mut SandboxState,
    Option<&str>,
    Map<String, Value>,
) -> Result<String, Error>;

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Resource<T: Listed = Object> {
    /// The word for it in errors.
    pub(crate) name: &'static str,
    /// The path of its list, with `{}` for parameters; the name of its table.
    pub(crate) path: &'static str,
    /// Other paths whose last part is a list of it.
    pub(crate) lists: &'static [&'static str],
    /// The fields that the parameters of each path select by, in the order of the paths.
    pub(crate) parents: &'static [Parents],
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
    pub(crate) computed: fn(&SandboxState, &T) -> Value,
    /// The parameters of the query that are not fields.
    pub(crate) filters: &'static [(&'static str, Filter<T>)],
    /// Fields that `null` clears. In others `null` changes nothing.
    pub(crate) clears: &'static [&'static str],
    /// DELETE removes it instead of archiving it.
    pub(crate) removable: bool,
    /// Without it, POST, PATCH and DELETE have routes of their own.
    pub(crate) write: Option<Write<T>>,
    /// Operations that do not follow from the path, or differ from those that do.
    pub(crate) routes: &'static [Route],
}

impl<T: Listed> Resource<T> {
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
        write: T::WRITE,
        routes: &[],
    };

    /// Whether a parameter of the query or of the path selects an object.
    fn selects(&self, state: &SandboxState, row: &T, name: &str, wanted: &str) -> bool {
        match self.filters.iter().find(|(own, _)| *own == name) {
            Some((_, fits)) => fits(state, row, wanted),
            None => row.has_value(name, wanted),
        }
    }

    /// Whether an object belongs to the parents of the path.
    fn belongs(&self, state: &SandboxState, row: &T, parents: Parents, call: &Call) -> bool {
        let mut pairs = parents.iter().zip(&call.path);
        pairs.all(|(name, (_, value))| self.selects(state, row, name, value))
    }

    /// The object of the path, if it belongs to the parents of the path.
    fn own<'a>(
        &self,
        state: &'a SandboxState,
        parents: Parents,
        call: &Call,
    ) -> Result<&'a T, Error> {
        let found = T::table(state, self.path).and_then(|table| table.get(call.last_id()));
        let found = found.filter(|row| self.belongs(state, row, parents, call));
        found.ok_or_else(|| Error::unknown(self.name, call.last_id()))
    }

    /// The fields of an object with some of them replaced.
    fn changed(
        &'static self,
        state: &mut SandboxState,
        call: &Call,
        parents: Parents,
        given: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), Error> {
        let mut fields = match self.own(state, parents, call)?.own_fields(state) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.extend(given);
        let write = self.write.ok_or_else(|| Error::not_found("route"))?;
        write(self, state, Some(call.last_id()), fields).map(drop)
    }
}

impl Resource {
    /// Adds an object with its defaults by its rules, and returns its id.
    ///
    /// # Errors
    /// 422 by the rules.
    pub(crate) fn create(
        &'static self,
        state: &mut SandboxState,
        given: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<String, Error> {
        let given = given.into_iter().collect();
        rules::check(self.rules, &given)?;
        write_object(self, state, None, given)
    }
}

/// Writes an object whose state is JSON.
pub(crate) fn write_object(
    resource: &'static Resource,
    state: &mut SandboxState,
    id: Option<&str>,
    given: Map<String, Value>,
) -> Result<String, Error> {
    let mut fields = match (id, (resource.defaults)(state)) {
        (None, Value::Object(defaults)) => defaults,
        _ => Map::new(),
    };
    fields.extend(given);
    (resource.check)(state, &mut fields)?;
    if let Some(id) = id {
        let now = state.now();
        state.find_mut(resource, id)?.change(fields, now);
        return Ok(id.to_owned());
    }
    let id = state.add(resource, fields.into());
    if let Some(event) = resource.created {
        state.emit(event, resource, &id);
    }
    Ok(id)
}

/// A resource of any kind of object.
pub(crate) trait Definition: fmt::Debug + Sync {
    fn name(&self) -> &'static str;
    fn path(&self) -> &'static str;
    fn payload_type(&self) -> &'static str;
    fn rules(&self) -> &'static [Rules];
    fn routes(&self) -> &'static [Route];

    /// An object as lists and webhooks show it.
    fn json(&self, state: &SandboxState, id: &str) -> Option<Value>;

    /// An object as the answer for it alone.
    fn details(&self, state: &SandboxState, id: &str) -> Option<Value>;

    /// The operation that follows from the form of a path.
    fn action(&self, method: &Method, shape: &str) -> Option<Action>;

    /// Runs an operation.
    ///
    /// # Errors
    /// 404 for an unknown object; 422 by the resource's rules.
    fn run(
        &'static self,
        state: &mut SandboxState,
        action: Action,
        call: &Call,
    ) -> Result<Reply, Error>;
}

impl PartialEq for dyn Definition {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
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

impl<T: Listed> Definition for Resource<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn payload_type(&self) -> &'static str {
        self.payload_type
    }

    fn rules(&self) -> &'static [Rules] {
        self.rules
    }

    fn routes(&self) -> &'static [Route] {
        self.routes
    }

    fn json(&self, state: &SandboxState, id: &str) -> Option<Value> {
        T::table(state, self.path)?.get(id).map(|row| row.json(state))
    }

    fn details(&self, state: &SandboxState, id: &str) -> Option<Value> {
        T::table(state, self.path)?.get(id).map(|row| row.details(state))
    }

    fn action(&self, method: &Method, shape: &str) -> Option<Action> {
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
                _ if self.write.is_none() => continue,
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

    fn run(
        &'static self,
        state: &mut SandboxState,
        action: Action,
        call: &Call,
    ) -> Result<Reply, Error> {
        let pair = |name: &str, value: Value| (name.to_owned(), value);
        let shown = |state: &SandboxState, id: &str| {
            Ok(Reply::Json(self.details(state, id).unwrap_or_default()))
        };
        match action {
            Action::Create(parents) => {
                let parents = parents.iter().zip(&call.path);
                let parents = parents.map(|(name, (_, id))| pair(name, json!(id)));
                let fields = call.given(&[]).chain(parents).collect();
                let write = self.write.ok_or_else(|| Error::not_found("route"))?;
                let id = write(self, state, None, fields)?;
                shown(state, &id)
            }
            Action::List(path, parents) => {
                super::exists(state, path, call)?;
                let selects =
                    |row: &T, name: &str, wanted: &str| self.selects(state, row, name, wanted);
                list::list(state, call, T::table(state, self.path), parents, selects)
            }
            Action::Read(parents) => {
                Ok(Reply::Json(self.own(state, parents, call)?.details(state)))
            }
            Action::Patch(parents) => {
                let image = call.text("image_id").map(|id| state.url(&["images", id]));
                let image = image.map(|url| pair("image", json!(url)));
                self.changed(state, call, parents, call.given(self.clears).chain(image))?;
                shown(state, call.last_id())
            }
            Action::Delete(parents) => {
                self.own(state, parents, call)?;
                match self.removable {
                    true => T::remove(state, self.path, call.last_id()),
                    false => {
                        let now = rfc3339(state.now());
                        self.changed(state, call, parents, [pair("archived_at", json!(now))])?;
                    }
                }
                Ok(Reply::Empty)
            }
            Action::Unarchive => {
                self.changed(state, call, &[], [pair("archived_at", Value::Null)])?;
                Ok(Reply::Json(json!({
                    "collection_id": call.last_id(),
                    "excluded_product_ids": [],
                    "message": "the collection is active again",
                })))
            }
            Action::Image => {
                let (id, url) = new_image(state);
                self.changed(state, call, &[], [pair("image", json!(url))])?;
                Ok(Reply::Json(json!({ "image_id": id, "url": url })))
            }
        }
    }
}

/// The id and the address of a new image. The sandbox takes no uploads; the page shows a mark.
fn new_image(state: &SandboxState) -> (String, String) {
    let id = id::license_key();
    let url = state.url(&["images", &id]);
    (id, url)
}

use std::fmt;

use serde_json::{Map, Value};

use super::{Format, Period, Question};

/// The canonical query string, with a `?` before it: sorted names, no defaults.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        };
        /// The name of a value that is not the default.
        macro_rules! unusual {
            ($value:expr) => {
                ($value != Default::default()).then(|| $value.name())
            };
        }
        put("at", self.after.as_deref());
        put("by", unusual!(self.by));
        put("cur", self.currency.as_ref().map(|currency| currency.as_str()));
        put("dir", self.ascending.then_some("asc"));
        put("format", unusual!(self.format));
        put("id", self.id.as_deref());
        put("int", self.interval.map(|interval| interval.name()));
        for (name, excluded) in [("is", false), ("not", true)] {
            if excluded {
                put("mode", self.mode.map(|mode| mode.name()));
                put(
                    "month",
                    self.month.map(|first| first.strftime("%Y-%m").to_string()).as_deref(),
                );
            }
            for condition in self.conditions.iter().filter(|each| each.excluded == excluded) {
                let value = condition.value.as_deref().unwrap_or("!");
                put(name, Some(&format!("{}:{value}", condition.by.name())));
            }
        }
        put("page", unusual!(self.page));
        put("part", self.live.then_some("live"));
        put("q", self.search.as_deref());
        match self.period {
            Period::Preset(preset) => put("range", unusual!(preset)),
            Period::Days(first, last) => put("range", Some(&format!("{first}..{last}"))),
        }
        put("sort", unusual!(self.sort));
        put("table", self.table.as_deref());
        put("vs", unusual!(self.versus));
        write!(f, "?{}", query.finish())
    }
}

impl Question {
    /// The canonical parameters as JSON: one text each, and a list for conditions.
    pub(crate) fn parameters(&self) -> Value {
        let mut all = Map::new();
        let query = self.to_string();
        let query = query.strip_prefix('?').unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if matches!(&*name, "is" | "not") {
                let list = all.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(value.into());
                }
            } else {
                all.insert(name.into_owned(), value.into());
            }
        }
        Value::Object(all)
    }

    /// The link to the same data in another format.
    pub(crate) fn as_file(&self, format: Format, table: Option<&str>) -> Self {
        let mut other = self.at_the_top();
        other.format = format;
        other.table = table.map(str::to_owned);
        other
    }
}

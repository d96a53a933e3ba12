use std::borrow::Cow;

use jiff::civil::Date;

use super::{
    By, Condition, LONGEST_QUERY, LONGEST_VALUE, MOST_CONDITIONS, Notice, Period, Question,
    values::Preset,
};

/// A question, and the ignored parts of the query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) question: Question,
    pub(crate) notices: Vec<Notice>,
}

/// The query string, or a value in it, is too long: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswerable;

/// The parameters, in the order of their names.
pub(super) const NAMES: [&str; 21] = [
    "at", "by", "cur", "dir", "format", "from", "id", "int", "is", "mode", "month", "not", "page",
    "part", "preset", "q", "range", "sort", "table", "to", "vs",
];

/// The most notices that a page shows.
const MOST_NOTICES: usize = 10;
/// The most characters of a text of the visitor in a notice.
const LONGEST_ECHO: usize = 60;

impl Question {
    /// Reads a query string. `today`: the last day of a period without one.
    ///
    /// # Errors
    /// If it is longer than 4 KiB, or one of its values longer than 200 characters.
    pub(crate) fn parse(query: &str, today: Date) -> Result<Parsed, Unanswerable> {
        if query.len() > LONGEST_QUERY {
            return Err(Unanswerable);
        }
        let mut reader = Reader::default();
        let mut seen = [false; NAMES.len()];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.chars().count() > LONGEST_VALUE {
                return Err(Unanswerable);
            }
            let Some(at) = NAMES.iter().position(|known| *known == name) else {
                reader.unknown_parameter(&name, &value);
                continue;
            };
            let Some((name, seen)) = NAMES.get(at).zip(seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) && !matches!(*name, "is" | "not") {
                reader.note(Notice::Repeated(name));
            } else if !value.is_empty() {
                // Forms send empty fields.
                reader.read(name, value);
            }
        }
        reader.days(today);
        Ok(Parsed { question: reader.question, notices: reader.notices })
    }
}

#[derive(Default)]
struct Reader {
    question: Question,
    from: Option<Date>,
    to: Option<Date>,
    preset: bool,
    notices: Vec<Notice>,
}

impl Reader {
    fn note(&mut self, notice: Notice) {
        if self.notices.len() < MOST_NOTICES && !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    fn read(&mut self, name: &'static str, value: Cow<'_, str>) {
        /// One of the names of an enumeration.
        macro_rules! choose {
            ($values:ident, $read:expr) => {
                match super::values::$values::from_name(&value) {
                    Some(value) => $read(&mut self.question, value),
                    None => {
                        let all = super::values::$values::ALL;
                        self.unknown_value(
                            name,
                            &value,
                            list(all.iter().map(|value| value.name())),
                        );
                    }
                }
            };
        }
        match name {
            "at" => self.question.after = Some(value.into_owned()),
            "by" => choose!(By, |q: &mut Question, value| q.by = value),
            "cur" => match value.parse() {
                Ok(currency) => self.question.currency = Some(currency),
                Err(_) => self.unknown_value(name, &value, "a code such as EUR".to_owned()),
            },
            "dir" => match &*value {
                "asc" => self.question.ascending = true,
                "desc" => {}
                _ => self.unknown_value(name, &value, "asc and desc".to_owned()),
            },
            "format" => choose!(Format, |q: &mut Question, value| q.format = value),
            // Of the form: a day each.
            "from" => self.edge(name, &value, |reader| &mut reader.from),
            "to" => self.edge(name, &value, |reader| &mut reader.to),
            "id" => self.question.id = Some(value.into_owned()),
            "int" => choose!(Interval, |q: &mut Question, value| q.interval = Some(value)),
            "is" | "not" => self.condition(name, &value),
            "mode" => choose!(Mode, |q: &mut Question, value| q.mode = Some(value)),
            "month" => match day(&format!("{value}-01")) {
                Some(first) => self.question.month = Some(first),
                None => self.unknown_value(name, &value, "a month such as 2026-11".to_owned()),
            },
            "page" => choose!(Page, |q: &mut Question, value| q.page = value),
            "part" if value == "live" => self.question.live = true,
            "part" => self.unknown_value(name, &value, "live".to_owned()),
            // Of the form of a period of days: the list counts more than the days.
            "preset" => {
                self.preset = true;
                choose!(Preset, |q: &mut Question, value| q.period = Period::Preset(value));
            }
            "q" => {
                let text = value.trim();
                self.question.search = (!text.is_empty()).then(|| text.to_owned());
            }
            "range" => self.period(&value),
            "sort" => choose!(Sort, |q: &mut Question, value| q.sort = value),
            "table" => self.question.table = Some(value.into_owned()),
            _ => choose!(Versus, |q: &mut Question, value| q.versus = value),
        }
    }

    fn condition(&mut self, name: &'static str, text: &str) {
        let found = text.split_once(':').and_then(|(by, value)| Some((By::from_name(by)?, value)));
        let Some((by, value)) = found else {
            let allowed = format!(
                "{}, each with “:” and a value, or “!” for none",
                list(By::ALL.iter().map(|by| by.name()))
            );
            return self.unknown_value(name, text, allowed);
        };
        let value = (value != "!").then(|| value.to_owned());
        let condition = Condition { by, value, excluded: name == "not" };
        let conditions = &mut self.question.conditions;
        match conditions.binary_search(&condition) {
            Ok(_) => {}
            Err(_) if conditions.len() == MOST_CONDITIONS => self.note(Notice::TooManyConditions),
            Err(at) => conditions.insert(at, condition),
        }
    }

    fn period(&mut self, text: &str) {
        if let Some(preset) = Preset::from_name(text) {
            self.question.period = Period::Preset(preset);
            return;
        }
        let days = text.split_once("..").and_then(|(first, last)| Some((day(first)?, day(last)?)));
        match days {
            Some((first, last)) if first <= last => {
                self.question.period = Period::Days(first, last);
            }
            Some(_) => self.note(Notice::WrongWayRound),
            None => {
                let presets = Preset::ALL.iter().map(|preset| preset.name());
                let allowed = list(presets.chain(["days such as 2026-11-01..2026-11-28"]));
                self.unknown_value("range", text, allowed);
            }
        }
    }

    fn edge(&mut self, name: &'static str, text: &str, edge: fn(&mut Self) -> &mut Option<Date>) {
        match day(text) {
            Some(day) => *edge(self) = Some(day),
            None => self.unknown_value(name, text, "a day such as 2026-11-01".to_owned()),
        }
    }

    /// Days of the form count more than its list. A first day alone begins a period until today; a last day
    /// alone is a period of one day.
    fn days(&mut self, today: Date) {
        if self.preset {
            return;
        }
        let last = self.to.or(self.from.map(|first| first.max(today)));
        match (self.from.or(self.to), last) {
            (Some(first), Some(last)) if first <= last => {
                self.question.period = Period::Days(first, last);
            }
            (Some(_), Some(_)) => self.note(Notice::WrongWayRound),
            _ => {}
        }
    }

    fn unknown_value(&mut self, name: &'static str, value: &str, allowed: String) {
        self.note(Notice::UnknownValue { name, value: echo(value), allowed });
    }

    fn unknown_parameter(&mut self, name: &str, value: &str) {
        let meant = if By::from_name(name).is_some() {
            let value = if value.is_empty() { "…".to_owned() } else { echo(value) };
            Some(format!("is={name}:{value}"))
        } else {
            let near = NAMES.iter().map(|known| (distance(name, known), *known)).min();
            near.filter(|(far, known)| *far * 2 <= known.len()).map(|(_, known)| known.to_owned())
        };
        self.note(Notice::UnknownParameter { name: echo(name), meant });
    }
}

/// A day of the years that the dashboard draws.
fn day(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (text.len() == 10 && (1970..=2999).contains(&day.year())).then_some(day)
}

fn echo(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(LONGEST_ECHO).map(safe).collect();
    if text.chars().count() > LONGEST_ECHO {
        shown.push('…');
    }
    shown
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The changed, inserted and removed characters between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.chars().take(LONGEST_ECHO).enumerate() {
        let mut next = vec![at + 1];
        for ((right, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let before = next.last().copied().unwrap_or_default();
            let changed = diagonal + usize::from(left != *right);
            next.push(changed.min(before + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

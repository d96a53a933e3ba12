//! Which days the revenue page shows.

use jiff::civil::Date;

/// Days in UTC, both ends included. `None` is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl Filter {
    /// Reads `from` and `to` of a query string. It ignores invalid dates.
    #[must_use]
    pub(crate) fn read(query: Option<&str>) -> Self {
        let mut filter = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "from" => filter.from = value.parse().ok(),
                "to" => filter.to = value.parse().ok(),
                _ => {}
            }
        }
        // Dates the wrong way round are meant the other way.
        if let (Some(from), Some(to)) = (filter.from, filter.to) {
            (filter.from, filter.to) = (Some(from.min(to)), Some(from.max(to)));
        }
        filter
    }

    /// The filter as a query string with its question mark; empty if nothing is filtered.
    #[must_use]
    pub(crate) fn query(&self) -> String {
        let ends = [("from", self.from), ("to", self.to)];
        let set: Vec<_> = ends.iter().filter_map(|(n, d)| d.map(|d| format!("{n}={d}"))).collect();
        if set.is_empty() { String::new() } else { format!("?{}", set.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_and_forgives_the_rest() {
        for (query, read) in [
            ("", ""),
            ("from=2026-11-01&to=2026-11-20", "?from=2026-11-01&to=2026-11-20"),
            ("from=2026-11-20&to=2026-11-01", "?from=2026-11-01&to=2026-11-20"),
            ("from=&to=2026-11-20", "?to=2026-11-20"),
            ("from=yesterday&to=%3Cscript%3E", ""),
            ("from=2026-02-30", ""),
        ] {
            assert_eq!(Filter::read(Some(query)).query(), read, "{query}");
        }
    }
}

//! The statement of a breakdown: the best values of each dimension, and their sums.

use super::{
    breakdown::{Cursor, Found, Order, Sort},
    calendar::Range,
    plan::{Binder, Scope},
    series::{PLAIN_SUMS, added, summed, summed_rows, total},
    span::Part,
};
use crate::{attribution::Dimension, error::Error, store::Tx};

/// The largest number that decides an order.
const MOST: &str = "9000000000000000000.0";

/// The rows of a list: its order, its length, and the place where it begins.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    pub(super) order: Order,
    pub(super) top: u32,
    pub(super) after: Option<Cursor>,
}

/// The rows that a number is added up from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Single rows.
    Rows,
    /// Stored sums by day or month.
    Stored,
    /// The sums of this statement.
    Sums,
}

/// The values of a dimension whose sums a question wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selection<'a> {
    /// The best ones.
    Best(&'a Ranking),
    /// The ids of these, for each dimension.
    These(&'a [Vec<i64>]),
    /// All of them, in no order.
    All,
}

impl Ranking {
    /// The values with the largest net.
    pub(super) fn best(top: u32) -> Self {
        Self { order: Order::default(), top, after: None }
    }

    /// Whether the list begins with this many of the values with the largest net.
    pub(super) fn is_best(&self, top: u32) -> bool {
        self.order == Order::default() && self.after.is_none() && self.top >= top
    }

    /// The number that decides the order, from the columns of a source.
    fn number(&self, source: Source) -> &'static str {
        match (self.order.by, source) {
            (Sort::Net, Source::Sums) => {
                "CAST(net_high AS DOUBLE PRECISION) * 4294967296 + net_low"
            }
            (Sort::Net, _) => "net",
            (Sort::Charges, Source::Rows) => "CASE WHEN kind <= 3 THEN n ELSE 0 END",
            (Sort::Charges, _) => "charges",
            (Sort::NewCustomers, _) => "firsts",
        }
    }

    /// All values with the number that decides the order. A database adds up `DOUBLE PRECISION` sooner than parts of
    /// a `BIGINT`: exactly within 2^53, and numbers of more than 18 digits as equal ones.
    fn all(&self, sources: &[(Source, String)]) -> String {
        let numbers = sources.iter().map(|(source, rows)| {
            let number = self.number(*source);
            format!(
                "SELECT value, CAST({number} AS DOUBLE PRECISION) AS number FROM ({rows}) AS rows
                 WHERE value <> 0"
            )
        });
        let numbers = numbers.collect::<Vec<_>>().join(" UNION ALL ");
        format!(
            "SELECT value, CAST(CASE WHEN number > {MOST} THEN {MOST} WHEN number < -{MOST} THEN -{MOST}
                ELSE number END AS BIGINT) AS number
             FROM (SELECT value, SUM(number) AS number FROM ({numbers}) AS numbers GROUP BY value) AS ranked"
        )
    }

    /// The rows of the list and one more, from a table of all values.
    fn shown(&self, binder: &mut Binder, table: &str) -> String {
        let (order, beyond) = if self.order.ascending { ("ASC", ">") } else { ("DESC", "<") };
        let mut text = format!("SELECT value, number FROM {table}");
        if let Some(Cursor { number, value }) = self.after {
            let (number, value) = (binder.bind(number), binder.bind(value));
            text.push_str(&format!(
                " WHERE number {beyond} {number} OR (number = {number} AND value > {value})"
            ));
        }
        let limit = binder.bind(i64::from(self.top) + 1);
        text.push_str(&format!(" ORDER BY number {order}, value LIMIT {limit}"));
        text
    }
}

/// The values of each dimension as ids, with their sums.
///
/// If dimensions need single rows, the database reads these once for all of them, and adds up all values. From
/// stored sums, it ranks all values by one column, and adds up the other columns of the wanted values alone.
pub(super) async fn found(
    tx: &mut Tx,
    scope: &Scope,
    by: &[Dimension],
    range: Option<Range>,
    selection: Selection<'_>,
) -> Result<Vec<Found>, Error> {
    if by.is_empty() {
        return Ok(Vec::new());
    }
    let mut binder = Binder::default();
    let (mut tables, mut selects) = (Vec::new(), Vec::new());
    if by.iter().any(|by| scope.folds(*by)) {
        let rows = scope.select_rows(&mut binder, by, range)?;
        tables.push(format!("picked AS MATERIALIZED ({rows})"));
    }
    for (nth, by) in by.iter().copied().enumerate() {
        let column = by.column().filter(|_| scope.folds(by));
        if let Some(column) = column {
            let rows = format!("SELECT {column} AS value, kind, n, gross, net, firsts FROM picked");
            let sums = summed("value", &summed_rows("value", &rows));
            tables.push(format!("sums{nth} AS MATERIALIZED ({sums})"));
        }
        let (values, from) = match selection {
            Selection::Best(ranking) => {
                let sources = match column {
                    Some(_) => vec![(Source::Sums, format!("SELECT * FROM sums{nth}"))],
                    None => stored(scope.bases(&mut binder, by, range)?),
                };
                tables.push(format!("ranked{nth} AS MATERIALIZED ({})", ranking.all(&sources)));
                let top = ranking.shown(&mut binder, &format!("ranked{nth}"));
                tables.push(format!("top{nth} AS MATERIALIZED ({top})"));
                selects.push(format!(
                    "SELECT CAST({nth} AS BIGINT) AS nth, CAST(3 AS BIGINT) AS part,
                        CAST(0 AS BIGINT) AS value, CAST(0 AS BIGINT) AS number, COUNT(*){} FROM ranked{nth}",
                    ", CAST(0 AS BIGINT)".repeat(14)
                ));
                let from = format!(
                    "top{nth}.value, top{nth}.number, {PLAIN_SUMS}
                     FROM top{nth} CROSS JOIN sums{nth} WHERE sums{nth}.value = top{nth}.value"
                );
                (Some(format!("SELECT value FROM top{nth} UNION ALL SELECT 0")), from)
            }
            Selection::These(shown) => {
                let mut numbers = shown.get(nth).cloned().unwrap_or_default();
                numbers.push(0);
                let values = binder.list(&numbers);
                let from = format!(
                    "value, 0, {PLAIN_SUMS} FROM sums{nth} WHERE value > 0 AND value IN ({values})"
                );
                (Some(values), from)
            }
            Selection::All => {
                let from = format!("value, 0, {PLAIN_SUMS} FROM sums{nth} WHERE value > 0");
                (None, from)
            }
        };
        if column.is_none() {
            let sums = scope.sums_of(&mut binder, Some(by), range, values.as_deref())?;
            tables.push(format!("sums{nth} AS MATERIALIZED ({sums})"));
        }
        selects.push(format!(
            "SELECT CAST({nth} AS BIGINT) AS nth, CAST(0 AS BIGINT) AS part, CAST(0 AS BIGINT) AS value,
                CAST(0 AS BIGINT) AS number, {}
             FROM sums{nth} HAVING COUNT(*) > 0
             UNION ALL SELECT {nth}, 1, 0, 0, {PLAIN_SUMS} FROM sums{nth} WHERE value = 0
             UNION ALL SELECT {nth}, 2, {from}",
            added()
        ));
    }
    let text = format!("WITH {} {}", tables.join(", "), selects.join(" UNION ALL "));
    let mut all: Vec<Found> = by.iter().map(|by| Found::new(*by)).collect();
    for row in tx.fetch_built(text, binder.0).await? {
        Found::read(&mut all, row)?;
    }
    let mut sum = None;
    for found in &mut all {
        if let Selection::Best(ranking) = selection {
            found.arrange(ranking.order, ranking.top);
        }
        if !scope.folds(found.by) {
            let total = match sum {
                Some(sum) => sum,
                None => total(tx, scope, range).await?,
            };
            (found.total.now, sum) = (total, Some(total));
        }
    }
    Ok(all)
}

fn stored(parts: Vec<(Part, String)>) -> Vec<(Source, String)> {
    let source = |part| match part {
        Part::Rows(_) => Source::Rows,
        Part::Days(..) | Part::Months(_) => Source::Stored,
    };
    parts.into_iter().map(|(part, rows)| (source(part), rows)).collect()
}

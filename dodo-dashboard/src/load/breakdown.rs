use dodo_ledger::{
    Error,
    query::{Compared, Sums},
};

use super::{
    Loader, PAGE_ROWS,
    funnel::is_counted,
    money::{Groups, change, none_label},
};
use crate::{
    format,
    page::{Block, Sheet},
    question::{By, Condition, Page, Question, Sort},
    table::{Cell, Column, Kind, Row, Table},
};

static COLUMNS: [Column; 9] = [
    Column::new("value", "Name", Kind::Text),
    Column::new("net", "Net", Kind::Money).sorted_by(Sort::Net),
    Column::new("share", "Share", Kind::Percent),
    Column::new("charges", "Payments", Kind::Count).sorted_by(Sort::Charges),
    Column::new("customers", "New customers", Kind::Count).sorted_by(Sort::Customers),
    Column::new("average", "Average", Kind::Money),
    Column::new("refunds", "Refunds with tax", Kind::Money),
    Column::new("refund_rate", "Refund rate", Kind::Percent),
    Column::new("change", "Change", Kind::Change),
];

/// The columns of a card.
const SHORT: [usize; 4] = [0, 1, 3, 8];

impl Loader<'_> {
    pub(super) async fn breakdown(&self) -> Result<Sheet, Error> {
        let by = self.question.by;
        let mut blocks = vec![self.dimensions("Group by", Page::Breakdown, Some(by))];
        let dimension = by.dimension();
        let order = (self.question.sort, self.question.ascending);
        let (after, limit) = (self.question.cursor(), self.rows(PAGE_ROWS));
        let has_chart = self.wants("net")
            && after.is_none()
            && self.question.table.as_deref() != Some("breakdown");
        let (groups, chart) = if has_chart {
            let (mut groups, flow) = self.charted(&[dimension], order, after, limit).await?;
            (groups.pop().unwrap_or_default(), Some(self.chart_of(by, &flow).await?))
        } else {
            (self.groups(dimension, order, after, limit).await?, None)
        };
        let table = self.long_table(by, groups);
        let mut text = format!("{}: {}.", by.title(), by.meaning());
        if table.rows.iter().any(|row| row.link.is_some()) {
            text.push_str(" Click a name in the table to filter by it. The filter stays on the other pages until you remove it.");
        }
        blocks.push(Block::Note { text, link: None, is_warning: false });
        blocks.extend(chart.map(Block::Chart));
        blocks.push(Block::Table(table));
        let heading = format!("Net by {}", by.title().to_lowercase());
        Ok(Sheet { heading, blocks, ..Sheet::default() })
    }

    /// Links to a page by each of its dimensions.
    pub(super) fn dimensions(&self, label: &'static str, page: Page, chosen: Option<By>) -> Block {
        let has = |by: &&By| page != Page::Funnel || is_counted(**by);
        let choices = By::ALL.iter().filter(has).map(|other| {
            let mut to = self.question.on(page);
            to.by = *other;
            (other.title().to_owned(), to, Some(*other) == chosen)
        });
        Block::Choice { label, choices: choices.collect() }
    }

    fn long_table(&self, by: By, groups: Groups) -> Table {
        let mut table = Table::new(
            "breakdown",
            format!("By {}", by.title().to_lowercase()),
            &COLUMNS,
            self.unit,
        );
        table.sorts = true;
        table.total = Some(self.cells("Total", &groups.total, &groups.total));
        table.count = Some(groups.count);
        (table.pages, table.next) = (true, groups.next.clone());
        table.with_rows(self.group_rows(by, &groups))
    }

    /// A table with fewer columns, for a card.
    pub(super) fn short_table(&self, name: &'static str, by: By, groups: Groups) -> Table {
        let columns: Vec<Column> =
            SHORT.iter().filter_map(|at| COLUMNS.get(*at)).cloned().collect();
        let mut table =
            Table::new(name, format!("By {}", by.title().to_lowercase()), &columns, self.unit);
        table.count = Some(groups.count);
        let mut rows = self.group_rows(by, &groups);
        for row in &mut rows {
            row.cells = SHORT.iter().filter_map(|at| row.cells.get(*at)).cloned().collect();
        }
        table.with_rows(rows)
    }

    fn group_rows(&self, by: By, groups: &Groups) -> Vec<Row> {
        let dimension = by.dimension();
        let most = groups
            .rows
            .iter()
            .map(|(_, sums)| sums.now.net)
            .chain([groups.none.now.net])
            .max()
            .unwrap_or(0);
        let bar = |sums: &Compared| {
            let length = if most > 0 { sums.now.net.max(0) * 1000 / most } else { 0 };
            u32::try_from(length).ok()
        };
        let mut rows: Vec<Row> = groups
            .rows
            .iter()
            .map(|(value, sums)| {
                let mut row =
                    Row::new(self.cells(&self.named(dimension, value), sums, &groups.total));
                row.link = self.filtered(by, Some(value));
                row.bar = bar(sums);
                row
            })
            .collect();
        let nothing = Sums::default();
        if groups.none.now != nothing || groups.none.before.unwrap_or_default() != nothing {
            let mut row = Row::new(self.cells(none_label(by), &groups.none, &groups.total));
            row.link = self.filtered(by, None);
            row.bar = bar(&groups.none);
            row.aside = true;
            rows.push(row);
        }
        rows
    }

    /// The page with one condition more.
    fn filtered(&self, by: By, value: Option<&str>) -> Option<Question> {
        let value = value.map(str::to_owned);
        let mut to = self.question.with(Condition { by, value, excluded: false })?;
        if to.page == Page::Breakdown && by == to.by {
            // The next question is about the parts of this value.
            to.by = inside(by);
        }
        Some(to)
    }

    fn cells(&self, name: &str, sums: &Compared, total: &Compared) -> Vec<Cell> {
        let now = &sums.now;
        let share = (now.net >= 0).then(|| format::tenths(now.net, total.now.net)).flatten();
        vec![
            Cell::text(name),
            Cell::Money(now.net),
            Cell::percent(share),
            Cell::Count(now.charges),
            Cell::Count(now.new_customers),
            Cell::money(now.average()),
            Cell::Money(now.refunds_gross),
            Cell::percent(now.refund_rate().map(i128::from)),
            Cell::Change(change(sums, |sums| sums.net)),
        ]
    }
}

/// The dimension that divides the rows of one value further.
const fn inside(by: By) -> By {
    match by {
        By::Channel | By::Medium => By::Source,
        By::Source => By::Campaign,
        By::Campaign => By::Content,
        By::Content | By::Term | By::Link | By::Lead | By::Referrer => By::Landing,
        By::Landing | By::Device | By::Country | By::Kind | By::Reason => By::Product,
        By::Product => By::Source,
    }
}

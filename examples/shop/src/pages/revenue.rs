//! Who brought which money.

use dodo_core::capture::Campaign;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::{
    money,
    revenue::{
        Booking, Columns, CurrencyReport, Earner, Explanation, Filter, Kind, Report, Sum, source_of,
    },
};

/// How many sources have a color of their own.
const COLOURS: usize = 6;
/// How many days the chart shows when no dates are chosen.
const DAYS: i32 = 14;
/// The most visitors and campaigns that the table lists; the sums are over all of them.
const MOST_EARNERS: usize = 100;

/// What the revenue page shows.
#[derive(Clone, Debug)]
pub(crate) struct RevenueView {
    pub(crate) filter: Filter,
    pub(crate) report: Report,
    /// Newest first.
    pub(crate) bookings: Vec<Booking>,
    pub(crate) now: Timestamp,
}

pub(crate) fn revenue(chrome: Chrome<'_>, tag: &str, view: &RevenueView) -> Markup {
    let Filter { from, to } = view.filter;
    let live = format!("/live/revenue{}", view.filter.query());
    chrome.page(
        "Revenue",
        Tab::Revenue,
        html! {
            div.between {
                div {
                    h1 { "Revenue" }
                    p.live { "Live: every webhook shows up here" }
                }
                form.filters method="get" action="/revenue" {
                    label { "From" input type="date" name="from" value=[from.map(|d| d.to_string())]; }
                    label { "To" input type="date" name="to" value=[to.map(|d| d.to_string())]; }
                    button.button.quiet { "Show" }
                    @if view.filter != Filter::default() { a.small href="/revenue" { "All dates" } }
                }
            }
            div data-live=(live) data-tag=(tag) { (revenue_live(view)) }
        },
    )
}

/// The part that changes with every booked payment.
pub(crate) fn revenue_live(view: &RevenueView) -> Markup {
    html! {
        @if view.report.currencies.is_empty() {
            div.card.empty.currency {
                @if view.filter != Filter::default() { h3 { "No revenue on these days" } }
                @else { h3 { "No revenue yet" } }
                p { "Buy something in " a href="/" { "the shop" } ", or come by "
                    a href="/?utm_source=newsletter&utm_medium=email&utm_campaign=autumn" { "a campaign link" }
                    " first, and watch it appear here." }
            }
        }
        @for currency in &view.report.currencies { (currency_part(view, currency)) }
        @if !view.bookings.is_empty() { (bookings(&view.bookings)) }
    }
}

fn currency_part(view: &RevenueView, of: &CurrencyReport) -> Markup {
    let show = |minor| money::display(minor, of.currency, of.exponent);
    let legend: Vec<&str> = view.report.legend.iter().map(String::as_str).collect();
    html! {
        section.currency data-currency=(of.currency) {
            h2 { (of.currency) }
            div.card {
                div.tiles {
                    div.tile { span { "Net revenue" } b.num data-total="net" { (show(of.total.net)) } }
                    div.tile { span { "Gross" } b.num data-total="gross" { (show(of.total.gross)) } }
                    div.tile { span { "Tax" } b.num data-total="tax" { (show(of.total.tax)) } }
                }
                ul.kinds {
                    @for (kind, sum) in &of.kinds {
                        li { (kind.label()) " (" (sum.count) ") " b.num { (show(sum.net)) } }
                    }
                }
            }
            div.charts {
                div.card.pad.chart { h3 { "Net by day" } (columns(view, of, &legend)) }
                div.card.pad.chart { h3 { "Net by source" } (bars(of, &legend)) }
            }
            div.card.overflow {
                div.caption { h3 { "By visitor and campaign" } }
                (earners(of, &legend))
            }
        }
    }
}

fn columns(view: &RevenueView, of: &CurrencyReport, legend: &[&str]) -> Markup {
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let last = of.days.keys().next_back().copied().unwrap_or(today);
    // Columns of days that have not come would push out those that have.
    let end = last.max(today);
    let to = view.filter.to.map_or(end, |to| to.min(end));
    let from = view.filter.from.unwrap_or_else(|| to.saturating_sub((DAYS - 1).days()));
    let chart = Columns::new(&of.days, legend, from, to);
    let show = |minor| money::display(minor, of.currency, of.exponent);
    let width = chart.days.len().max(1) * 100;
    let first = chart.days.first().map_or(from, |(day, _)| *day);
    let label = if first.year() == to.year() { "%-d %b" } else { "%-d %b %Y" };
    html! {
        div.plot {
            div.ys.num aria-hidden="true" { @for tick in chart.ticks.values() { span { (show(tick)) } } }
            svg viewBox=(format!("0 0 {width} 1000")) preserveAspectRatio="none" role="img"
                aria-label=(format!("Net revenue in {} by day and source", of.currency)) {
                @for tick in chart.ticks.values() {
                    @let y = chart.ticks.y(tick.into());
                    line class=(if tick == 0 { "grid zero" } else { "grid" }) x1="0" x2=(width) y1=(y) y2=(y) {}
                }
                @for (at, (day, blocks)) in chart.days.iter().enumerate() {
                    @for block in blocks {
                        rect class=(color(block.source)) x=(at * 100 + 18) width="64" y=(block.top) height=(block.height.max(4)) {
                            title { (day) ": " (legend.get(block.source).unwrap_or(&"")) " " (show(block.value)) }
                        }
                    }
                }
            }
            div.xs aria-hidden="true" {
                span { (first.strftime(label)) }
                @if chart.days.len() > 2 {
                    @if let Some((middle, _)) = chart.days.get(chart.days.len() / 2) { span { (middle.strftime(label)) } }
                }
                @if chart.days.len() > 1 { span { (to.strftime(label)) } }
            }
        }
    }
}

fn bars(of: &CurrencyReport, legend: &[&str]) -> Markup {
    let most = of.sources.iter().map(|(_, sum)| sum.net.unsigned_abs()).max().unwrap_or(0).max(1);
    html! {
        ul.bars {
            @for (source, sum) in &of.sources {
                @let at = place(legend, source);
                @let share = u128::from(sum.net.unsigned_abs()) * 1000 / u128::from(most);
                li data-source=(source) {
                    div.between {
                        span { i.dot.(color(at)) {} (source) }
                        (amount(sum.net, of))
                    }
                    svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                        rect.(color(at)) width=(share) height="10" {}
                    }
                }
            }
        }
    }
}

fn earners(of: &CurrencyReport, legend: &[&str]) -> Markup {
    html! {
        table.table.earners {
            thead { tr {
                th { "Visitor" } th { "Source" } th { "Campaign" } th { "Payments" }
                th.r { "Gross" } th.r { "Tax" } th.r { "Net" }
            } }
            tbody {
                @for earner in of.earners.iter().take(MOST_EARNERS) { (earner_row(of, legend, earner)) }
            }
        }
        @if of.earners.len() > MOST_EARNERS {
            p.muted { "The " (MOST_EARNERS) " that earned most, of " (of.earners.len()) "." }
        }
    }
}

fn earner_row(of: &CurrencyReport, legend: &[&str], earner: &Earner) -> Markup {
    let Earner { visitor, campaign, channel, total, kinds } = earner;
    let source = source_of(campaign, *channel);
    let at = place(legend, source);
    html! {
        tr data-visitor=(visitor.as_deref().unwrap_or("")) data-source=(source) {
            td data-label="Visitor" { (who(visitor.as_deref())) }
            td data-label="Source" {
                span { i.dot.(color(at)) {} (source)
                    @if let Some(medium) = &campaign.medium { span.muted { " / " (medium) } } }
            }
            td data-label="Campaign" { (campaign_name(campaign)) }
            td data-label="Payments" { span.small { (kinds_text(kinds.iter())) } }
            td.r.num data-label="Gross" { (amount(total.gross, of)) }
            td.r.num data-label="Tax" { (amount(total.tax, of)) }
            td.r.num data-label="Net" { strong { (amount(total.net, of)) } }
        }
    }
}

/// `1 one-time, 2 renewals` without pretending to know every plural.
fn kinds_text<'a>(kinds: impl Iterator<Item = (&'a Kind, &'a Sum)>) -> String {
    kinds
        .map(|(kind, sum)| format!("{} × {}", sum.count, kind.label().to_lowercase()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn bookings(bookings: &[Booking]) -> Markup {
    html! {
        section.currency {
            h2 { "Every booking" }
            div.card.overflow {
                table.table.bookings {
                    thead { tr {
                        th { "When" } th { "What" } th { "Visitor" } th { "Source" } th.r { "Gross" } th.r { "Net" } th {}
                    } }
                    tbody { @for booking in bookings { (booking_row(booking)) } }
                }
            }
        }
    }
}

fn booking_row(booking: &Booking) -> Markup {
    let Booking { id, at, kind, product, visitor, campaign, channel, money } = booking;
    let show = |pick: fn(&dodo_core::money::Money) -> i64| match money {
        Some(m) => signed(pick(m), m.currency, m.exponent),
        None => html! { span.muted { "unknown" } },
    };
    html! {
        tr data-booking=(id) data-kind=(kind.label()) {
            td.num data-label="When" { (at.strftime("%-d %b, %H:%M:%S")) }
            td data-label="What" { span { (kind.label())
                @if let Some(product) = product { span.muted { " · " (product) } } } }
            td data-label="Visitor" { (who(visitor.as_deref())) }
            td data-label="Source" { (source_of(campaign, *channel)) }
            td.r.num data-label="Gross" { (show(|m| m.gross)) }
            td.r.num data-label="Net" { strong { (show(|m| m.net)) } }
            td.r data-label="" { a.small href=(format!("/revenue/{id}")) { "Why?" } }
        }
    }
}

/// One booking, and how it found its visitor and campaign.
pub(crate) fn explain(chrome: Chrome<'_>, of: &Explanation) -> Markup {
    let Booking { id, at, kind, product, visitor, campaign, channel, money } = &of.booking;
    chrome.page(
        "How this was attributed",
        Tab::Revenue,
        html! {
            p.small { a href="/revenue" { "← Revenue" } }
            h1 { "How this was attributed" }
            p.muted { (kind.label()) @if let Some(product) = product { " · " (product) } " · " (at.strftime("%-d %B %Y, %H:%M:%S UTC")) }
            div.two.below {
                section.card.pad {
                    h3 { "The money" }
                    dl.facts.small {
                        @if let Some(m) = money {
                            dt { "Gross" } dd.num { (signed(m.gross, m.currency, m.exponent)) }
                            dt { "Tax" } dd.num { @match m.tax { Some(tax) => (signed(tax, m.currency, m.exponent)), None => "not known" } }
                            dt { "Net" } dd.num { strong { (signed(m.net, m.currency, m.exponent)) } }
                        } @else { dt { "Amount" } dd { "not known" } }
                        dt { "Visitor" } dd { (who(visitor.as_deref())) }
                        dt { "Source" } dd { (source_of(campaign, *channel)) }
                        dt { "Campaign" } dd { (campaign_name(campaign)) }
                        dt { "Record" } dd { code { (id) } }
                        @for (name, value) in &of.facts { dt { (name) } dd { code { (value) } } }
                    }
                }
                section.card.pad {
                    h3 { "The reasons" }
                    ol.chain { @for sentence in &of.sentences { li { (sentence) } } }
                    @if !of.hints.is_empty() {
                        h3 { "What to look at" }
                        ul.chain { @for hint in &of.hints { li { (hint) } } }
                    }
                }
            }
        },
    )
}

fn who(visitor: Option<&str>) -> Markup {
    html! { @match visitor {
        Some(visitor) => code title=(visitor) { (shortened(visitor)) },
        None => span.muted { "unknown" },
    } }
}

/// Enough of an id to tell two apart.
fn shortened(id: &str) -> String {
    const SHOWN: usize = 12;
    if id.chars().count() <= SHOWN + 1 {
        return id.to_owned();
    }
    format!("{}…", id.chars().take(SHOWN).collect::<String>())
}

fn campaign_name(campaign: &Campaign) -> Markup {
    html! { @match campaign.campaign_id.as_deref().or(campaign.link_id.as_deref()) {
        Some(name) => (name),
        None => span.muted { "–" },
    } }
}

fn amount(minor: i64, of: &CurrencyReport) -> Markup {
    signed(minor, of.currency, of.exponent)
}

fn signed(minor: i64, currency: dodo_core::money::Currency, exponent: u8) -> Markup {
    html! { span.num.neg[minor < 0] { (money::display(minor, currency, exponent)) } }
}

/// Where a source is in the legend.
fn place(legend: &[&str], source: &str) -> usize {
    legend.iter().position(|name| *name == source).unwrap_or(COLOURS)
}

fn color(source: usize) -> String {
    format!("s{}", source.min(COLOURS - 1))
}

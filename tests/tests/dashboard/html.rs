//! Reads a page as a person does: labels, links, numbers.

/// The text without its tags.
pub(crate) fn text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        rest = after.split_once('>').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let plain =
        out.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every link: its text and its address.
pub(crate) fn links(html: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for part in html.split("<a ").skip(1) {
        let Some((tag, rest)) = part.split_once('>') else { continue };
        let label = rest.split_once("</a>").map_or("", |(label, _)| label);
        let Some((_, href)) = tag.split_once("href=\"") else { continue };
        let href = href.split_once('"').map_or("", |(href, _)| href).replace("&amp;", "&");
        all.push((text(label), href));
    }
    all
}

/// The section with this heading.
pub(crate) fn section<'a>(html: &'a str, title: &str) -> Option<&'a str> {
    html.split("<section").skip(1).find_map(|part| {
        let part = part.split_once("</section>").map_or(part, |(part, _)| part);
        let (_, heading) = part.split_once("<h2")?;
        let (_, heading) = heading.split_once('>')?;
        let heading = heading.split_once("</h2>")?.0;
        text(heading).starts_with(title).then_some(part)
    })
}

/// The number of a tile.
pub(crate) fn tile(html: &str, label: &str) -> Option<String> {
    let (_, after) = html.split_once(&format!("<h2>{label}</h2>"))?;
    let (_, value) = after.split_once("<p class=\"value\">")?;
    Some(text(value.split_once("</p>")?.0))
}

/// The cell of a table by the titles of its section and column, and the first cell of its row.
pub(crate) fn cell(html: &str, table: &str, row: &str, column: &str) -> Option<String> {
    let cells = |part: &str| -> Vec<String> {
        let opened = part.replace("<th", "\u{1}<").replace("<td", "\u{1}<");
        opened
            .split('\u{1}')
            .skip(1)
            .map(|cell| text(cell).trim_end_matches(" ↓").to_owned())
            .collect()
    };
    let part = section(html, table)?;
    let (_, part) = part.split_once("<table").filter(|_| part.contains("<table"))?;
    let rows: Vec<Vec<String>> = part.split("<tr").skip(1).map(cells).collect();
    let at = rows.first()?.iter().position(|title| title == column)?;
    rows.iter().find(|cells| cells.first().is_some_and(|first| first == row))?.get(at).cloned()
}

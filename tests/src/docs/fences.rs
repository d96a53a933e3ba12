//! The code blocks of a page.

/// One fenced block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// The first word behind the fence.
    pub language: &'a str,
    /// The other words behind it.
    pub words: &'a str,
    /// The lines between the fences.
    pub text: &'a str,
}

/// The fenced blocks of a page, in order.
///
/// # Panics
/// If a fence is open at the end of the page.
#[must_use]
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str, usize)> = None;
    let mut at = 0;
    for (number, line) in page.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let Some(info) = line.trim().strip_prefix("```") else { continue };
        open = match open {
            None => Some((number + 1, info.trim(), at)),
            Some((line, info, begin)) => {
                let (language, words) = info.split_once(' ').unwrap_or((info, ""));
                blocks.push(Block { line, language, words, text: &page[begin..start] });
                None
            }
        };
    }
    assert_eq!(open, None, "a fence is open at the end of the page");
    blocks
}

/// The text of a page without its fenced blocks and its tables, with line numbers.
pub fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence && !line.starts_with('|')).then_some((number + 1, line))
    })
}

//! The prose of a file.

use super::shape;

/// The place of a text in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Comment lines that follow each other.
    Comment,
    /// A string literal with a blank in it.
    Literal,
    /// The name of a test, with blanks for its underscores.
    Name,
    /// A paragraph or a list item of a page.
    Paragraph,
    /// A heading of a page, or the subject of a commit.
    Heading,
    /// A cell of a table in a page.
    Cell,
    /// A line of a page that is generated from code.
    Generated,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its first line, from 1.
    pub line: usize,
    /// Its place.
    pub kind: Kind,
    /// The text, in one line.
    pub prose: String,
}

impl Text {
    fn new(line: usize, kind: Kind, prose: impl Into<String>) -> Self {
        Self { line, kind, prose: prose.into() }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    Rust,
    Page,
    /// A script or settings, and the characters that begin a comment.
    Script(&'static str),
}

fn language(path: &str) -> Option<Language> {
    let file = path.rsplit('/').next().unwrap_or(path);
    // Data, listings and programs of others.
    if path.contains("/data/") || path.starts_with("fuzz/seeds/") || file.contains(".min.") {
        return None;
    }
    Some(match file.rsplit_once('.').map(|(_, ending)| ending) {
        Some("rs") => Language::Rust,
        Some("md") => Language::Page,
        Some("txt") if file == "llms.txt" => Language::Page,
        Some("js" | "mjs" | "css") => Language::Script("//"),
        Some("toml" | "py" | "yml" | "conf" | "cfg" | "vcl") => Language::Script("#"),
        None if ["run", "rustc", "public-api", "Dockerfile", "Caddyfile"].contains(&file) => {
            Language::Script("#")
        }
        _ => return None,
    })
}

/// Whether the check reads this file.
#[must_use]
pub fn is_read(path: &str) -> bool {
    language(path).is_some()
}

/// The texts of a file.
#[must_use]
pub fn read(path: &str, content: &str) -> Vec<Text> {
    match language(path) {
        Some(Language::Rust) => rust(content),
        Some(Language::Page) => page(content),
        Some(Language::Script(comment)) => script(content, comment),
        None => Vec::new(),
    }
}

/// Lines joined to texts. An empty line, a list item, a heading or a row of a table begins a text.
#[derive(Default)]
struct Joined {
    texts: Vec<Text>,
    open: bool,
}

impl Joined {
    fn add(&mut self, line: usize, kind: Kind, prose: &str) {
        let prose = prose.trim();
        let begins = item(prose).is_some() || prose.starts_with(['#', '|']) || is_fence(prose);
        match self.texts.last_mut() {
            Some(last) if self.open && !begins && last.kind == kind => {
                last.prose.push(' ');
                last.prose.push_str(prose);
            }
            _ => self.texts.push(Text::new(line, kind, item(prose).unwrap_or(prose))),
        }
        self.open = !prose.is_empty() && !is_fence(prose);
    }

    fn close(&mut self) {
        self.open = false;
    }

    /// A text that no line continues.
    fn add_alone(&mut self, line: usize, kind: Kind, prose: &str) {
        self.close();
        self.add(line, kind, prose);
        self.close();
    }
}

fn is_fence(line: &str) -> bool {
    line.starts_with("```")
}

/// The text of a list item.
fn item(line: &str) -> Option<&str> {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = (number != line).then(|| number.strip_prefix(". ")).flatten();
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).or(numbered)
}

fn rust(content: &str) -> Vec<Text> {
    let mut comments = Joined::default();
    let mut texts = Vec::new();
    let mut rest = content;
    let (mut line, mut counted, mut last_comment) = (1, 0, 0);
    while let Some(c) = rest.chars().next() {
        let at = content.len() - rest.len();
        line += content[counted..at].matches('\n').count();
        counted = at;
        let mut literal = |text: &str| {
            // A line that ends in a backslash continues.
            let text = text.replace("\\\n", " ");
            let lines = text.lines().flat_map(|line| line.split("\\n")).map(one_line);
            texts.extend(
                lines
                    .filter(|text| text.contains(' '))
                    .map(|text| Text::new(line, Kind::Literal, text)),
            );
        };
        if let Some(comment) = rest.strip_prefix("//") {
            let (text, after) = comment.split_at(comment.find('\n').unwrap_or(comment.len()));
            if last_comment + 1 != line {
                comments.close();
            }
            comments.add(line, Kind::Comment, text.trim_start_matches(['/', '!']));
            last_comment = line;
            rest = after;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let (text, after) = comment.split_once("*/").unwrap_or((comment, ""));
            comments.add_alone(line, Kind::Comment, &one_line(text));
            rest = after;
        } else if let Some((text, after)) = raw_literal(rest) {
            literal(text);
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_at(end_of_literal(quoted));
            literal(text);
            rest = after.strip_prefix('"').unwrap_or(after);
        } else if let Some(after) = after_character(rest) {
            rest = after;
        } else if c.is_alphanumeric() || c == '_' {
            rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    texts.extend(comments.texts);
    texts.extend(test_names(content));
    texts.sort_by_key(|text| text.line);
    texts
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn raw_literal(rest: &str) -> Option<(&str, &str)> {
    let inner = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let unquoted = inner.trim_start_matches('#');
    let end = format!("\"{}", &inner[..inner.len() - unquoted.len()]);
    unquoted.strip_prefix('"')?.split_once(&end)
}

fn end_of_literal(literal: &str) -> usize {
    let mut escaped = false;
    let end = literal.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.unwrap_or(literal.len())
}

/// The rest after a character such as `'"'`. A lifetime is not a character.
fn after_character(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let mut letters = escape.chars();
        letters.next()?;
        return letters.as_str().split_once('\'').map(|(_, after)| after);
    }
    let mut letters = inner.chars();
    letters.next()?;
    letters.as_str().strip_prefix('\'')
}

/// The functions under `#[test]`, `#[tokio::test]` and the like, and those that a macro runs on every
/// store.
fn test_names(content: &str) -> impl Iterator<Item = Text> {
    let mut is_test = false;
    content.lines().enumerate().filter_map(move |(number, line)| {
        let line = line.trim();
        if let Some(attribute) = line.strip_prefix("#[") {
            let attribute = attribute.split(['(', ']']).next().unwrap_or_default();
            is_test |= attribute == "test" || attribute.ends_with("::test");
            return None;
        }
        if line.starts_with("//") {
            return None;
        }
        let is_test = std::mem::take(&mut is_test);
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        let name = function.split(['(', '<']).next()?.replace('_', " ");
        let is_test = is_test || function.contains("(store: &TestStore)");
        is_test.then(|| Text::new(number + 1, Kind::Name, name))
    })
}

fn page(content: &str) -> Vec<Text> {
    let mut joined = Joined::default();
    let (mut fenced, mut generated) = (false, false);
    for (number, line) in content.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if is_fence(line) {
            fenced = !fenced;
            joined.close();
        } else if fenced {
            continue;
        } else if line.starts_with("<!--") {
            generated = (generated || line.contains("begin -->")) && !line.contains("end -->");
            joined.close();
        } else if line.is_empty() {
            joined.close();
        } else if line.starts_with('|') {
            let kind = if generated { Kind::Generated } else { Kind::Cell };
            shape::cells(line).for_each(|cell| joined.add_alone(number, kind, cell));
        } else if line.starts_with('#') {
            joined.add_alone(number, Kind::Heading, line.trim_start_matches(['#', ' ']));
        } else {
            let kind = if generated { Kind::Generated } else { Kind::Paragraph };
            joined.add(number, kind, line.trim_start_matches("> "));
        }
    }
    joined.texts
}

/// Comments and double-quoted literals.
fn script(content: &str, comment: &str) -> Vec<Text> {
    let mut comments = Joined::default();
    let mut literals = Vec::new();
    for (number, line) in content.lines().enumerate() {
        let at = line.match_indices(comment).map(|(at, _)| at);
        let start = at.into_iter().find(|at| *at == 0 || line[..*at].ends_with(' '));
        let (code, text) = line.split_at(start.unwrap_or(line.len()));
        let quoted = code.split('"').skip(1).step_by(2).filter(|text| text.contains(' '));
        literals.extend(quoted.map(|text| Text::new(number + 1, Kind::Literal, text)));
        if !code.trim().is_empty() || text.is_empty() {
            comments.close();
        }
        if !text.is_empty() {
            comments.add(number + 1, Kind::Comment, text.trim_start_matches(comment));
        }
    }
    comments.texts.into_iter().chain(literals).collect()
}

//! Phrases and names that a reader must read twice.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::{Finding, text::Text};

const WORDS: &str = include_str!("../../data/word-check/words.tsv");
const NAMES: &str = include_str!("../../data/word-check/names.txt");

struct Pattern {
    name: &'static str,
    regex: Regex,
    advice: &'static str,
}

/// All patterns in one, without their look-around: a text that it does not match has no finding. It is
/// searched first, because most texts have none.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let patterns: Vec<String> =
        PATTERNS.iter().map(|pattern| without_look_around(pattern.regex.as_str())).collect();
    Regex::new(&patterns.join("|")).expect("a pattern")
});

fn without_look_around(pattern: &str) -> String {
    let starts = ["(?=", "(?!", "(?<"].iter().filter_map(|sign| pattern.find(sign));
    let Some(start) = starts.min() else { return pattern.to_owned() };
    let (mut depth, mut in_class) = (0, false);
    let end = pattern[start..].find(|c| {
        in_class = (in_class || c == '[') && c != ']';
        depth += i32::from(c == '(' && !in_class) - i32::from(c == ')' && !in_class);
        depth == 0
    });
    let end = start + end.expect("a group ends");
    without_look_around(&[&pattern[..start], &pattern[end + 1..]].concat())
}

fn is_match(regex: &Regex, text: &str) -> bool {
    regex.is_match(text).expect("a search within the limits of the engine")
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let lines = WORDS.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().expect("three columns: name, pattern, advice");
            let (name, pattern, advice) = (column(), column(), column());
            let regex = Regex::new(&format!("(?i:{pattern})")).expect("a pattern");
            Pattern { name, regex, advice }
        })
        .collect()
});

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    let names: Vec<&str> =
        NAMES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let keyword = r"(?:(?:const |async |unsafe )*(?:fn|struct|enum|trait|type|mod|const|static) )?";
    let pattern = format!(r"^\s*pub(?:\([^)]*\))? {keyword}(?:{})\b", names.join("|"));
    Regex::new(&pattern).expect("a pattern")
});

/// The names of all patterns.
pub fn names() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|pattern| pattern.name)
}

/// The phrases in the texts of a file.
#[must_use]
pub fn check(path: &str, texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts {
        let prose = without_code(&text.prose);
        if !is_match(&ANY, &prose) {
            continue;
        }
        for pattern in PATTERNS.iter() {
            if is_match(&pattern.regex, &prose) {
                findings.push(Finding {
                    path: path.to_owned(),
                    line: text.line,
                    check: pattern.name.to_owned(),
                    text: text.prose.clone(),
                    advice: format!("write: {}", pattern.advice),
                });
            }
        }
    }
    findings
}

/// The names of items that another name replaces.
#[must_use]
pub fn check_names(path: &str, content: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let lines = content.lines().enumerate();
    lines
        .filter(|(_, line)| line.trim_start().starts_with("pub") && is_match(&ITEM, line))
        .map(|(number, line)| Finding {
            path: path.to_owned(),
            line: number + 1,
            check: "item-name".to_owned(),
            text: line.trim().to_owned(),
            advice: "take a name of docs/glossary.md".to_owned(),
        })
        .collect()
}

/// A text without its code between backticks. A single backtick stays.
fn without_code(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let unclosed = (parts.len().is_multiple_of(2)).then(|| parts.len() - 1);
    let is_prose = |number: usize| number.is_multiple_of(2) || Some(number) == unclosed;
    let prose = parts.iter().enumerate().filter(|(number, _)| is_prose(*number));
    prose.map(|(_, part)| *part).collect()
}

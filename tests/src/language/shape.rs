//! The length of sentences, table cells, test names and commit subjects, and the form of test names.

use super::{
    Finding,
    text::{Kind, Text},
    words,
};

/// The most words of a sentence in a page.
pub const SENTENCE: usize = 35;
/// The average sentence of a page has fewer words than this.
pub const AVERAGE: usize = 20;
/// The most words of a cell in a table.
pub const CELL: usize = 40;
/// The most characters of a test's name.
pub const NAME: usize = 60;
/// The most characters of a commit's subject.
pub const SUBJECT: usize = 60;

/// The texts of a file that are too long.
#[must_use]
pub fn check(path: &str, texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |line: usize, check: &str, text: &str, advice: String| {
        let (path, check, text) = (path.to_owned(), check.to_owned(), text.to_owned());
        findings.push(Finding { path, line, check, text, advice });
    };
    let mut lengths = Vec::new();
    for Text { line, kind, prose } in texts {
        match kind {
            Kind::Name if prose.chars().count() > NAME => {
                add(*line, "test-name", prose, format!("at most {NAME} characters"));
            }
            Kind::Name
                if ["a ", "an ", "the "].iter().any(|article| prose.starts_with(article)) =>
            {
                add(*line, "test-article", prose, "begin with the subject, without article".into());
            }
            Kind::Cell if count(prose) > CELL => {
                add(*line, "cell", prose, format!("{} words, at most {CELL}", count(prose)));
            }
            Kind::Paragraph => {
                for sentence in sentences(prose) {
                    let words = count(&sentence);
                    lengths.push(words);
                    if words > SENTENCE {
                        let advice = format!("{words} words, at most {SENTENCE}");
                        add(*line, "sentence", &sentence, advice);
                    }
                }
            }
            _ => {}
        }
    }
    let total: usize = lengths.iter().sum();
    if total > 0 && total >= AVERAGE * lengths.len() {
        let text = format!("{total} words in {} sentences", lengths.len());
        add(1, "average", &text, format!("fewer than {AVERAGE} words in an average sentence"));
    }
    findings
}

/// The faults of a commit's subject. `areas` are the words with which it may begin.
#[must_use]
pub fn check_subject(commit: &str, subject: &str, areas: &[String]) -> Vec<Finding> {
    let text = Text { line: 0, kind: Kind::Heading, prose: subject.to_owned() };
    let mut findings = words::check(commit, std::slice::from_ref(&text));
    let mut add = |check: &str, advice: String| {
        let (path, check, text) = (commit.to_owned(), check.to_owned(), subject.to_owned());
        findings.push(Finding { path, line: 0, check, text, advice });
    };
    if subject.chars().count() > SUBJECT {
        add("subject-length", format!("at most {SUBJECT} characters"));
    }
    if !subject.split_once(": ").is_some_and(|(area, _)| areas.iter().any(|a| a == area)) {
        add("subject-area", format!("begin with one of: {}", areas.join(", ")));
    }
    findings
}

/// The cells of a row. The row of lines under a head has none.
pub fn cells(row: &str) -> impl Iterator<Item = &str> {
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    let (mut in_code, mut escaped) = (false, false);
    inner
        .split(move |c| {
            in_code ^= c == '`';
            let ends = c == '|' && !in_code && !escaped;
            escaped = c == '\\';
            ends
        })
        .map(str::trim)
        .filter(|cell| cell.chars().any(|c| c != '-' && c != ':'))
}

/// The sentences of a text. A point inside of code ends none.
#[must_use]
pub fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut in_code = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        in_code ^= c == '`';
        sentence.push(c);
        let ends = sentence.trim_end_matches([')', '"', '*']).ends_with(['.', '!', '?']);
        if ends && !in_code && letters.peek().is_none_or(|next| next.is_whitespace()) {
            sentences.push(std::mem::take(&mut sentence));
        }
    }
    sentences.push(sentence);
    sentences.retain(|sentence| count(sentence) > 0);
    sentences
}

/// The number of words. Code between backticks is one word, and the target of a link is not counted.
#[must_use]
pub fn count(text: &str) -> usize {
    let mut plain = String::new();
    let mut in_code = false;
    for c in text.chars() {
        in_code ^= c == '`';
        plain.push(if in_code { 'x' } else { c });
    }
    let mut links = plain.split("](");
    let mut prose = links.next().unwrap_or_default().to_owned();
    for link in links {
        prose.push_str(link.split_once(')').map_or("", |(_, after)| after));
    }
    prose.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

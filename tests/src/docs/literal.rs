//! Literals of JavaScript and words of a shell, as pages write them.

use serde_json::{Map, Value};

/// Splits behind the parenthesis that closes an open one.
pub(super) fn until_closed(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) => quote = (open != c).then_some(open),
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '{' | '[') => depth += 1,
            (None, ')') if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            (None, ')' | '}' | ']') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Reads a literal of JavaScript; `JSON.stringify(..)` is the text of its argument.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader(text);
    let value = reader.value()?;
    reader.skip();
    if reader.0.is_empty() { Ok(value) } else { Err(format!("{:?} is not read", reader.0)) }
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix("//") {
                Some(comment) => self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return,
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        self.0.strip_prefix(token).map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("no {token:?} before {:?}", self.0)) }
    }

    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self.0.find(|c: char| !c.is_alphanumeric() && !"_.-+".contains(c));
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        word
    }

    fn text(&mut self) -> Result<Option<String>, String> {
        self.skip();
        let Some(quote) = self.0.chars().next().filter(|c| "\"'`".contains(*c)) else {
            return Ok(None);
        };
        let (text, rest) = self.0[1..].split_once(quote).ok_or("an open text")?;
        if text.contains('\\') || (quote == '`' && text.contains("${")) {
            return Err(format!("{text:?} is not plain text"));
        }
        self.0 = rest;
        Ok(Some(text.to_owned()))
    }

    fn value(&mut self) -> Result<Value, String> {
        if let Some(text) = self.text()? {
            return Ok(text.into());
        }
        if self.take("{") {
            let mut object = Map::new();
            while !self.take("}") {
                let name = match self.text()? {
                    Some(name) => name,
                    None => self.word().to_owned(),
                };
                self.expect(":")?;
                object.insert(name, self.value()?);
                if !self.take(",") {
                    self.expect("}")?;
                    break;
                }
            }
            return Ok(object.into());
        }
        if self.take("[") {
            let mut list = Vec::new();
            while !self.take("]") {
                list.push(self.value()?);
                if !self.take(",") {
                    self.expect("]")?;
                    break;
                }
            }
            return Ok(list.into());
        }
        match self.word() {
            "JSON.stringify" => {
                self.expect("(")?;
                let value = self.value()?;
                self.expect(")")?;
                Ok(value.to_string().into())
            }
            word => serde_json::from_str(word).map_err(|_| format!("{word:?} is not a literal")),
        }
    }
}

/// The words of a command. A variable, a pipe or another expansion is an error.
pub(super) fn shell_words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None | Some('"'), '$' | '`' | '\\') | (None, '|' | '>' | '<' | ';' | '&') => {
                return Err(format!("{line:?}: {c} is not read"));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(format!("{line:?}: an open quote")) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_and_code_is_not() {
        let literal = "{ a: 1, 'b-c': [\"x\", true,], body: JSON.stringify({ d: null }) // no\n }";
        let read = json!({ "a": 1, "b-c": ["x", true], "body": "{\"d\":null}" });
        assert_eq!(parse(literal), Ok(read));
        for code in ["{ a: f() }", "{ a }", "`${b}`", "[1", "1 2", "{ ...rest }"] {
            assert!(parse(code).is_err(), "{code}");
        }
    }

    #[test]
    fn shell_words_are_split_and_expansions_refused() {
        let words = shell_words("curl -d '{\"a\": 1}' \"http://x/y\" # why");
        assert_eq!(words.unwrap(), ["curl", "-d", "{\"a\": 1}", "http://x/y"]);
        for line in ["curl $URL", "curl x | jq", "curl 'x", "curl \"$x\""] {
            assert!(shell_words(line).is_err(), "{line}");
        }
    }
}

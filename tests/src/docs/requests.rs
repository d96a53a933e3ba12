//! The HTTP requests that a page shows, and the answers that it promises.
//!
//! A page shows a request in one of three ways:
//!
//! - a block `http`: a request, and below an empty line the answer from `HTTP/1.1 200` on;
//! - a block `js` with one `fetch(..)`; the page promises 200 and the fields that the script reads;
//! - a line of a block `sh` with `curl`; the page promises 2xx.
//!
//! A block `json` after it is the body of the answer. `...` in the page stands for any text. The words
//! `app=NAME` behind the fence choose the application. A block that shows a request in another way is an
//! error, so that none is left out in silence.

use http::Method;
use serde_json::Value;

use super::{
    fences::{Block, blocks, prose},
    literal,
};

/// Languages of blocks that hold no request.
const OTHER: [&str; 12] = [
    "rust",
    "toml",
    "sql",
    "text",
    "nginx",
    "apacheconf",
    "haproxy",
    "caddyfile",
    "vcl",
    "mermaid",
    "ini",
    "yaml",
];

/// A request of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The page and the line of the block.
    pub place: String,
    /// The application that answers it, if the page names one.
    pub app: Option<String>,
    /// The method.
    pub method: Method,
    /// A path, or a URL.
    pub target: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The promised answer.
    pub answer: Answer,
}

/// The promise of a page about an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; 2xx without it.
    pub status: Option<u16>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// A part of the JSON body.
    pub body: Option<Value>,
    /// Fields that are in the body.
    pub fields: Vec<String>,
}

/// All requests of a page.
///
/// # Errors
/// The places that show a request in a form that is not read.
pub fn requests(name: &str, page: &str) -> Result<Vec<Request>, Vec<String>> {
    let (mut found, mut failures) = (Vec::<Request>::new(), Vec::new());
    let mut answers_last = false;
    for block in blocks(page) {
        let place = format!("{name}:{}", block.line);
        let read = match block.language.split(',').next().unwrap_or_default() {
            "http" => http_block(block.text).map(|one| vec![one]),
            "js" | "javascript" | "ts" | "html" => js_block(block.text),
            "sh" | "console" | "bash" => shell_block(block.text),
            "json" if block.words == "no-request" => Ok(Vec::new()),
            "json" => match found.last_mut().filter(|_| answers_last) {
                Some(request) => match serde_json::from_str(block.text) {
                    Ok(body) => {
                        request.answer.body = Some(body);
                        Ok(Vec::new())
                    }
                    Err(error) => Err(format!("not JSON: {error}")),
                },
                None => Err("`json` is neither the answer of a request nor marked".to_owned()),
            },
            language if OTHER.contains(&language) => no_request(block),
            language => Err(format!("the language {language:?} is not known")),
        };
        match read {
            Ok(requests) => {
                answers_last = !requests.is_empty();
                let app = block.words.split(' ').find_map(|word| word.strip_prefix("app="));
                found.extend(requests.into_iter().map(|request| Request {
                    place: place.clone(),
                    app: app.map(Into::into),
                    ..request
                }));
            }
            Err(why) => failures.push(format!("{place}: {why}")),
        }
    }
    for (line, text) in prose(page) {
        let codes = text.split('`').skip(1).step_by(2);
        let object =
            |code: &&str| code.contains(':') && serde_json::from_str::<Value>(code).is_ok();
        for body in codes.filter(|code| code.starts_with('{')).filter(object) {
            failures.push(format!("{name}:{line}: {body}: show it as a block `http`"));
        }
    }
    if failures.is_empty() { Ok(found) } else { Err(failures) }
}

fn no_request(block: Block<'_>) -> Result<Vec<Request>, String> {
    let rust = block.language.starts_with("rust");
    if !rust && ["curl ", "fetch("].iter().any(|word| block.text.contains(word)) {
        return Err(format!("a request in a block of the language {:?}", block.language));
    }
    Ok(Vec::new())
}

fn request(method: &str, target: &str) -> Result<Request, String> {
    Ok(Request {
        place: String::new(),
        app: None,
        method: method.parse().map_err(|_| format!("{method:?} is not a method"))?,
        target: target.to_owned(),
        headers: Vec::new(),
        body: String::new(),
        answer: Answer::default(),
    })
}

/// A request, and its answer if one follows.
fn http_block(text: &str) -> Result<Request, String> {
    // A block in a list is indented.
    let text = text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
    let (asked, answered) = match text.find("\nHTTP/1.1 ") {
        Some(at) => (&text[..at + 1], Some(&text[at + 1..])),
        None => (text.as_str(), None),
    };
    let (first, headers, body) = message(asked)?;
    let (method, target) = first.split_once(' ').ok_or("no method and target")?;
    let mut request = request(method, target.trim_end_matches(" HTTP/1.1"))?;
    request.headers = headers;
    request.body = body.to_owned();
    if let Some(answered) = answered {
        let (first, headers, body) = message(answered)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        request.answer.status = Some(status.ok_or("an answer without a status")?);
        request.answer.headers = headers;
        if !body.is_empty() {
            let body =
                serde_json::from_str(body).map_err(|error| format!("the answer: {error}"))?;
            request.answer.body = Some(body);
        }
    }
    Ok(request)
}

type Message<'a> = (&'a str, Vec<(String, String)>, &'a str);

fn message(text: &str) -> Result<Message<'_>, String> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or(format!("{line:?} is not a header"))?;
        Ok::<_, String>((name.trim().to_lowercase(), value.trim().to_owned()))
    };
    Ok((first, lines.map(header).collect::<Result<_, _>>()?, body.trim()))
}

/// The one `fetch` of a script.
fn js_block(text: &str) -> Result<Vec<Request>, String> {
    let Some((_, call)) = text.split_once("fetch(") else {
        return if text.contains("XMLHttpRequest") || text.contains("action=") {
            Err("a request that is not a `fetch`".to_owned())
        } else {
            Ok(Vec::new())
        };
    };
    let (call, rest) = literal::until_closed(call).ok_or("`fetch(` is not closed")?;
    if rest.contains("fetch(") {
        return Err("more than one `fetch` in a block".to_owned());
    }
    let Value::Array(arguments) = literal::parse(&format!("[{call}]"))? else { unreachable!() };
    let target = arguments.first().and_then(Value::as_str).ok_or("`fetch` without an address")?;
    let options = arguments.get(1).cloned().unwrap_or_default();
    let mut request = request(options["method"].as_str().unwrap_or("GET"), target)?;
    for (name, value) in options["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().ok_or("a header that is not text")?;
        request.headers.push((name.to_lowercase(), value.to_owned()));
    }
    request.body = match &options["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    request.answer.status = Some(200);
    request.answer.fields = fields_read(rest);
    Ok(vec![request])
}

/// The fields in `(await answer.json()).field` and `const { field } = await answer.json()`.
fn fields_read(script: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for line in script.lines().filter(|line| !line.contains(".ok)")) {
        if let Some((_, rest)) = line.split_once(".json()).") {
            fields.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
        let names = line.split_once("const {").and_then(|(_, rest)| rest.split_once('}'));
        if let Some((names, rest)) = names
            && rest.contains(".json()")
        {
            fields.extend(names.split(',').map(|name| name.trim().to_owned()));
        }
    }
    fields
}

/// The `curl` lines of a block.
fn shell_block(text: &str) -> Result<Vec<Request>, String> {
    let joined = text.replace("\\\n", " ");
    let commands = joined.lines().map(|line| line.trim_start().trim_start_matches("$ "));
    let commands = commands.filter(|line| !line.starts_with('#') && line.contains("curl "));
    commands.map(curl).collect()
}

fn curl(line: &str) -> Result<Request, String> {
    let mut words = literal::shell_words(line)?.into_iter();
    if words.next().as_deref() != Some("curl") {
        return Err(format!("{line:?}: only a line that begins with `curl` is read"));
    }
    let (mut method, mut target, mut headers, mut body) = (None, None, Vec::new(), None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} without a value"));
        match word.as_str() {
            "-s" | "-i" | "-f" | "-sS" | "-fsS" | "-L" => {}
            "-o" | "--output" => drop(value()?),
            "-X" | "--request" => method = Some(value()?),
            "-d" | "--data" | "--data-raw" => body = Some(value()?),
            "--json" => {
                body = Some(value()?);
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            "-H" | "--header" => {
                let header = value()?;
                let (name, value) = header.split_once(':').ok_or(format!("{header:?}"))?;
                headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
            }
            option if option.starts_with('-') => return Err(format!("curl {option} is not read")),
            _ if target.is_none() => target = Some(word),
            _ => return Err(format!("{word:?}: a second address")),
        }
    }
    let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" }.to_owned());
    let mut request = request(&method, &target.ok_or("curl without an address")?)?;
    (request.headers, request.body) = (headers, body.unwrap_or_default());
    Ok(request)
}

/// Whether a value is as the page says: each field of an object, each element of a list, and `...` for
/// any text.
#[must_use]
pub fn is_as_shown(shown: &Value, real: &Value) -> bool {
    match (shown, real) {
        (Value::String(shown), Value::String(real)) => is_like(shown, real),
        (Value::Array(shown), Value::Array(real)) => {
            shown.len() == real.len()
                && shown.iter().zip(real).all(|(shown, real)| is_as_shown(shown, real))
        }
        (Value::Object(shown), Value::Object(real)) => shown
            .iter()
            .all(|(name, shown)| real.get(name).is_some_and(|real| is_as_shown(shown, real))),
        (shown, real) => shown == real,
    }
}

fn is_like(shown: &str, real: &str) -> bool {
    let mut parts = shown.replace('…', "...");
    if !parts.contains("...") {
        return shown == real;
    }
    let first = parts.split("...").next().unwrap_or_default().len();
    let Some(mut rest) = real.strip_prefix(&parts[..first]) else { return false };
    let others = parts.split_off(first);
    for part in others.split("...").skip(1) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    others.ends_with("...") || rest.is_empty()
}

//! The look of the checkout page that a merchant sets with `customization`.

use std::fmt::Write;

use serde_json::Value;

use crate::state::session::Session;

/// The appearance of a page. Default: the sandbox's own appearance.
#[derive(Debug, Default)]
pub(super) struct Theme {
    /// `light`, `dark`, or the browser's.
    mode: Option<&'static str>,
    /// A language code, checked by the rules of the order.
    language: Option<String>,
    /// Style rules after those of the sandbox.
    css: String,
}

/// The colors of a mode, with the variables of the style sheet.
const COLORS: [(&str, &str); 16] = [
    ("bg_primary", "ground"),
    ("bg_secondary", "paper"),
    ("border_primary", "line"),
    ("border_secondary", "edge"),
    ("button_primary", "main"),
    ("button_primary_hover", "main-hover"),
    ("button_secondary", "button"),
    ("button_secondary_hover", "button-hover"),
    ("button_text_primary", "main-ink"),
    ("button_text_secondary", "button-ink"),
    ("input_focus_border", "focus"),
    ("text_error", "bad"),
    ("text_placeholder", "placeholder"),
    ("text_primary", "ink"),
    ("text_secondary", "soft"),
    ("text_success", "good"),
];

const SIZES: [(&str, &str); 6] = [
    ("xs", "12px"),
    ("sm", "14px"),
    ("md", "16px"),
    ("lg", "18px"),
    ("xl", "20px"),
    ("2xl", "24px"),
];

const WEIGHTS: [(&str, &str); 4] =
    [("normal", "400"), ("medium", "500"), ("bold", "700"), ("extraBold", "800")];

impl Theme {
    pub(super) fn from_session(session: &Session) -> Self {
        let mode = match session.look("theme").and_then(Value::as_str) {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        let language = session.look("force_language").and_then(Value::as_str).map(str::to_owned);
        let css = session.look("theme_config").map_or_else(String::new, css);
        Self { mode, language, css }
    }

    /// The attributes of the `html` element.
    pub(super) fn attributes(&self) -> String {
        let mode = self.mode.map_or(String::new(), |mode| format!(" data-theme=\"{mode}\""));
        format!(" lang=\"en\"{mode}")
    }

    pub(super) fn css(&self) -> &str {
        &self.css
    }

    /// The note for developers about the language in which Dodo Payments shows the page.
    pub(super) fn note(&self) -> String {
        self.language.as_ref().map_or(String::new(), |code| {
            format!(
                "Dodo shows this page in the language “{code}”. The sandbox shows it in English. "
            )
        })
    }
}

/// The rules of the order keep each value inside its style rule.
fn css(config: &Value) -> String {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let mut css = String::new();
    let colors = |mode: &str| {
        let value = |name: &str| config.get(mode)?.get(name)?.as_str().map(color);
        let set = |(name, variable): &(&str, &str)| Some(format!("--{variable}:{};", value(name)?));
        COLORS.iter().filter_map(set).collect::<String>()
    };
    let (light, dark) = (colors("light"), colors("dark"));
    let _ = write!(css, ":root{{{light}}}");
    let _ = write!(
        css,
        "@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
    );
    let _ = write!(css, ":root[data-theme=dark]{{{dark}}}");
    for (field, variable, values) in
        [("font_size", "size", &SIZES[..]), ("font_weight", "weight", &WEIGHTS[..])]
    {
        let value = values.iter().find(|(name, _)| Some(*name) == text(field));
        if let Some((_, value)) = value {
            let _ = write!(css, ":root{{--{variable}:{value}}}");
        }
    }
    if let Some(radius) = text("radius") {
        let _ = write!(css, ":root{{--radius:{radius}}}");
    }
    for (field, selector) in [("font_primary_url", "body"), ("font_secondary_url", "h1,h2,h3")] {
        if let Some(url) = text(field) {
            let url = url.replace(['"', '\\', '<', '>', '\n'], "");
            let _ = write!(
                css,
                "@font-face{{font-family:{field};src:url(\"{url}\")}}{selector}{{font-family:{field},system-ui,sans-serif}}"
            );
        }
    }
    css
}

/// A color as CSS reads it: Dodo also takes hexadecimal colors without `#`.
fn color(text: &str) -> String {
    let hex = matches!(text.len(), 3 | 4 | 6 | 8) && text.bytes().all(|c| c.is_ascii_hexdigit());
    if hex { format!("#{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::color;

    #[test]
    fn hexadecimal_color_needs_no_hash() {
        for (text, expected) in [
            ("fff", "#fff"),
            ("4338ca", "#4338ca"),
            ("#fff", "#fff"),
            ("red", "red"),
            ("fade", "#fade"),
        ] {
            assert_eq!(color(text), expected);
        }
    }
}

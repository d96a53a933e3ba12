//! Colors of the pages.

use dodo_core::Error;

/// The colors of a dashboard. Default: light or dark, as the browser asks.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Theme {
    accent: Option<String>,
    only: Option<Scheme>,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// Dark text on a light ground.
    Light,
    /// Light text on a dark ground.
    Dark,
}

/// The custom properties of a scheme: names without `--dd-`.
type Palette = [(&'static str, &'static str); 21];

const LIGHT: Palette = [
    ("bg", "#f6f7f9"),
    ("fg", "#16181d"),
    ("muted", "#565e6c"),
    ("line", "#e2e5ea"),
    ("card", "#ffffff"),
    ("edge", "#7d8592"),
    ("accent", "#2563eb"),
    ("link", "#1d4ed8"),
    ("good", "#15803d"),
    ("bad", "#b91c1c"),
    ("warn", "#d97706"),
    ("s0", "#2563eb"),
    ("s1", "#c2410c"),
    ("s2", "#0f766e"),
    ("s3", "#9333ea"),
    ("s4", "#a16207"),
    ("other", "#5b6472"),
    ("unknown", "#8b93a0"),
    ("running", "#2563eb1f"),
    ("hover", "#16181d14"),
    ("scheme", "light"),
];

const DARK: Palette = [
    ("bg", "#0f1115"),
    ("fg", "#e8eaed"),
    ("muted", "#a0a8b5"),
    ("line", "#2b3038"),
    ("card", "#181b21"),
    ("edge", "#7a8391"),
    ("accent", "#6ea0ff"),
    ("link", "#8ab4ff"),
    ("good", "#4ade80"),
    ("bad", "#f87171"),
    ("warn", "#f59e0b"),
    ("s0", "#6ea0ff"),
    ("s1", "#fb923c"),
    ("s2", "#2dd4bf"),
    ("s3", "#c084fc"),
    ("s4", "#facc15"),
    ("other", "#9aa3b0"),
    ("unknown", "#717a88"),
    ("running", "#6ea0ff2e"),
    ("hover", "#e8eaed1f"),
    ("scheme", "dark"),
];

const SHEET: &str = include_str!("assets/dashboard.css");

impl Theme {
    /// The default colors.
    pub fn new() -> Self {
        Self::default()
    }

    /// The color of marks, lines and bars: `#0b6` or `#00bb66`.
    ///
    /// It needs a contrast of 3 : 1 against the ground of each scheme in use.
    pub fn accent(mut self, color: impl Into<String>) -> Self {
        self.accent = Some(color.into());
        self
    }

    /// Always this scheme.
    pub fn only(mut self, scheme: Scheme) -> Self {
        self.only = Some(scheme);
        self
    }

    /// The whole style sheet.
    ///
    /// # Errors
    /// If the accent is not a color, or its contrast is too small.
    pub(crate) fn sheet(&self) -> Result<String, Error> {
        let accent = self.accent.as_deref().map(color).transpose()?;
        let schemes = [(Scheme::Light, &LIGHT), (Scheme::Dark, &DARK)];
        let mut sheet = String::new();
        for (scheme, palette) in schemes {
            if self.only.is_some_and(|only| only != scheme) {
                continue;
            }
            if let Some(accent) = accent {
                let grounds = palette.iter().filter(|(name, _)| matches!(*name, "bg" | "card"));
                if grounds
                    .filter_map(|(_, ground)| parse(ground))
                    .any(|g| contrast(accent, g) < 3.0)
                {
                    return Err(Error::config(
                        "Theme::accent: choose a color with a contrast of 3 : 1, or one scheme",
                    ));
                }
            }
            let block = block(palette, accent);
            match (self.only, scheme) {
                (None, Scheme::Dark) => {
                    sheet.push_str(&format!("@media (prefers-color-scheme:dark){{{block}}}"));
                }
                _ => sheet.push_str(&block),
            }
        }
        sheet.push('\n');
        sheet.push_str(SHEET);
        Ok(sheet)
    }
}

fn block(palette: &Palette, accent: Option<Rgb>) -> String {
    let mut out = String::from(":root{");
    for (name, value) in palette {
        match (*name, accent) {
            ("scheme", _) => out.push_str(&format!("color-scheme:{value}}}")),
            ("accent", Some([r, g, b])) => {
                out.push_str(&format!("--dd-accent:#{r:02x}{g:02x}{b:02x};"));
            }
            _ => out.push_str(&format!("--dd-{name}:{value};")),
        }
    }
    out
}

type Rgb = [u8; 3];

fn color(text: &str) -> Result<Rgb, Error> {
    parse(text).ok_or_else(|| Error::config("Theme::accent: write a color such as #0b6 or #00bb66"))
}

/// `#rgb` or `#rrggbb`; an opacity is left out.
fn parse(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#')?;
    let values: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    match *values? {
        [r, g, b] => Some([r * 17, g * 17, b * 17]),
        [r, r2, g, g2, b, b2] | [r, r2, g, g2, b, b2, _, _] => {
            Some([r * 16 + r2, g * 16 + g2, b * 16 + b2])
        }
        _ => None,
    }
}

/// The contrast of two colors, from 1 to 21: WCAG 2.2.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance([r, g, b]: Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_colors_have_enough_contrast() {
        for palette in [&LIGHT, &DARK] {
            let of = |wanted: &str| {
                let found = palette.iter().find(|(name, _)| *name == wanted).unwrap();
                parse(found.1).unwrap()
            };
            for ground in ["bg", "card"] {
                for text in ["fg", "muted", "link", "good", "bad"] {
                    assert!(contrast(of(text), of(ground)) >= 4.5, "{text} on {ground}");
                }
            }
            for mark in ["edge", "accent", "warn", "s0", "s1", "s2", "s3", "s4", "other", "unknown"]
            {
                assert!(contrast(of(mark), of("card")) >= 3.0, "{mark} {:?}", palette[20]);
            }
            assert!(contrast(of("warn"), [0, 0, 0]) >= 4.5);
        }
    }

    #[test]
    fn accent_is_checked() {
        for (accent, only, is_good) in [
            ("#2563eb", Some(Scheme::Light), true),
            ("#0a7", Some(Scheme::Dark), true),
            ("#3b82f6", None, true),
            ("#ffff00", None, false),
            ("#ffff00", Some(Scheme::Dark), true),
            ("#111", None, false),
            ("red", None, false),
            ("#12", None, false),
            ("#2563eb;}body{display:none", None, false),
        ] {
            let mut theme = Theme::new().accent(accent);
            theme.only = only;
            assert_eq!(theme.sheet().is_ok(), is_good, "{accent} {only:?}");
        }
    }
}

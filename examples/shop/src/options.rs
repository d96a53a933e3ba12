//! The options of the shop: arguments and environment variables.

use std::{ffi::OsString, fmt};

use dodo_core::Error;

use crate::StartError;

/// The default port.
const DEFAULT_PORT: u16 = 3000;
/// Segment in the United States.
const SEGMENT_URL: &str = "https://api.segment.io";

/// The text of `--help`.
pub(crate) const HELP: &str = "\
An example shop on Dodo Payments.

Usage: SHOP [--port PORT]
       SHOP ledger COMMAND     look after the ledger: `ledger help` lists the commands

  --port PORT   listen here; 0 takes any free port [env PORT, else 3000]
  --help        print this

Without DODO_PAYMENTS_API_KEY the shop brings a sandbox of Dodo Payments with it: nothing to sign up
for, and no real money. With it, and with DODO_PAYMENTS_WEBHOOK_KEY, it sells what your account has.
DODO_PAYMENTS_ENVIRONMENT is test_mode or live_mode. DODO_PUBLIC_URL is the address at which customers
and webhooks reach the shop, if it is not http://127.0.0.1:PORT. With SEGMENT_WRITE_KEY the booked
records go to Segment; SEGMENT_URL names another region, such as https://eu1.api.segmentapis.com.

Shipments and the ledger are kept in a file of this folder; DATABASE_URL chooses another, or PostgreSQL:
sqlite:path/to/file.db or postgres://user@host/database.
";

/// The options.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) port: u16,
    /// `Dodo` checks it.
    pub(crate) public_url: Option<String>,
    /// Booked records go to Segment, if it is set.
    pub(crate) segment_write_key: Option<String>,
    /// The region of Segment.
    pub(crate) segment_url: String,
    /// The URL of the database for the ledger and the shop's own tables.
    pub(crate) database_url: Option<String>,
    /// Without a key the shop brings a sandbox. `Dodo` reads the key.
    pub(crate) has_api_key: bool,
    /// Without a secret the shop keeps one in its database. `Billing` reads the secret.
    pub(crate) has_billing_secret: bool,
    pub(crate) help: bool,
    /// A command about the ledger, instead of serving.
    pub(crate) operate: Option<Vec<String>>,
}

impl Options {
    /// Reads arguments and environment variables. Arguments take precedence.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&'static str) -> Result<Option<String>, Error>,
    ) -> Result<Self, StartError> {
        let set = |name| variable(name).map_err(|error| StartError::new(error.to_string()));
        let mut port = set("PORT")?;
        let mut help = false;
        let mut operate = None;
        let mut arguments = arguments.into_iter().map(|a| a.to_string_lossy().into_owned());
        while let Some(argument) = arguments.next() {
            match argument.split_once('=').unwrap_or((&argument, "")) {
                ("--help" | "-h", _) => help = true,
                ("ledger", _) => operate = Some(arguments.by_ref().collect()),
                ("--port", "") => port = Some(arguments.next().unwrap_or_default()),
                ("--port", value) => port = Some(value.to_owned()),
                _ => {
                    return Err(StartError::new(format!(
                        "unknown argument {argument}: try --help"
                    )));
                }
            }
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => text
                .parse()
                .map_err(|_| StartError::new(format!("{text:?} is not a port: use 0 to 65535")))?,
        };
        Ok(Self {
            port,
            public_url: set("DODO_PUBLIC_URL")?,
            segment_write_key: set("SEGMENT_WRITE_KEY")?,
            segment_url: set("SEGMENT_URL")?.unwrap_or_else(|| SEGMENT_URL.to_owned()),
            database_url: set("DATABASE_URL")?,
            has_api_key: set("DODO_PAYMENTS_API_KEY")?.is_some(),
            has_billing_secret: set("DODO_BILLING_SECRET")?.is_some(),
            help,
            operate,
        })
    }
}

/// Keys and passwords are among the options.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Options, String> {
        let variable = |name: &str| {
            Ok(variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        Options::read(arguments.iter().map(OsString::from), variable).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_win_over_the_environment() {
        for (arguments, variables, port) in [
            (&[][..], &[][..], 3000),
            (&[], &[("PORT", "8080")], 8080),
            (&["--port", "0"], &[("PORT", "8080")], 0),
            (&["--port=4000"], &[], 4000),
        ] {
            assert_eq!(read(arguments, variables).unwrap().port, port);
        }
    }

    #[test]
    fn words_after_ledger_are_an_operator_command() {
        let options = read(&["ledger", "reconcile", "30"], &[]).unwrap();
        assert_eq!(options.operate.unwrap(), ["reconcile", "30"]);
        assert!(read(&["--port", "0"], &[]).unwrap().operate.is_none());
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, variables, named) in [
            (&["--prot", "1"][..], &[][..], "--prot"),
            (&["--port"], &[], "not a port"),
            (&["--port", "http"], &[], "\"http\""),
            (&[], &[("PORT", "99999")], "\"99999\""),
        ] {
            let error = read(arguments, variables).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}

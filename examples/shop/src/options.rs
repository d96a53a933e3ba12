//! How the shop is started: a few arguments, and the environment.

use std::ffi::OsString;

use crate::StartError;

/// The port that is tried when none is asked for.
const DEFAULT_PORT: u16 = 3000;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
An example shop on Dodo Payments.

Usage: SHOP [--port PORT]
       SHOP ledger COMMAND     look after the ledger: `ledger help` lists the commands

  --port PORT   listen here; 0 takes any free port [env PORT, else 3000]
  --help        print this

Without DODO_PAYMENTS_API_KEY the shop brings a sandbox of Dodo Payments with it: nothing to sign up
for, and no real money. With it, and with DODO_PAYMENTS_WEBHOOK_KEY, it sells what your account has.
DODO_PAYMENTS_ENVIRONMENT is test_mode or live_mode. SHOP_PUBLIC_URL is the address at which customers
and webhooks reach the shop, if it is not http://127.0.0.1:PORT.

Orders and the ledger are kept in a file of this folder; DATABASE_URL chooses another, or PostgreSQL:
sqlite:path/to/file.db or postgres://user@host/database.
";

/// How to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) port: u16,
    /// Without a slash at the end.
    pub(crate) public_url: Option<String>,
    /// Where the ledger and the shop's own tables are.
    pub(crate) database_url: Option<String>,
    pub(crate) help: bool,
    /// A command about the ledger, instead of serving.
    pub(crate) operate: Option<Vec<String>>,
}

impl Options {
    /// Reads arguments and environment variables; arguments win.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let public_url =
            variable("SHOP_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned());
        let mut port = variable("PORT");
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
                .map_err(|_| StartError::new(format!("{text:?} is no port: 0 to 65535")))?,
        };
        if public_url.as_deref().is_some_and(|url| !is_web_address(url)) {
            return Err(StartError::new("SHOP_PUBLIC_URL is no http or https address"));
        }
        let database_url = variable("DATABASE_URL").filter(|url| !url.is_empty());
        Ok(Self { port, public_url, database_url, help, operate })
    }
}

fn is_web_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty()) && url.parse::<http::Uri>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Options, String> {
        let variable = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
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
        let url = read(&[], &[("SHOP_PUBLIC_URL", "https://shop.example/")]).unwrap().public_url;
        assert_eq!(url.as_deref(), Some("https://shop.example"));
    }

    #[test]
    fn what_follows_ledger_is_a_command_about_it() {
        let options = read(&["ledger", "reconcile", "30"], &[]).unwrap();
        assert_eq!(options.operate.unwrap(), ["reconcile", "30"]);
        assert!(read(&["--port", "0"], &[]).unwrap().operate.is_none());
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, variables, named) in [
            (&["--prot", "1"][..], &[][..], "--prot"),
            (&["--port"], &[], "no port"),
            (&["--port", "http"], &[], "\"http\""),
            (&[], &[("PORT", "99999")], "\"99999\""),
            (&[], &[("SHOP_PUBLIC_URL", "shop.example")], "SHOP_PUBLIC_URL"),
        ] {
            let error = read(arguments, variables).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}

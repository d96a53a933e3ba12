//! The binary.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dodo-sandbox"))
}

#[test]
fn it_prints_what_an_app_needs_and_names_a_taken_port() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let mut running = program()
        .args(["--port", "0", "--api-key=sk_test_abc", "--webhook-secret", secret])
        .args(["--webhook-url", "http://127.0.0.1:1/hook"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.map(Result::unwrap).take_while(|l| !l.starts_with("Open ")).collect();
    let text = lines.join("\n");
    let port = lines[0].rsplit(':').next().unwrap();
    for needed in [
        format!("DODO_PAYMENTS_BASE_URL=http://127.0.0.1:{port}"),
        format!("DODO_PAYMENTS_CHECKOUT_URL=http://127.0.0.1:{port}"),
        "DODO_PAYMENTS_API_KEY=sk_test_abc".to_owned(),
        format!("DODO_PAYMENTS_WEBHOOK_KEY={secret}"),
        "DODO_PAYMENTS_ENVIRONMENT=test_mode".to_owned(),
        "Webhooks go to http://127.0.0.1:1/hook".to_owned(),
    ] {
        assert!(text.contains(&needed), "{needed} in\n{text}");
    }
    let second = program().args(["--port", port]).output().unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("port {port} is taken")), "{error}");
}

#[test]
fn wrong_options_are_named() {
    for (args, expected) in [
        (&["--prot", "1"][..], "unknown option --prot"),
        (&["--port"], "--port needs a value"),
        (&["--port", "99999"], "'99999' cannot be used"),
        (&["--port", "0", "--webhook-secret", "short"], "a webhook secret is whsec_"),
        (&["--port", "0", "--clock-rate", "-1"], "the clock rate is a number from 0"),
        (&["--port", "0", "--webhook-url", "nowhere"], "url: an absolute http or https URL"),
    ] {
        let output = program().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"A local Dodo Payments"));
}

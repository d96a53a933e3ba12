//! The ledger's operator: looks at what failed, and gives it another life.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::{process::ExitCode, time::Duration};

use dodo_ledger::{Error, Ledger, Reconciled, Store, query::Format};

const USAGE: &str = "usage: ledger --url <sqlite:file | postgres://...> <command>
  migrate              create or update the tables
  stats                how the inbox stands
  failed               dead and parked events
  event <id>           one event of the inbox
  revive <id>          a dead or parked event gets a new life
  revive-dead          so does every dead event
  revive-parked        and every parked one
  replay <id>          run the callbacks of a finished event again
  explain <payment>    who brought a payment, and how that is known
  export <csv|jsonl>   all live records to the standard output; --test for those of test mode
  reconcile <days>     book what no webhook brought in so many days; asks Dodo Payments, with the
                       key of DODO_PAYMENTS_API_KEY and the environment of DODO_PAYMENTS_ENVIRONMENT
  forget <customer>    erase who a customer was; what was paid stays
  erase <days>         erase the bodies of events finished so many days ago
  sink <name>          how the queue of a sink stands, and its dead letters
  revive-sink <name>   queue the dead letters of a sink again
The URL may be in DATABASE_URL instead. Revived and replayed events are taken by the running workers.";

/// Rows shown at most.
const LIMIT: u32 = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let url = match words.iter().position(|word| word == "--url") {
        Some(at) if at + 1 < words.len() => words.drain(at..at + 2).nth(1),
        Some(_) => None,
        None => std::env::var("DATABASE_URL").ok(),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(url) = url else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&url, &words).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            eprintln!("{error}{}", cause.map(|cause| format!(": {cause}")).unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

/// Runs one command. `false`: there is no such command.
async fn run(url: &str, words: &[&str]) -> Result<bool, Error> {
    let ledger = Ledger::builder(Store::open(url).await?).workers_elsewhere().build();
    match words {
        ["migrate"] => {
            ledger.migrate().await?;
            println!("the tables are up to date");
        }
        ["stats"] => {
            let stats = ledger.stats().await?;
            println!("pending {} (unbooked {})", stats.pending, stats.unbooked);
            println!("dead {}", stats.dead);
            println!("parked {}", stats.parked);
            println!("oldest due since {:.1} s", stats.lag.as_secs_f64());
        }
        ["failed"] => ledger.failed(LIMIT).await?.iter().for_each(show),
        ["event", id] => match ledger.event(id).await? {
            Some(event) => show(&event),
            None => println!("no event {id}"),
        },
        ["revive", id] => told(ledger.revive(id).await?, "revived", "nothing to revive"),
        ["revive-dead"] => println!("revived {}", ledger.revive_dead().await?),
        ["revive-parked"] => println!("revived {}", ledger.revive_parked().await?),
        ["replay", id] => told(ledger.replay(id).await?, "will run again", "nothing to replay"),
        ["explain", payment] => match ledger.explain(payment).await? {
            Some(explanation) => println!("{explanation}"),
            None => println!("no payment {payment} in the ledger"),
        },
        ["export", format, rest @ ..] => return export(&ledger, format, rest).await,
        ["reconcile", days] => return reconcile(&ledger, days).await,
        ["forget", customer] => println!("changed {} records", ledger.forget(customer).await?),
        ["erase", days] => {
            let Ok(days) = days.parse::<u32>() else { return Ok(false) };
            let age = Duration::from_secs(24 * 3600) * days;
            println!("erased {}", ledger.erase_bodies(age).await?);
        }
        ["sink", name] => {
            let stats = ledger.sink_stats(name).await?;
            println!(
                "pending {} dead {} oldest due since {:?}",
                stats.pending, stats.dead, stats.lag
            );
            for letter in ledger.dead_letters(name, LIMIT).await? {
                let reason = letter.reason.unwrap_or_default();
                println!("{}\t{} failures\t{reason}", letter.record_id, letter.failures);
            }
        }
        ["revive-sink", name] => println!("revived {}", ledger.revive_sink(name).await?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Writes all records. `false`: there is no such format.
async fn export(ledger: &Ledger, format: &str, rest: &[&str]) -> Result<bool, Error> {
    let format = match format {
        "csv" => Format::Csv,
        "jsonl" => Format::JsonLines,
        _ => return Ok(false),
    };
    let records = match rest {
        [] => ledger.records(),
        ["--test"] => ledger.records().test_mode(),
        _ => return Ok(false),
    };
    let written = records.export(format, &mut std::io::stdout()).await?;
    eprintln!("{written} records");
    Ok(true)
}

/// Asks Dodo Payments for the last days. `false`: that is no number of days.
async fn reconcile(ledger: &Ledger, days: &str) -> Result<bool, Error> {
    let Ok(days) = days.parse::<u16>() else { return Ok(false) };
    let until = jiff::Timestamp::now();
    let from = until - jiff::SignedDuration::from_hours(24 * i64::from(days));
    let found = async {
        let client = dodo_core::Client::from_env()?;
        let show = |so_far: Reconciled| {
            eprint!("\r{} payments, {} refunds", so_far.payments_seen, so_far.refunds_seen);
        };
        ledger.reconcile(&client, from, until, show).await
    };
    match found.await {
        Ok(found) => println!(
            "\nbooked {} payments of {} and {} refunds of {}",
            found.payments_booked, found.payments_seen, found.refunds_booked, found.refunds_seen
        ),
        Err(error) => eprintln!("\n{error}; what was booked until then stays: run it again"),
    }
    Ok(true)
}

fn told(done: bool, yes: &str, no: &str) {
    println!("{}", if done { yes } else { no });
}

fn show(event: &dodo_ledger::StoredEvent) {
    println!(
        "{}\t{}\t{}\tbooked {}\tclaims {}\tfailures {}\t{}",
        event.id,
        event.state,
        event.kind.as_deref().unwrap_or("-"),
        event.booked,
        event.claims,
        event.failures,
        event.last_error.as_deref().unwrap_or("-"),
    );
}

//! Measures the release build of `dodo-sandbox`: start, memory, and sessions per second.
//!
//! ```sh
//! cargo build --release -p dodo-sandbox --bins --examples && target/release/examples/measure
//! ```

#![expect(clippy::print_stdout, reason = "the program's own output")]

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

const STARTS: usize = 20;
const CONNECTIONS: usize = 32;
const REQUESTS: u32 = 40_000;
const CART: &str = r#"{"product_cart":[{"product_id":"pdt_sandbox_pro","quantity":1}]}"#;

type Failure = Box<dyn Error + Send + Sync>;

/// A running program. It is stopped when this is dropped.
struct Program {
    child: Child,
    address: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts the program, and waits for the line that names its address.
    fn start() -> Result<(Self, Duration), Failure> {
        let mut path: PathBuf = std::env::current_exe()?;
        path.set_file_name("../dodo-sandbox");
        let began = Instant::now();
        let mut command = Command::new(path);
        let mut child = command.args(["--port", "0"]).stdout(Stdio::piped()).spawn()?;
        let mut first = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut first)?;
        let taken = began.elapsed();
        let address = first.rsplit("http://").next().unwrap_or_default().trim().to_owned();
        Ok((Self { child, address }, taken))
    }

    /// The resident memory in megabytes, as Linux counts it.
    fn memory(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        Ok(kilobytes.parse::<f64>()? / 1024.0)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Sends a request on an open connection. The answer must be 200.
fn send(stream: &mut TcpStream, method: &str, path: &str, body: &str) -> Result<(), Failure> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk_test_sandbox\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend(buffer.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or("0").parse()?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{method} {path}: {head}").into());
        }
        if rest.len() >= length {
            return Ok(());
        }
    }
}

fn main() -> Result<(), Failure> {
    let starts = (0..STARTS).map(|_| Program::start().map(|(_, taken)| taken));
    let mut starts = starts.collect::<Result<Vec<_>, _>>()?;
    starts.sort();
    let (program, _) = Program::start()?;
    thread::sleep(Duration::from_millis(200));
    let after_start = program.memory()?;
    let mut stream = program.connect()?;
    for path in ["/products", "/payments", "/customers", "/subscriptions", "/discounts"] {
        send(&mut stream, "GET", path, "")?;
    }
    send(&mut stream, "POST", "/checkouts", CART)?;
    let after_requests = program.memory()?;
    let (left, began) = (AtomicU32::new(REQUESTS), Instant::now());
    thread::scope(|scope| {
        let connection = || -> Result<(), Failure> {
            let mut stream = program.connect()?;
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
            {
                send(&mut stream, "POST", "/checkouts", CART)?;
            }
            Ok(())
        };
        let all: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(connection)).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| "a connection failed")?)
    })?;
    let rate = f64::from(REQUESTS) / began.elapsed().as_secs_f64();
    let milliseconds = |taken: Option<&Duration>| taken.map_or(0.0, Duration::as_secs_f64) * 1e3;
    println!("start, best {:.1} ms", milliseconds(starts.first()));
    println!("start, median {:.1} ms", milliseconds(starts.get(STARTS / 2)));
    println!("memory after start {after_start:.1} MB");
    println!("memory after first requests {after_requests:.1} MB");
    println!("memory after {REQUESTS} sessions {:.1} MB", program.memory()?);
    println!("POST /checkouts {rate:.0} /s");
    Ok(())
}

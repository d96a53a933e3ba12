//! The program `dodo-sandbox`.

fn main() -> std::process::ExitCode {
    dodo_sandbox::cli::main()
}

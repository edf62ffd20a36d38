//! The program `farkeep`.

use std::process::ExitCode;

fn main() -> ExitCode {
    farkeep::command::run(std::env::args_os()).into()
}

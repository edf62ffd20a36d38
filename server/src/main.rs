//! `farkeepd`: parses, calls one function, turns the result into an exit code.

use std::io::Write;
use std::io::stderr;
use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use farkeep_server::command::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.run(&mut stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if this fails too.
            let _told = writeln!(stderr(), "farkeepd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

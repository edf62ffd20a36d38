//! The commands: what can be typed, and what is done about it.
//!
//! One command lies in one file; its arguments and its help are the doc comments of one struct. A command reads its
//! arguments into a request, calls one room, and hands the answer to the output.

mod agent;
mod backup;
mod check;
mod collect;
mod completions;
mod copy;
mod diff;
mod dump;
mod enroll;
mod erase;
mod failure;
mod find;
mod forget;
mod hold;
mod init;
mod interrupt;
mod key;
mod ls;
mod policy;
mod rebuild_index;
mod recover;
mod repack;
mod repair;
mod restore;
mod rewriting;
mod rules;
mod scrub;
mod session;
mod snapshots;
mod stats;
mod subject;
mod thaw;

use std::ffi::OsString;
use std::io;
use std::io::IsTerminal;

use clap::Parser;
use clap::Subcommand;
use clap::error::ContextKind;
use clap::error::ContextValue;
use tracing::Level;
use tracing_subscriber::EnvFilter;

use self::failure::Failure;
use self::session::Global;
use self::session::LogLevels;
use self::session::Session;
use crate::output::Format;
use crate::output::Output;
use crate::output::Volume;
use crate::output::exit::Exit;
use crate::output::line;

/// Deduplicating, encrypted backups.
///
/// A repository is a folder, or lies behind a server (farkeep://HOST/NAME, after `enroll`). Make one with `init`, put folders into it with `backup`, look at it with `snapshots`, `ls`,
/// `find` and `diff`, get files back with `restore` and `dump`, and prove that they are all there with `check` and `scrub`. What is kept and for
/// how long is decided by `policy`, `forget`, `recover` and `hold`.
///
/// SNAPSHOT is the beginning of an id, `latest`, `latest~N` (N before the newest), or `@TIME` (the newest complete one
/// captured at or before it: RFC 3339, a date, or words such as "yesterday 14:00"). SNAPSHOT:PATH names one path in it.
#[derive(Debug, Parser)]
#[command(
    name = "farkeep",
    version,
    propagate_version = true,
    after_help = EXAMPLES,
    after_long_help = after_long_help(),
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Backup(backup::Backup),
    Snapshots(snapshots::Snapshots),
    Ls(ls::Ls),
    Find(find::Find),
    Diff(diff::Diff),
    Dump(dump::Dump),
    Restore(restore::Restore),
    Check(check::Check),
    Stats(stats::Stats),
    Forget(forget::Forget),
    Recover(recover::Recover),
    Hold(hold::Hold),
    Policy(policy::PolicyCommand),
    Thaw(thaw::Thaw),
    Collect(collect::Collect),
    Erase(erase::Erase),
    Repack(repack::Repack),
    Copy(copy::Copy),
    Scrub(scrub::Scrub),
    Repair(repair::Repair),
    RebuildIndex(rebuild_index::RebuildIndex),
    Key(key::Key),
    Enroll(enroll::Enroll),
    Agent(agent::AgentCommand),
    Completions(completions::Completions),
}

const EXAMPLES: &str = "\
Examples:
  farkeep init --repo /srv/backup
  export FARKEEP_REPOSITORY=/srv/backup
  farkeep backup /home /etc
  farkeep restore latest:/home/me/notes --target /tmp/notes
  farkeep check --read-data";

fn after_long_help() -> String {
    format!(
        "{EXAMPLES}\n\n{}\nEnvironment:\n  \
         FARKEEP_REPOSITORY        the repository, as --repo\n  \
         FARKEEP_PASSWORD          the passphrase\n  \
         FARKEEP_PASSWORD_FILE     a file whose first line is the passphrase\n  \
         FARKEEP_PASSWORD_COMMAND  a command that prints the passphrase\n  \
         FARKEEP_NEW_PASSWORD      the passphrase that `key add` and `key change` set\n  \
         FARKEEP_AGENT_CODE        the agent code of a host that is enrolled as an agent\n  \
         FARKEEP_CONFIG            folder of enrolments (else XDG_CONFIG_HOME/farkeep or ~/.config/farkeep)\n  \
         FARKEEP_CACHE             folder of the caches (else XDG_CACHE_HOME/farkeep or ~/.cache/farkeep)\n  \
         FARKEEP_LOG               what to log to standard error, as --log",
        Exit::help()
    )
}

/// Does what the arguments say, and tells how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&arguments, &with_hint(error)),
    };
    observe(cli.global.log.as_ref().map(LogLevels::filter));
    let output = output(&cli);
    perform(cli, output)
}

/// Says what is wrong with the command line, or the help that it asks for.
fn refuse(arguments: &[OsString], error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // Help that cannot be printed has no reader.
        let _ = error.print();
        return Exit::Done;
    }
    // What could not be parsed can be looked at only: whatever the program was asked for, it prints JSON to those who
    // want it, and nothing of its own among the data of `dump`.
    let options = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    if options.clone().any(|argument| argument == "--json") {
        let is_dump = options.clone().any(|argument| argument == "dump");
        let output = if is_dump { Output::beside_data } else { Output::standard };
        output(Format::Json, Volume::Normal).failure(&usage(error));
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

/// A wrong command line as the line that a run ends with: what the parser says, without the summary of all options.
fn usage(error: &clap::Error) -> line::Failure {
    let text = error.render().to_string();
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !["Usage:", "For more information"].iter().any(|end| line.starts_with(end)));
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    let message = said.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    line::Failure::new(
        Exit::Usage,
        message,
        Some("`farkeep COMMAND --help` says what can be given.".to_owned()),
    )
}

/// Adds how the share of `check --read-data` is written, where one stands alone on the line.
fn with_hint(mut error: clap::Error) -> clap::Error {
    let stray = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(stray)) if stray.ends_with('%') => stray.clone(),
        _ => return error,
    };
    let hint = format!("a share of the data is written with an equals sign: --read-data={stray}");
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

/// Does what was asked, and says how it ended.
fn perform(cli: Cli, output: Output) -> Exit {
    let session = Session::new(cli.global, output);
    let outcome = dispatch(cli.command, &session).and_then(|exit| {
        session.output.flush()?;
        Ok(exit)
    });
    outcome.unwrap_or_else(|failure| {
        // Whoever closed the pipe has read what they wanted.
        if failure.is_closed_pipe() {
            return Exit::Done;
        }
        session.output.failure(&failure.line());
        failure.exit()
    })
}

fn dispatch(command: Command, session: &Session) -> Result<Exit, Failure> {
    match command {
        Command::Init(command) => command.run(session),
        Command::Backup(command) => command.run(session),
        Command::Snapshots(command) => command.run(session),
        Command::Ls(command) => command.run(session),
        Command::Find(command) => command.run(session),
        Command::Diff(command) => command.run(session),
        Command::Dump(command) => command.run(session),
        Command::Restore(command) => command.run(session),
        Command::Check(command) => command.run(session),
        Command::Stats(command) => command.run(session),
        Command::Forget(command) => command.run(session),
        Command::Recover(command) => command.run(session),
        Command::Hold(command) => command.run(session),
        Command::Policy(command) => command.run(session),
        Command::Thaw(command) => command.run(session),
        Command::Collect(command) => command.run(session),
        Command::Erase(command) => command.run(session),
        Command::Repack(command) => command.run(session),
        Command::Copy(command) => command.run(session),
        Command::Scrub(command) => command.run(session),
        Command::Repair(command) => command.run(session),
        Command::RebuildIndex(command) => command.run(session),
        Command::Key(command) => command.run(session),
        Command::Enroll(command) => command.run(session),
        Command::Agent(command) => command.run(session),
        Command::Completions(command) => command.run(session),
    }
}

fn output(cli: &Cli) -> Output {
    let format = if cli.global.json { Format::Json } else { Format::Human };
    let volume = if cli.global.quiet { Volume::Quiet } else { Volume::Normal };
    match &cli.command {
        Command::Dump(_) => Output::beside_data(format, volume),
        Command::Policy(policy) if policy.is_data() => Output::beside_data(format, volume),
        _ => Output::standard(format, volume),
    }
}

/// Logs to standard error: what was asked for, else warnings, as plain sentences.
fn observe(levels: Option<EnvFilter>) {
    let log = tracing_subscriber::fmt().with_writer(io::stderr);
    match levels {
        Some(levels) => log.with_env_filter(levels).init(),
        None => {
            let sentences = log.with_max_level(Level::WARN).without_time();
            sentences.with_target(false).with_ansi(io::stderr().is_terminal()).init();
        }
    }
}

#[cfg(test)]
mod tests;

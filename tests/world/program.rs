//! The program, run as a person would run it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::PASSPHRASE;

/// A folder with a repository that the program made, and all that the program needs.
pub(crate) struct Program {
    folder: TempDir,
    /// The repository, where it is not a folder beside the rest.
    elsewhere: Option<String>,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code, or 128 and the signal that ended it, as shells have it.
    pub code: i32,
    pub results: String,
    pub messages: String,
}

impl Program {
    /// A folder without a repository.
    pub(crate) fn bare() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let program = Self { folder, elsewhere: None };
        fs::write(program.path("passphrase"), PASSPHRASE).expect("it can be written");
        program
    }

    /// A folder with an empty repository.
    pub(crate) fn new() -> Self {
        let program = Self::bare();
        program.init(&program.path("repository"));
        program
    }

    /// A folder whose repository is somewhere else.
    pub(crate) fn at(repository: String) -> Self {
        Self { elsewhere: Some(repository), ..Self::bare() }
    }

    /// Makes a repository with small chunks and bundles, and a cheap passphrase.
    pub(crate) fn init(&self, at: &(impl AsRef<OsStr> + ?Sized)) {
        let tuning = ["--guess-memory=8KiB", "--guess-passes=1", "--compression-level=1", "--bundle=16KiB"];
        let chunks =
            ["--chunk-min=4KiB", "--chunk-average=16KiB", "--chunk-max=64KiB", "--image-chunk=16KiB"];
        let mut command = self.command("init");
        command.args(tuning).args(chunks).arg("--repo").arg(at);
        Ran::of(command.output()).expect(0);
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with one of its commands, ready to be run on the repository.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farkeep-tested"));
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"));
        match &self.elsewhere {
            Some(repository) => command.env("FARKEEP_REPOSITORY", repository),
            None => command.env("FARKEEP_REPOSITORY", self.path("repository")),
        };
        command.env("FARKEEP_PASSWORD_FILE", self.path("passphrase"));
        command.env("FARKEEP_CACHE", self.path("cache")).env("HOME", self.path("home"));
        command.stdin(Stdio::null()).current_dir(self.folder.path()).arg(name);
        command
    }

    /// Runs a command.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, name: &str, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command(name).args(arguments).output())
    }

    /// Runs a command that prints JSON, and expects that it ends well.
    pub(crate) fn json<A: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Vec<Value> {
        Ran::of(self.command(name).args(arguments).arg("--json").output()).expect(0).lines()
    }

    /// Backs up the folder `source` and gives the line that sums it up.
    pub(crate) fn backup(&self) -> Value {
        self.json("backup", [self.path("source")]).pop().expect("the summary is the last line")
    }

    /// Starts a command whose output is gathered.
    pub(crate) fn start(command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program was built")
    }
}

impl Ran {
    pub(crate) fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("the program was built");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let signal = |signal: i32| 128 + signal;
        let code = output.status.code().or(output.status.signal().map(signal)).expect("it ended");
        Self { code, results: text(output.stdout), messages: text(output.stderr) }
    }

    /// Fails with everything that was said, if the exit code is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.results, self.messages);
        self
    }

    /// Fails if the messages do not have one of the parts.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.messages.contains(part), "{part:?} is not said:\n{}", self.messages);
        }
        self
    }

    /// The results as lines of JSON, each with its version and type.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| -> Value {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            assert!(value["version"].is_u64() && value["type"].is_string(), "{line}");
            value
        };
        self.results.lines().map(parse).collect()
    }
}

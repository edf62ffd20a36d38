//! What can be typed, and a whole story told by the commands.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use clap::CommandFactory;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::repository::trial::toggle_parity;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_explains_itself() {
    for command in Cli::command().get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
    }
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("13  damage found") && help.contains("FARKEEP_PASSWORD_COMMAND"), "{help}");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_own_code() {
    let lines = [
        "farkeep",
        "farkeep frobnicate",
        "farkeep backup",
        "farkeep backup /a --stdin b",
        "farkeep backup --name x /a",
        "farkeep backup --image --files-from f",
        "farkeep restore latest",
        "farkeep restore latest --target t --delete",
        "farkeep restore latest --target t --overwrite sometimes",
        "farkeep check --read-data=0%",
        "farkeep check --read-data 10%",
        "farkeep init --bundle many",
        "farkeep backup /a --limit-upload fast",
        "farkeep backup /a --limit-upload 1K",
        "farkeep stats --log farkeep=loud",
    ];
    for line in lines {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
    for line in [
        "farkeep check --read-data",
        "farkeep check --read-data=2.5%",
        "farkeep backup --image /dev/x",
        "farkeep backup /a --limit-upload 500K",
        "farkeep restore latest --target t --limit-download 2MiB/s",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
}

struct Pipe(mpsc::Sender<Vec<u8>>);

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a run ended, and what it wrote.
struct Ran {
    exit: Exit,
    results: String,
    messages: String,
    data: Vec<u8>,
}

impl Ran {
    #[track_caller]
    fn lines(&self, kind: &str) -> Vec<Value> {
        let lines =
            self.results.lines().map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"));
        lines.filter(|line| line["type"] == kind).collect()
    }

    #[track_caller]
    fn line(&self, kind: &str) -> Value {
        match <[Value; 1]>::try_from(self.lines(kind)) {
            Ok([line]) => line,
            Err(lines) => panic!("{} lines of {kind} in {}{}", lines.len(), self.results, self.messages),
        }
    }

    #[track_caller]
    fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{}{}", self.results, self.messages);
        self
    }
}

/// A folder with a repository, a passphrase file, and something to back up.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().expect("a temporary folder can be made") };
        fs::write(place.path("passphrase"), "correct horse\n").expect("it can be written");
        fs::create_dir_all(place.path("source/sub")).expect("it can be made");
        fs::write(place.path("source/a.conf"), "first").expect("it can be written");
        fs::write(place.path("source/sub/b.txt"), vec![b'b'; 300_000]).expect("it can be written");
        symlink("a.conf", place.path("source/link")).expect("it can be made");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn source(&self, name: &str) -> String {
        self.path("source").join(name).to_string_lossy().into_owned()
    }

    /// Runs one command on the repository with its passphrase, printing JSON.
    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with("passphrase", &[arguments, &["--json"]].concat())
    }

    fn run_with(&self, passphrase: &str, arguments: &[&str]) -> Ran {
        let mut line: Vec<OsString> = vec!["farkeep".into()];
        line.extend(arguments.iter().map(OsString::from));
        line.extend(["--repo".into(), self.path("repository").into()]);
        line.extend(["--password-file".into(), self.path(passphrase).into()]);
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
        let format = if cli.global.json { Format::Json } else { Format::Human };
        let ((results, read_results), (messages, read_messages), (data, read_data)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let stream = |sender| Box::new(Pipe(sender));
        let output = Output::to(format, Volume::Normal, stream(results), stream(messages), stream(data));
        let exit = perform(cli, output);
        let bytes = |parts: mpsc::Receiver<Vec<u8>>| parts.into_iter().flatten().collect::<Vec<u8>>();
        let text = |parts| String::from_utf8(bytes(parts)).expect("it is text");
        Ran { exit, results: text(read_results), messages: text(read_messages), data: bytes(read_data) }
    }

    fn init(&self) {
        let cheap = ["init", "--guess-memory", "8KiB", "--guess-passes", "1", "--compression-level", "1"];
        self.run(&cheap).expect(Exit::Done);
    }

    fn backup(&self) -> Ran {
        let (source, cache) = (self.path("source"), self.path("cache"));
        let arguments = ["backup", &source.to_string_lossy(), "--cache", &cache.to_string_lossy()];
        self.run(&[&arguments[..], &["--series", "s", "--tag", "t"]].concat()).expect(Exit::Done)
    }
}

#[test]
fn a_story_from_the_first_backup_to_the_last_check() {
    let place = Place::new();
    place.init();
    let first = place.backup().line("backup");
    fs::write(place.path("source/a.conf"), "second!").expect("it can be written");
    fs::write(place.path("source/new"), "new").expect("it can be written");
    let second = place.backup().line("backup");
    assert_ne!(first["content"], second["content"]);

    let snapshots = place.run(&["snapshots", "--tag", "t"]).expect(Exit::Done).lines("snapshot");
    assert_eq!(snapshots.len(), 2);
    assert_eq!(snapshots[1]["snapshot"], second["snapshot"]);
    assert_eq!(snapshots[0]["content"], first["content"]);
    assert_eq!(place.run(&["snapshots", "--tag", "other"]).lines("snapshot").len(), 0);

    let names = |ran: Ran| ran.lines("entry").iter().map(|line| line["path"].clone()).collect::<Vec<_>>();
    let listed = names(place.run(&["ls", "latest~1"]).expect(Exit::Done));
    assert_eq!(listed, [place.source("a.conf"), place.source("link"), place.source("sub")]);
    let inside =
        names(place.run(&["ls", "-R", &format!("latest:{}", place.source("sub"))]).expect(Exit::Done));
    assert_eq!(inside, [place.source("sub/b.txt")]);

    let found = place.run(&["find", "*.conf"]).expect(Exit::Done).lines("match");
    let versions: Vec<&Value> = found.iter().map(|line| &line["snapshot"]).collect();
    assert_eq!(versions, [&second["snapshot"], &first["snapshot"]]);
    assert_eq!(place.run(&["find", "sub/", "--snapshot", "latest"]).lines("match").len(), 1);

    let diff = place.run(&["diff", "latest~1", "latest"]).expect(Exit::Done);
    let changes: Vec<(Value, Value)> =
        diff.lines("difference").iter().map(|line| (line["change"].clone(), line["path"].clone())).collect();
    assert!(changes.contains(&("content".into(), place.source("a.conf").into())), "{changes:?}");
    assert!(changes.contains(&("added".into(), place.source("new").into())), "{changes:?}");
    assert_eq!((&diff.line("diff")["added"], &diff.line("diff")["modified"]), (&1.into(), &1.into()));

    let dump = place.run(&["dump", &format!("latest~1:{}", place.source("a.conf"))]).expect(Exit::Done);
    assert_eq!((dump.data.as_slice(), &dump.line("dump")["bytes"]), (b"first".as_slice(), &5.into()));

    let stats = place.run(&["stats"]).expect(Exit::Done).line("stats");
    assert_eq!((&stats["snapshots"], &stats["series"]), (&2.into(), &1.into()));
    let check = place.run(&["check", "--read-data"]).expect(Exit::Done).line("check");
    assert_eq!((&check["result"], &check["content_ids"]), (&"good".into(), &2.into()));
}

#[test]
fn a_restore_brings_back_what_was_there() {
    let place = Place::new();
    place.init();
    place.backup();
    fs::write(place.path("source/a.conf"), "second!").expect("it can be written");
    place.backup();
    let target = place.path("target");
    let restore = |snapshot: &str, more: &[&str]| {
        let subject = format!("{snapshot}:{}", place.path("source").to_string_lossy());
        let target = target.to_string_lossy();
        place.run(&[&["restore", &subject, "--target", &target], more].concat())
    };
    let dry = restore("latest~1", &["--dry-run"]).expect(Exit::Done).line("restore");
    assert_eq!((&dry["dry_run"], &dry["files"]), (&true.into(), &2.into()));
    assert!(!target.exists());

    let line = restore("latest~1", &["--verify"]).expect(Exit::Done).line("restore");
    assert_eq!((&line["files"], &line["others"], &line["verified"]), (&2.into(), &1.into(), &2.into()));
    assert_eq!(fs::read(target.join("a.conf")).expect("it is there"), b"first");
    assert_eq!(fs::read(target.join("sub/b.txt")).expect("it is there"), vec![b'b'; 300_000]);

    let refused = restore("latest", &[]).expect(Exit::Failed).line("error");
    assert!(refused["message"].to_string().contains("is not empty"), "{refused}");
    let line =
        restore("latest", &["--overwrite", "always", "--exclude", "sub"]).expect(Exit::Done).line("restore");
    assert_eq!((&line["files"], &line["written_bytes"]), (&1.into(), &7.into()));
    assert_eq!(fs::read(target.join("a.conf")).expect("it is there"), b"second!");
    restore("latest", &["--include", "[a", "--overwrite", "never"]).expect(Exit::Usage);
    for dry in [&["--dry-run"][..], &[]] {
        let vain = ["--include", "*.cnf", "--overwrite", "always"];
        let vain = restore("latest", &[&vain, dry].concat()).expect(Exit::Failed);
        assert_eq!(vain.line("no_match")["globs"][0], "*.cnf");
        assert_eq!(vain.line("restore")["problem_count"], 0);
        let found = ["--include", "*.cnf", "--include", "*.conf", "--overwrite", "always"];
        restore("latest", &[&found, dry].concat()).expect(Exit::Done);
    }
}

#[test]
fn what_is_not_there_is_said_with_what_there_is() {
    let place = Place::new();
    place.run(&["snapshots"]).expect(Exit::NoRepository);
    place.init();
    place.run(&["init"]).expect(Exit::Failed);
    let none = place.run(&["ls", "latest"]).expect(Exit::Failed);
    assert_eq!(none.line("error")["message"], "there is no snapshot");
    let id = place.backup().line("backup")["snapshot"].as_str().expect("an id").to_owned();

    let unknown = place.run(&["ls", "0000000000"]).expect(Exit::Failed).line("error");
    assert!(unknown["message"].to_string().contains(&id[..12]), "{unknown}");
    let missing = place.run(&["ls", &format!("latest:{}", place.source("nothing"))]).expect(Exit::Failed);
    assert!(missing.messages.contains("source/nothing"), "{}", missing.messages);
    place.run(&["ls", "not a snapshot"]).expect(Exit::Usage);
    place.run(&["ls", "@soon"]).expect(Exit::Usage);
    place.run(&["find", "[a"]).expect(Exit::Usage);
    place.run(&["find", ""]).expect(Exit::Usage);
    place.run(&["dump", "latest"]).expect(Exit::Usage);
    place.run(&["dump", &format!("latest:{}", place.source("sub"))]).expect(Exit::Usage);
    place.run(&["backup", "/does/not/exist"]).expect(Exit::Failed);
}

#[test]
fn passphrases_and_codes_come_and_go() {
    let place = Place::new();
    place.init();
    fs::write(place.path("wrong"), "wrong").expect("it can be written");
    fs::write(place.path("new"), "battery staple").expect("it can be written");
    let wrong = place.run_with("wrong", &["snapshots", "--json"]).expect(Exit::WrongPassphrase);
    assert_eq!(wrong.line("error")["exit_code"], 12);

    let new = place.path("new");
    place
        .run(&["key", "add", "--new-password-file", &new.to_string_lossy(), "--label", "other"])
        .expect(Exit::Done);
    place.run_with("new", &["snapshots"]).expect(Exit::Done);
    let code = place.run(&["key", "recovery"]).expect(Exit::Done).line("recovery_code")["code"].clone();
    fs::write(place.path("code"), code.as_str().expect("a text")).expect("it can be written");
    let slots = place.run_with("code", &["key", "list", "--json"]).expect(Exit::Done).lines("key");
    assert_eq!(slots.iter().filter(|slot| slot["kind"] == "recovery").count(), 1);
    assert_eq!(slots.len(), 3);

    let own = place.run(&["key", "remove", "first passphrase"]).expect(Exit::Failed);
    assert!(own.messages.contains("another passphrase or code"), "{}", own.messages);
    place.run(&["snapshots"]).expect(Exit::Done);
    place.run(&["key", "remove", "other"]).expect(Exit::Done);
    place.run_with("new", &["snapshots"]).expect(Exit::WrongPassphrase);
    place.run(&["key", "change", "--new-password-file", &new.to_string_lossy()]).expect(Exit::Done);
    place.run(&["snapshots"]).expect(Exit::WrongPassphrase);
    fs::write(place.path("newest"), "tr0ub4dor").expect("it can be written");
    let newest = place.path("newest");
    let newest = newest.to_string_lossy();
    let change = ["key", "change", "--label", "newest", "--new-password-file", &newest];
    place.run_with("code", &change).expect(Exit::Done);
    for secret in ["newest", "new", "code"] {
        place.run_with(secret, &["snapshots"]).expect(Exit::Done);
    }
    place.run_with("new", &["key", "remove", "newest"]).expect(Exit::Done);
    place.run_with("new", &["key", "remove", "recovery code"]).expect(Exit::Done);
    let last = place.run_with("new", &["key", "remove", "passphrase", "--json"]).expect(Exit::Failed);
    assert!(last.messages.contains("the last one"), "{}", last.messages);
}

#[test]
fn files_that_change_while_they_are_read_are_named() {
    let place = Place::new();
    place.init();
    let path = place.path("source/changing");
    fs::write(&path, vec![b'c'; 4 << 20]).expect("it can be written");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::File::options().write(true).open(&path).expect("it is there");
            while !is_over.load(Ordering::Relaxed) {
                file.write_all_at(b"d", 4 << 19).expect("it can be written");
            }
        });
        // Nothing forces the writer to run while the file is read: then it is backed up once more.
        let caught = [["--no-cache", ""], ["--image", "changing"]].map(|[flag, path]| {
            (0..50).find_map(|_| {
                let ran = place.run(&["backup", &place.source(path), flag]);
                let is_caught = ran.line("backup")["inconsistent_count"] != 0;
                is_caught.then(|| (ran, place.run(&["ls", "-R", "latest"])))
            })
        });
        is_over.store(true, Ordering::Relaxed);
        for caught in caught {
            let (ran, listed) = caught.expect("it changed while it was read");
            let ran = ran.expect(Exit::Unreadable);
            assert_eq!(ran.line("backup")["status"], "partial");
            assert_eq!(ran.line("inconsistent")["path"], place.source("changing"));
            assert_eq!(ran.line("inconsistent")["why"], "it changed while it was read");
            let entries = listed.lines("entry");
            let is_named = |entry: &Value| entry["path"] == place.source("changing");
            let changing = entries.iter().find(|entry| is_named(entry)).expect("it is in the snapshot");
            assert_eq!(changing["inconsistent"], true);
            assert!(entries.iter().all(|entry| is_named(entry) || entry["inconsistent"] == false));
        }
    });
}

#[test]
fn a_partial_snapshot_lists_what_it_has() {
    let place = Place::new();
    place.init();
    fs::write(place.path("list"), format!("{}\n{}\n", place.source("gone"), place.source("sub")))
        .expect("it can be written");
    place
        .run(&["backup", "--no-cache", "--files-from", &place.path("list").to_string_lossy()])
        .expect(Exit::Unreadable);
    let listed = place.run(&["ls", "latest"]).expect(Exit::Unreadable);
    assert_eq!(listed.line("entry")["path"], place.source("sub/b.txt"));
    assert_eq!(listed.line("unreadable")["path"], place.source("gone"));
}

#[test]
fn a_series_that_is_not_there_is_no_empty_answer() {
    let place = Place::new();
    place.init();
    place.backup();
    for command in [&["find", "*"][..], &["snapshots"], &["ls", "latest"]] {
        place.run(&[command, &["--series", "s"]].concat()).expect(Exit::Done);
        place.run(&[command, &["--series", "t"]].concat()).expect(Exit::Failed);
    }
    let error = place.run(&["find", "*", "--series", "t"]).line("error");
    assert_eq!(error["message"], "no snapshot is of series t; the series are:\n    s");
    assert!(place.run(&["init"]).messages.contains("a repository is here already"));
}

#[test]
fn a_share_without_an_equals_sign_is_explained() {
    let refused = Cli::try_parse_from(["farkeep", "check", "--read-data", "10%"]);
    let text = with_hint(refused.expect_err("it is no argument")).to_string();
    assert!(text.contains("--read-data=10%"), "{text}");
}

#[test]
fn damage_has_its_code_and_names_the_file() {
    let place = Place::new();
    place.init();
    place.backup();
    for folder in fs::read_dir(place.path("repository/packs")).expect("it is there") {
        for pack in fs::read_dir(folder.expect("it is listed").path()).expect("it is there") {
            let path = pack.expect("it is listed").path();
            let mut bytes = fs::read(&path).expect("it can be read");
            bytes[4_096 + 200] ^= 1;
            toggle_parity(&mut bytes);
            fs::write(&path, bytes).expect("it can be written");
        }
    }
    let check = place.run(&["check", "--read-data"]).expect(Exit::Damage);
    assert!(!check.lines("damage").is_empty(), "{}", check.results);
    assert!(!check.lines("damaged_path").is_empty(), "{}", check.results);
    assert_eq!(check.line("check")["result"], "damaged");
}

#[test]
fn completions_are_a_script() {
    let place = Place::new();
    let script = place.run(&["completions", "bash"]).expect(Exit::Done).line("completions");
    assert!(script["script"].to_string().contains("farkeep"), "{script}");
}

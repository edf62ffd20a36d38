//! Which words reach which stream.

use std::sync::mpsc;

use serde_json::Value;

use super::exit::Exit;
use super::line::KeyChange;
use super::*;

/// A writer whose bytes a test can see.
struct Pipe(mpsc::Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a run wrote to standard output and standard error.
fn written(format: Format, volume: Volume, say: impl FnOnce(&Output)) -> (String, String) {
    let (results, read_results) = mpsc::channel();
    let (messages, read_messages) = mpsc::channel();
    let output =
        Output::to(format, volume, Box::new(Pipe(results)), Box::new(Pipe(messages)), Box::new(io::sink()));
    say(&output);
    drop(output);
    let text = |parts: mpsc::Receiver<Vec<u8>>| {
        String::from_utf8(parts.into_iter().flatten().collect()).expect("output is UTF-8")
    };
    (text(read_results), text(read_messages))
}

fn change() -> KeyChange {
    KeyChange { slot: "7".to_owned(), change: "added" }
}

#[test]
fn people_read_text_and_scripts_read_versioned_lines() {
    let say = |output: &Output| {
        output.heading("keys").expect("it is written");
        output.line(&change()).expect("it is written");
    };
    let (text, _) = written(Format::Human, Volume::Normal, say);
    assert_eq!(text, "keys\nkey slot 7 added\n");
    let (json, _) = written(Format::Json, Volume::Normal, say);
    assert_eq!(json, "{\"version\":1,\"type\":\"key_change\",\"slot\":\"7\",\"change\":\"added\"}\n");
}

#[test]
fn quiet_drops_summaries_and_notes_and_nothing_else() {
    let say = |output: &Output| {
        output.summary(&change()).expect("it is written");
        output.note("a note");
        output.warn("a warning");
    };
    assert_eq!(written(Format::Human, Volume::Quiet, say), (String::new(), "a warning\n".to_owned()));
    let (json, messages) = written(Format::Json, Volume::Quiet, say);
    assert_eq!((json.lines().count(), messages.as_str()), (1, "a warning\n"));
}

#[test]
fn a_failure_is_told_to_people_and_to_scripts() {
    let failure = Failure::new(Exit::InUse, "the store is busy".to_owned(), Some("wait".to_owned()));
    let (results, messages) = written(Format::Json, Volume::Quiet, |output| output.failure(&failure));
    assert_eq!(messages, "farkeep: the store is busy\n  wait\n");
    let line: Value = serde_json::from_str(&results).expect("one line of JSON");
    assert_eq!(line["type"], "error");
    assert_eq!(line["exit_code"], 11);
    assert_eq!(line["message"], "the store is busy");

    let (results, _) = written(Format::Human, Volume::Quiet, |output| output.failure(&failure));
    assert_eq!(results, "");
}

#[test]
fn a_reader_that_went_away_is_an_error_and_no_panic() {
    let (results, read_results) = mpsc::channel();
    drop(read_results);
    let sink = || Box::new(io::sink());
    let output = Output::to(Format::Json, Volume::Normal, Box::new(Pipe(results)), sink(), sink());
    let problem = output.line(&change()).expect_err("nobody reads");
    assert_eq!(problem.kind(), io::ErrorKind::BrokenPipe);
}

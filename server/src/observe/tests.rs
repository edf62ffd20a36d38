use std::collections::BTreeSet;

use farkeep_engine::SystemClock;

use super::*;

const RULES: &str = include_str!("../../packaging/farkeep.rules.yml");

/// All words of a text that begin like a metric.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("farkeep_")).collect()
}

/// An alert on a metric that does not exist never fires, and nobody notices.
#[test]
fn alerts_are_about_metrics_that_exist() {
    let observer = Observer::new(Recorder::new().0, Arc::new(SystemClock));
    let limited = Quota { soft_bytes: Some(1), hard_bytes: Some(2) };
    observer.repository("main", limited).point("web-1:/", Time::from_nanoseconds(0));
    let text = observer.metrics();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let shown: BTreeSet<&str> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
    let wanted = names(RULES);
    assert!(wanted.len() > 5, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?} is in no answer: {shown:?}");
}

/// The same for the codes that alerts name.
#[test]
fn alerts_are_about_codes_that_exist() {
    let known: BTreeSet<&str> = farkeep_protocol::fault::Code::ALL.iter().map(|code| code.name()).collect();
    let named = RULES.split("code=~\"").skip(1).filter_map(|rest| rest.split('"').next());
    let named: BTreeSet<&str> = named.flat_map(|codes| codes.split('|')).collect();
    assert!(named.len() > 5 && named.is_subset(&known), "{named:?}");
}

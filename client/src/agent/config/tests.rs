use std::fs;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Config;
use super::Member;
use super::What;
use crate::agent::hooks::Hook;
use crate::agent::schedule::CatchUp;
use crate::config::size::Rate;

fn read(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("agent.toml");
    fs::write(&path, text).expect("there is room");
    let config = Config::read(&path, &TimeZone::UTC);
    let config = config.and_then(|config| config.expect_own_series(&path, "web-1").map(|()| config));
    config.map_err(|error| crate::output::chain(&error))
}

const HEAD: &str =
    "servers = [\"farkeep://one/main\", \"farkeep://two:99/main\"]\nstate = \"/var/lib/agent\"\n";

#[test]
fn a_whole_configuration_is_understood() {
    let job = "[[job]]\nname = \"etc\"\npaths = [\"/etc\"]\nexclude = [\"*.tmp\"]\nschedule = \"every 15m\"\njitter = \"2m\"\n\
               before = \"true\"\nfinally = { run = \"told\", limit = \"30s\" }\ncatch-up = false\n\
               [[job]]\nname = \"shop\"\ncommand = \"pg_dump shop\"\ntime-limit = \"1h\"\nschedule = \"30 3 * * *\"\n";
    let config = read(&format!(
        "{HEAD}reach = \"90s\"\nalarm-age = \"2h\"\nspool = \"1G\"\nlimit-upload = \"2MiB\"\nconnections = 3\n{job}"
    )).expect("it is whole");
    let ports: Vec<u16> = config.servers.iter().map(|address| address.port).collect();
    assert_eq!(ports, [farkeep_protocol::identity::PORT, 99]);
    assert_eq!((config.reach, config.alarm_age), (Duration::from_secs(90), Some(Duration::from_secs(7_200))));
    assert_eq!((config.spool_bytes, config.connections), (1 << 30, 3));
    assert_eq!(config.upload.map(Rate::bytes_per_second), Some(2 << 20));
    let [etc, shop] = config.jobs.as_slice() else { panic!("two jobs") };
    assert_eq!((etc.jitter, etc.catch_up), (Duration::from_secs(120), CatchUp::Skip));
    let before = Hook { line: "true".to_owned(), limit: Duration::from_secs(600) };
    let finally = Hook { line: "told".to_owned(), limit: Duration::from_secs(30) };
    assert_eq!((&etc.hooks.before, &etc.hooks.finally), (&Some(before), &Some(finally)));
    let limit = Some(Duration::from_secs(3_600));
    assert_eq!(shop.what, What::Command { line: "pg_dump shop".to_owned(), limit });
    assert_eq!(shop.catch_up, CatchUp::Once);
}

#[test]
fn a_group_says_when_its_jobs_are_due() {
    let group = "[[group]]\nname = \"shop\"\nmembers = 3\nschedule = \"0 3 * * *\"\nlimit = \"30s\"\n";
    let job = "[[job]]\nname = \"db\"\npaths = [\"/db\"]\ngroup = \"shop\"\nfreeze = \"f\"\nthaw = \"t\"\n";
    let config = read(&format!("{HEAD}{group}{job}")).expect("it is whole");
    let [db] = config.jobs.as_slice() else { panic!("one job") };
    let member = Member { group: "shop".to_owned(), members: 3, limit: Duration::from_secs(30) };
    assert_eq!((db.schedule.as_str(), &db.member, db.catch_up), ("0 3 * * *", &Some(member), CatchUp::Skip));
    for (text, said) in [
        (format!("{HEAD}{job}"), "no [[group]]"),
        (format!("{HEAD}{group}{job}schedule = \"every 1d\"\n"), "the group says"),
        (format!("{HEAD}{group}{job}").replace("members = 3", "members = 0"), "1 to 1024"),
        (format!("{HEAD}{group}{job}").replace("30s", "11m"), "10m"),
        (format!("{HEAD}{group}{group}{job}"), "two groups"),
        (format!("{HEAD}{group}{job}").replace("\"shop\"", "\"..\""), "neither . nor .."),
        (
            format!("{HEAD}{}", job.replace("group = \"shop\"", "schedule = \"every 1d\"")),
            "members of a group",
        ),
    ] {
        let refused = read(&text).expect_err(&text);
        assert!(refused.contains(said), "{said:?}: {refused}");
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let job = |more: &str| format!("[[job]]\nname = \"etc\"\nschedule = \"every 15m\"\n{more}\n");
    let paths = job("paths = [\"/etc\"]");
    let other = |series: &str| {
        format!(
            "[[job]]\nname = \"other\"\nschedule = \"every 1d\"\npaths = [\"/srv\"]\nseries = \"{series}\"\n"
        )
    };
    for (text, said) in [
        (format!("{HEAD}unknown = 1\n{paths}"), "unknown"),
        (HEAD.to_owned(), "[[job]]"),
        (format!("{HEAD}limit-upload = \"fast\"\n{paths}"), "limit-upload"),
        (format!("{HEAD}connections = 0\n{paths}"), "connections"),
        (format!("{HEAD}spool = \"some\"\n{paths}"), "spool"),
        (format!("{HEAD}{paths}{paths}"), "same name"),
        (format!("servers = []\nstate = \"/s\"\n{paths}"), "at least one"),
        (format!("servers = [\"/srv/backup\"]\nstate = \"/s\"\n{paths}"), "farkeep://HOST/NAME"),
        (format!("{HEAD}{}", job("")), "either paths"),
        (format!("{HEAD}{}", job("paths = [\"/etc\"]\ncommand = \"true\"")), "either paths"),
        (format!("{HEAD}{}", paths.replace("every 15m", "now and then")), "every 15m"),
        (format!("{HEAD}{}", paths.replace("\"etc\"", "\"a job\"")), "letters"),
        (format!("{HEAD}{}", paths.replace("\"etc\"", "\".\"")), "neither . nor .."),
        (format!("{HEAD}{}", paths.replace("\"etc\"", "\"..\"")), "neither . nor .."),
        (format!("{HEAD}{paths}{}", other("web-1:etc")), "same series \"web-1:etc\""),
        (
            format!("{HEAD}{paths}{}{}", other("one"), other("one").replace("other", "third")),
            "same series \"one\"",
        ),
        (format!("{HEAD}{}", job("command = \"true\"\ntime-limit = \"0s\"")), "in no time"),
        (
            format!("{HEAD}{}", job("paths = [\"/etc\"]\nafter = { run = \"true\", limit = \"0s\" }")),
            "after: in no time",
        ),
        (format!("{HEAD}{}", job("paths = [\"/etc\"]\njitter = \"soon\"")), "length of time"),
        (format!("{HEAD}{}", job("command = \"true\"\ntime-limit = \"5\"")), "time-limit"),
        (format!("{HEAD}{}", job("paths = [\"/etc\"]\ntime-limit = \"5m\"")), "for a command"),
        (
            format!("{HEAD}{}", job("paths = [\"/etc\"]\nbefore = { run = \"true\", limit = \"5\" }")),
            "before",
        ),
    ] {
        let refused = read(&text).expect_err(&text);
        assert!(refused.contains(said) && refused.contains("agent.toml"), "{said:?}: {refused}");
    }
}

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn nothing_is_a_config() {
    assert_eq!(parse(""), Ok(Config::default()));
}

#[test]
fn what_is_written_is_read() {
    let mut config = Config { public_host: Some("backup.example.org".to_owned()), ..Config::default() };
    config.deadlines.gather = Duration::from_millis(50);
    config.quotas.clients.insert("web-1".to_owned(), Quota { soft_bytes: Some(1), hard_bytes: Some(2) });
    let text = toml::to_string(&config).expect("it can be written");
    assert_eq!(parse(&text), Ok(config));
}

#[test]
fn whole_seconds_may_be_written_without_a_point() {
    assert_eq!(
        parse("[deadlines]\nresume = 7").map(|config| config.deadlines.resume),
        Ok(Duration::from_secs(7))
    );
}

#[test]
fn a_misspelt_key_and_a_value_that_cannot_work_are_refused() {
    for text in [
        "listn = '0.0.0.0:1'",
        "[limits]\nsession = 1",
        "[limits]\nsessions = 0",
        "[limits]\nsession_bytes = 1",
        "[limits]\nmemory_bytes = 1",
        "[limits]\nsession_requests = 1",
        "[deadlines]\nheartbeat = 60",
        "[deadlines]\nresume = -1",
        "notify = ['']",
        "webhook = 'alerts.example.org/farkeep'",
        "webhook = 'ftp://alerts.example.org'",
        "[alerts]\nclock_jump = 0",
        "[quotas.each_client]\nsoft_bytes = 2\nhard_bytes = 1",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_quota_of_ones_own_comes_before_that_of_each() {
    let text = "[quotas.each_client]\nhard_bytes = 9\n[quotas.clients.web-1]\nhard_bytes = 5";
    let quotas = parse(text).expect("a config").quotas;
    assert_eq!((quotas.client("web-1").hard_bytes, quotas.client("web-2").hard_bytes), (Some(5), Some(9)));
    assert_eq!(quotas.repository("web-1"), Quota::default());
}

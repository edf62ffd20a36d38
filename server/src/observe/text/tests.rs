use super::*;

#[test]
fn a_family_has_a_head_and_its_samples() {
    let mut text = Text::default();
    text.family("a_total", Form::Counter, "What a is.");
    text.sample("a_total", &[("kind", "x"), ("of", "y")], 7);
    text.alone("b", Form::Gauge, "What b is.", 1.5);
    assert_eq!(
        text.finish(),
        "# HELP a_total What a is.\n# TYPE a_total counter\na_total{kind=\"x\",of=\"y\"} 7\n\
         # HELP b What b is.\n# TYPE b gauge\nb 1.5\n"
    );
}

/// Whoever names a series must not be able to write samples.
#[test]
fn a_label_stays_between_its_quotation_marks() {
    let mut text = Text::default();
    text.sample("a", &[("series", "x\"} 1\nfarkeep_evil{y=\"\\")], 2);
    assert_eq!(text.finish(), "a{series=\"x\\\"} 1\\nfarkeep_evil{y=\\\"\\\\\"} 2\n");
}

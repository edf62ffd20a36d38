//! The growth curve, as a drawing that any browser shows.

use std::fmt::Write;

use crate::course::Sample;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const PANEL: f64 = 230.0;
const GAP: f64 = 60.0;
const TOP: f64 = 40.0;

/// One curve: its name, its colour, and what it shows of a sample.
type Curve = (&'static str, &'static str, fn(&Sample) -> f64);

const SIZES: [Curve; 3] = [
    ("repository", "#1f5fa8", |sample| sample.repository_bytes as f64 / 1e6),
    ("of it, the journal, twice", "#c05a1a", |sample| sample.journal_bytes as f64 / 1e6),
    ("source", "#4a8a3c", |sample| sample.source_bytes as f64 / 1e6),
];

const TIMES: [Curve; 5] = [
    ("restore of the newest", "#1f5fa8", |sample| sample.restore.as_secs_f64() * 1e3),
    ("collection of a day", "#c05a1a", |sample| sample.collect.as_secs_f64() * 1e3),
    ("backup, median of a day", "#4a8a3c", |sample| sample.backup.as_secs_f64() * 1e3),
    ("unchanged run", "#8a3c7a", |sample| sample.unchanged.as_secs_f64() * 1e3),
    ("retention", "#777777", |sample| sample.forget.as_secs_f64() * 1e3),
];

/// Two panels over the number of snapshots made: sizes above, times below.
pub(crate) fn draw(samples: &[Sample]) -> String {
    let height = TOP + 2.0 * PANEL + 2.0 * GAP;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    panel(&mut text, samples, &SIZES, TOP, "MB after each day's collection");
    panel(&mut text, samples, &TIMES, TOP + PANEL + GAP, "milliseconds, whole commands");
    let made = samples.last().map_or(0, |sample| sample.made);
    let listed = samples.last().map_or(0, |sample| sample.listed);
    label(
        &mut text,
        LEFT,
        height - 14.0,
        &format!("snapshots made; of {made}, {listed} are listed at the end"),
    );
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, samples: &[Sample], curves: &[Curve], top: f64, title: &str) {
    let values = samples.iter().flat_map(|sample| curves.iter().map(|(_, _, of)| of(sample)));
    let most = values.fold(0.0, f64::max);
    let step = tick(most);
    let ceiling = (most / step).ceil().max(1.0) * step;
    let right = WIDTH - RIGHT;
    let made = samples.last().map_or(1, |sample| sample.made).max(1);
    let x = |of: u32| LEFT + (right - LEFT) * f64::from(of) / f64::from(made);
    let y = |of: f64| top + PANEL * (1.0 - of / ceiling);
    label(text, LEFT, top - 10.0, title);
    let mut at = 0.0;
    while at <= ceiling * 1.001 {
        let _ = writeln!(text, "<path d=\"M{LEFT} {0:.1}H{right}\" stroke=\"#dddddd\"/>", y(at));
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{at}</text>",
            LEFT - 6.0,
            y(at) + 4.0
        );
        at += step;
    }
    for quarter in 0..=4 {
        let of = made * quarter / 4;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{of}</text>",
            x(of),
            top + PANEL + 16.0
        );
    }
    // Names stand beside the ends of their curves, from the highest down, and not over one another.
    let mut ends: Vec<(f64, &Curve)> = Vec::new();
    for curve in curves {
        let points: Vec<String> = samples
            .iter()
            .map(|sample| format!("{:.1},{:.1}", x(sample.made), y((curve.2)(sample))))
            .collect();
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{}\" points=\"{}\"/>",
            curve.1,
            points.join(" ")
        );
        ends.push((samples.last().map_or(y(0.0), |sample| y((curve.2)(sample))), curve));
    }
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = top;
    for (end, (name, colour, _)) in ends {
        let at = end.max(free);
        free = at + 15.0;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            right + 8.0,
            at + 4.0
        );
    }
}

/// A distance of lines of which there are four to ten up to that value: 1, 2 or 5 times a power of ten.
fn tick(most: f64) -> f64 {
    let rough = (most / 5.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= rough);
    times.unwrap_or(10.0) * power
}

fn label(text: &mut String, x: f64, y: f64, of: &str) {
    let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"bold\">{of}</text>");
}

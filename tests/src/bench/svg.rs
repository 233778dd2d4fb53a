//! Charts as SVG that reads on light and on dark pages. Only what the reports draw: bars, and lines over a number.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 64.0;

/// Colours of series, told apart with any eyes on both backgrounds (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-size:15px;font-weight:600}.g{stroke:#d0d7de}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#444c56}}";

/// What to draw.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// Of the vertical axis.
    pub(super) unit: String,
    pub(super) plot: Plot,
}

/// How.
#[derive(Clone, Debug)]
pub(super) enum Plot {
    /// Groups with one bar a series; a series without a value in a group is `NaN`.
    Bars { series: Vec<String>, groups: Vec<(String, Vec<f64>)> },
    /// Points joined by lines, over the number that `x` names.
    Lines { x: String, series: Vec<(String, Vec<(f64, f64)>)> },
}

impl Chart {
    /// The SVG document.
    pub(super) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<style>{STYLE}</style>\n"
        );
        text(&mut out, LEFT, 20.0, "t", "start", &format!("{} ({})", self.title, self.unit));
        let top = ceiling(self.values().fold(0.0, f64::max));
        grid(&mut out, top);
        match &self.plot {
            Plot::Bars { series, groups } => bars(&mut out, top, series, groups),
            Plot::Lines { x, series } => lines(&mut out, top, x, series),
        }
        out.push_str("</svg>\n");
        out
    }

    fn values(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match &self.plot {
            Plot::Bars { groups, .. } => Box::new(groups.iter().flat_map(|(_, values)| values.iter().copied())),
            Plot::Lines { series, .. } => {
                Box::new(series.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value)))
            }
        }
    }
}

/// The next of 1, 2, 5 × 10ⁿ at or above, so that the axis has round numbers.
fn ceiling(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * decade).into_iter().find(|top| *top >= value).unwrap_or(10.0 * decade)
}

fn height(value: f64, top: f64) -> f64 {
    (HEIGHT - TOP - BOTTOM) * value / top
}

fn grid(out: &mut String, top: f64) {
    for line in 0..=4 {
        let value = top * f64::from(line) / 4.0;
        let y = HEIGHT - BOTTOM - height(value, top);
        let _ = writeln!(out, "<line class=\"g\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>", WIDTH - RIGHT);
        text(out, LEFT - 6.0, y + 4.0, "", "end", &number(value));
    }
}

fn bars(out: &mut String, top: f64, series: &[String], groups: &[(String, Vec<f64>)]) {
    let room = (WIDTH - LEFT - RIGHT) / groups.len().max(1) as f64;
    let width = (0.8 * room / series.len().max(1) as f64).min(90.0);
    for (group, (name, values)) in groups.iter().enumerate() {
        let middle = LEFT + room * (group as f64 + 0.5);
        let start = middle - width * values.len() as f64 / 2.0;
        for (index, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let (x, tall) = (start + width * index as f64, height(*value, top));
            let (y, colour) = (HEIGHT - BOTTOM - tall, COLOURS[index % COLOURS.len()]);
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"/>",
                width - 3.0
            );
            text(out, x + width / 2.0 - 1.5, y - 4.0, "", "middle", &number(*value));
        }
        text(out, middle, HEIGHT - BOTTOM + 18.0, "", "middle", name);
    }
    legend(out, series.iter().map(String::as_str));
}

fn lines(out: &mut String, top: f64, x: &str, series: &[(String, Vec<(f64, f64)>)]) {
    let right = series.iter().flat_map(|(_, points)| points.iter().map(|(at, _)| *at)).fold(0.0, f64::max);
    let right = if right > 0.0 { right } else { 1.0 };
    let across = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / right;
    for (index, (_, points)) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let mut path = String::new();
        for (at, value) in points {
            let (x, y) = (across(*at), HEIGHT - BOTTOM - height(*value, top));
            let _ = write!(path, "{x:.1},{y:.1} ");
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.trim_end()
        );
    }
    for part in 0..=4 {
        let at = right * f64::from(part) / 4.0;
        text(out, across(at), HEIGHT - BOTTOM + 18.0, "", "middle", &number(at));
    }
    text(out, WIDTH / 2.0, HEIGHT - BOTTOM + 34.0, "", "middle", x);
    legend(out, series.iter().map(|(name, _)| name.as_str()));
}

fn legend<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    let mut x = LEFT;
    for (index, name) in names.enumerate() {
        let (y, colour) = (HEIGHT - 14.0, COLOURS[index % COLOURS.len()]);
        let _ = writeln!(out, "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", y - 9.0);
        text(out, x + 15.0, y, "", "start", name);
        x += 32.0 + 7.0 * name.chars().count() as f64;
    }
}

fn text(out: &mut String, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// With commas between thousands, and decimals only where they say something.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 10.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 { "−" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, expected) in [(0.0, "0"), (0.456, "0.46"), (12.6, "13"), (1234567.0, "1,234,567")] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [(0.0, 1.0), (0.3, 0.5), (7.0, 10.0), (1001.0, 2000.0), (f64::NAN, 1.0)] {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn a_chart_has_a_bar_for_every_value_and_escapes_its_words() {
        let groups = vec![("a<b".to_owned(), vec![1.0, 2.0]), ("c".to_owned(), vec![f64::NAN, 4.0])];
        let plot = Plot::Bars { series: vec!["x".to_owned(), "y".to_owned()], groups };
        let svg = Chart { title: "t".to_owned(), unit: "s".to_owned(), plot }.svg();
        // Three bars and two entries of the legend.
        assert_eq!(svg.matches("<rect").count(), 5);
        assert!(svg.contains("a&lt;b") && svg.trim_end().ends_with("</svg>"));
    }
}

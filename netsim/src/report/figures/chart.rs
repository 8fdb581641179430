//! Charts as SVG whose colours are those of the page around them, or of their own style where they stand alone.
//!
//! Must never show a median without its spread; what is counted has none.

use maud::{Markup, html};

const WIDTH: f64 = 720.0;
/// Where bars begin: left of it stand their names.
const LEFT: f64 = 230.0;
/// Room for the figures behind bars.
const RIGHT: f64 = 150.0;
const BAR: f64 = 22.0;
const HEIGHT: f64 = 280.0;

/// A bar.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// From where to where it reaches in half of the rounds; none of what is counted.
    pub(super) spread: Option<[f64; 2]>,
    /// Which of the page's colours it has.
    pub(super) colour: usize,
}

/// A line through points that stand at equal distances.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<Bar>,
    pub(super) colour: usize,
}

/// Bars below each other.
pub(super) fn bars(title: &str, unit: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.highest()).fold(f64::MIN_POSITIVE, f64::max);
    let at = |value: f64| LEFT + value / most * (WIDTH - LEFT - RIGHT);
    let height = 34.0 + BAR * bars.len() as f64;
    html! {
        figure {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(title) xmlns="http://www.w3.org/2000/svg" {
                @for (number, bar) in bars.iter().enumerate() {
                    @let y = 8.0 + BAR * number as f64;
                    text x=(LEFT - 8.0) y=(y + 13.0) text-anchor="end" { (bar.name) }
                    rect class={ "bar c" (bar.colour) } x=(LEFT) y=(y) width=(at(bar.value) - LEFT) height=(BAR - 7.0) rx="2" {}
                    @if let Some([low, high]) = bar.spread {
                        line.spread x1=(at(low)) x2=(at(high)) y1=(y + 7.5) y2=(y + 7.5) {}
                    }
                    text.small x=(at(bar.highest()) + 6.0) y=(y + 12.0) {
                        (short(bar.value)) @if let Some([low, high]) = bar.spread { " [" (short(low)) "–" (short(high)) "]" }
                    }
                }
                text.small x=(LEFT) y=(height - 6.0) { (unit) (of_rounds(bars)) }
            }
        }
    }
}

/// Lines over the same points. On a logarithmic scale where values differ by more than a factor of ten.
pub(super) fn lines(title: &str, unit: &str, names: &[String], lines: &[Line]) -> Markup {
    let values =
        || lines.iter().flat_map(|line| &line.points).flat_map(|point| [point.value, point.highest()]);
    let most = values().fold(f64::MIN_POSITIVE, f64::max);
    let least = values().fold(most, f64::min);
    let logarithmic = most > 10.0 * least;
    let (bottom, top) = (HEIGHT - 56.0, 14.0);
    let share = |value: f64| {
        if logarithmic { (value.max(least) / least).ln() / (most / least).ln() } else { value / most }
    };
    let y = |value: f64| bottom - share(value) * (bottom - top);
    let step = (WIDTH - 90.0 - RIGHT) / (names.len().max(2) - 1) as f64;
    let x = |number: usize| 90.0 + step * number as f64;
    let path = |line: &Line| {
        let points = line.points.iter().enumerate();
        points
            .map(|(number, point)| format!("{:.1},{:.1}", x(number), y(point.value)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let marks = if logarithmic { [least, (least * most).sqrt(), most] } else { [0.0, most / 2.0, most] };
    html! {
        figure {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) xmlns="http://www.w3.org/2000/svg" {
                @for mark in marks {
                    line.grid x1="84" x2=(WIDTH - RIGHT + 6.0) y1=(y(mark)) y2=(y(mark)) {}
                    text.small x="78" y=(y(mark) + 4.0) text-anchor="end" { (short(mark)) }
                }
                @for (number, name) in names.iter().enumerate() {
                    text.small x=(x(number)) y=(bottom + 18.0) text-anchor="middle" { (name) }
                }
                @for (number, line) in lines.iter().enumerate() {
                    polyline class={ "line c" (line.colour) } points=(path(line)) {}
                    @for (place, point) in line.points.iter().enumerate() {
                        @if let Some([low, high]) = point.spread {
                            line.spread x1=(x(place)) x2=(x(place)) y1=(y(low)) y2=(y(high)) {}
                        }
                        circle class={ "dot c" (line.colour) } cx=(x(place)) cy=(y(point.value)) r="3.2" {}
                    }
                    @let key = 20.0 + 18.0 * number as f64;
                    rect class={ "bar c" (line.colour) } x=(WIDTH - RIGHT + 20.0) y=(key - 9.0) width="12" height="10" rx="2" {}
                    text x=(WIDTH - RIGHT + 38.0) y=(key) { (line.name) }
                }
                text.small x="90" y=(HEIGHT - 12.0) {
                    (unit) @if logarithmic { ", logarithmic" } (lines.first().map_or("", |line| of_rounds(&line.points)))
                }
            }
        }
    }
}

/// What stands behind the unit of what was measured.
fn of_rounds(bars: &[Bar]) -> &'static str {
    if bars.iter().any(|bar| bar.spread.is_some()) { "; median and quartiles of the rounds" } else { "" }
}

impl Bar {
    /// As far as anything of it reaches.
    fn highest(&self) -> f64 {
        self.spread.map_or(self.value, |[_, high]| self.value.max(high))
    }
}

/// A number with as many digits as mean something.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        assert_eq!([1234.5, 12.34, 1.234].map(short), ["1234", "12.3", "1.23"]);
    }
}

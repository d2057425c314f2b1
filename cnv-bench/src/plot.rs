//! Nanoseconds a frame against batch size: as CSV, and as a drawing that is readable on light and on dark.

use std::fmt::Write as _;

use crate::report::Group;

/// One contender's line: batch sizes in frames, and ns a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The contender.
    pub name: String,
    /// Frames of the batch and ns a frame, by size.
    pub points: Vec<(u32, f64)>,
}

/// The lines of those groups whose names are `prefix` and a number of frames.
pub fn lines(groups: &[Group], prefix: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for group in groups {
        let Some(frames) = group.name.strip_prefix(prefix).and_then(|n| n.parse().ok()) else {
            continue;
        };
        for figure in &group.figures {
            let point = (frames, figure.ns);
            match lines.iter_mut().find(|line| line.name == figure.contender) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name: figure.contender.clone(),
                    points: vec![point],
                }),
            }
        }
    }
    lines
}

/// One row for each batch size, one column for each contender.
pub fn csv(lines: &[Line]) -> String {
    let mut text = String::from("frames");
    for line in lines {
        text += ",";
        text += &line.name;
    }
    text += "\n";
    let sizes = lines.first().map_or(&[][..], |line| &line.points);
    for (row, (frames, _)) in sizes.iter().enumerate() {
        text += &frames.to_string();
        for line in lines {
            text += ",";
            if let Some((_, ns)) = line.points.get(row) {
                text += &format!("{ns:.4}");
            }
        }
        text += "\n";
    }
    text
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// Hues that are told apart on white and on black, also by those who see red and green alike (Okabe and
/// Ito 2008), and dashes beside them.
const STROKES: [(&str, &str); 5] = [
    ("#0072b2", ""),
    ("#56b4e9", "6 3"),
    ("#d55e00", ""),
    ("#e69f00", "6 3"),
    ("#7f7f7f", "2 3"),
];

/// Maps figures to places: both axes are logarithmic.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn new(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (left, right) = bounds(&mut points().map(|&(frames, _)| f64::from(frames).log2()));
        let (low, high) = bounds(&mut points().map(|&(_, ns)| ns.log10()));
        // Whole halves of a decade, so that the lines stand in a frame.
        Self {
            x: (left, right.max(left + 1.0)),
            y: ((low * 2.0).floor() / 2.0, (high * 2.0).ceil() / 2.0),
        }
    }

    fn x(&self, frames: f64) -> f64 {
        let part = (frames.log2() - self.x.0) / (self.x.1 - self.x.0);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ns: f64) -> f64 {
        let part = (ns.log10() - self.y.0) / (self.y.1 - self.y.0);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }
}

/// The drawing, or one without lines if there are none.
pub fn svg(lines: &[Line]) -> String {
    let mut text = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>Nanoseconds a frame against frames in a batch, both axes logarithmic</title>
<style>
  svg {{ background: #fff; color: #222; }}
  @media (prefers-color-scheme: dark) {{ svg {{ background: #16181d; color: #ddd; }} }}
  text {{ fill: currentColor; }}
  .grid {{ stroke: currentColor; stroke-opacity: 0.15; }}
  .line {{ fill: none; stroke-width: 2; }}
</style>
<text x="{LEFT}" y="22" font-size="15">Validate and use a batch of 64-byte frames</text>
"#
    );
    if lines.iter().any(|line| !line.points.is_empty()) {
        let axes = Axes::new(lines);
        draw_grid(&mut text, &axes);
        for (line, (colour, dash)) in lines.iter().zip(STROKES.iter().cycle()) {
            draw_line(&mut text, &axes, line, colour, dash);
        }
        draw_names(&mut text, &axes, lines);
    }
    text + "</svg>\n"
}

fn draw_grid(text: &mut String, axes: &Axes) {
    let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for power in (axes.x.0.ceil() as u32..=axes.x.1 as u32).step_by(2) {
        let frames = f64::from(power).exp2();
        let x = axes.x(frames);
        let label = floor + 18.0;
        push(
            text,
            &format!(
                r#"<path class="grid" d="M{x:.1} {TOP}V{floor}"/><text x="{x:.1}" y="{label}" text-anchor="middle">{frames}</text>"#
            ),
        );
    }
    for decade in axes.y.0.floor() as i32..=axes.y.1.ceil() as i32 {
        for step in [1.0, 2.0, 5.0] {
            let ns = step * 10_f64.powi(decade);
            if ns.log10() < axes.y.0 - 1e-9 || ns.log10() > axes.y.1 + 1e-9 {
                continue;
            }
            let y = axes.y(ns);
            let (left, baseline) = (LEFT - 8.0, y + 4.0);
            push(
                text,
                &format!(
                    r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text x="{left}" y="{baseline:.1}" text-anchor="end">{ns}</text>"#
                ),
            );
        }
    }
    let (middle, bottom) = ((LEFT + right) / 2.0, HEIGHT - 10.0);
    push(
        text,
        &format!(
            r#"<text x="{middle}" y="{bottom}" text-anchor="middle">frames in the batch</text>"#
        ),
    );
    let centre = (TOP + floor) / 2.0;
    push(
        text,
        &format!(
            r#"<text transform="translate(16 {centre}) rotate(-90)" text-anchor="middle">ns a frame</text>"#
        ),
    );
}

fn draw_line(text: &mut String, axes: &Axes, line: &Line, colour: &str, dash: &str) {
    let mut path = String::new();
    for &(frames, ns) in &line.points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let (x, y) = (axes.x(frames.into()), axes.y(ns));
        let written = write!(path, "{command}{x:.1} {y:.1}");
        written.expect("a String grows");
    }
    push(
        text,
        &format!(r#"<path class="line" stroke="{colour}" stroke-dasharray="{dash}" d="{path}"/>"#),
    );
}

/// The names stand at the ends of their lines, moved apart where they would overlap.
fn draw_names(text: &mut String, axes: &Axes, lines: &[Line]) {
    const APART: f64 = 16.0;
    let end = |line: &Line| line.points.last().map(|&(_, ns)| axes.y(ns));
    let mut names: Vec<(f64, &str, &str)> = lines
        .iter()
        .zip(STROKES.iter().cycle())
        .filter_map(|(line, (colour, _))| Some((end(line)?, line.name.as_str(), *colour)))
        .collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (y, name, colour) in names {
        above = y.max(above + APART);
        let (x, baseline) = (WIDTH - RIGHT + 8.0, above + 4.0);
        push(
            text,
            &format!(
                r#"<text x="{x}" y="{baseline:.1}"><tspan style="fill: {colour}">&#9632;</tspan> {name}</text>"#
            ),
        );
    }
}

fn push(text: &mut String, element: &str) {
    *text += element;
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;

    fn groups() -> Vec<Group> {
        let group = |name: &str, fast, slow| Group {
            name: name.into(),
            figures: [("cnv", fast), ("other", slow)]
                .map(|(contender, ns)| Figure {
                    contender: contender.into(),
                    ns,
                })
                .into(),
        };
        vec![
            group("something else", 9.0, 9.0),
            group("batch of 1", 2.0, 4.0),
            group("batch of 64", 0.5, 3.25),
        ]
    }

    #[test]
    fn only_groups_of_the_sweep_are_drawn() {
        let lines = lines(&groups(), "batch of ");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].points, [(1, 2.0), (64, 0.5)]);
        assert_eq!(lines[1].name, "other");
    }

    #[test]
    fn a_row_is_a_batch_size_and_a_column_a_contender() {
        let text = csv(&lines(&groups(), "batch of "));
        assert_eq!(
            text,
            "frames,cnv,other\n1,2.0000,4.0000\n64,0.5000,3.2500\n"
        );
    }

    #[test]
    fn a_drawing_has_a_line_and_a_name_for_each_contender() {
        let text = svg(&lines(&groups(), "batch of "));
        assert_eq!(text.matches(r#"class="line""#).count(), 2);
        assert!(text.contains("> cnv</text>") && text.contains("> other</text>"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
        assert!(svg(&[]).ends_with("</svg>\n"));
    }

    #[test]
    fn the_axes_are_logarithmic_and_hold_every_point() {
        let axes = Axes::new(&lines(&groups(), "batch of "));
        let step = axes.x(8.0) - axes.x(1.0);
        assert!((axes.x(64.0) - axes.x(8.0) - step).abs() < 1e-9);
        assert!((axes.x(1.0) - LEFT).abs() < 1e-9);
        for ns in [0.5, 4.0] {
            assert!((TOP..=HEIGHT - BOTTOM).contains(&axes.y(ns)));
        }
        assert!(axes.y(4.0) < axes.y(0.5));
    }
}

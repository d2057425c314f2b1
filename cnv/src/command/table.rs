//! Output for people: values as lines and tables.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::output::Node;

/// Digests and public keys are shorter, tokens and explanations longer.
const LONGEST_IN_ROW_BYTES: usize = 100;

/// The value as text that ends in a newline.
pub(super) fn render(node: &Node) -> String {
    let mut text = String::new();
    section(&mut text, None, node);
    text
}

/// The rows of a stream, shown one by one under a heading. A column is as wide as what was in it so far.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    key: String,
    width: usize,
}

impl Rows {
    /// The next row, after a heading where its columns are not those of the row before it. What has no columns is a line.
    pub(super) fn render(&mut self, node: &Node) -> String {
        let Node::Map(entries) = node else {
            return cell(node) + "\n";
        };
        let mut text = String::new();
        let keys = || entries.iter().map(|(key, _)| key);
        let is_new = !keys().eq(self.columns.iter().map(|column| &column.key));
        if is_new {
            let column = |key: &String| Column {
                key: key.clone(),
                width: 0,
            };
            self.columns = keys().map(column).collect();
        }
        let cells: Vec<String> = entries.iter().map(|(_, value)| cell(value)).collect();
        let is_number: Vec<bool> = entries.iter().map(|(_, value)| is_number(value)).collect();
        if is_new {
            let heading: Vec<String> = keys().map(|key| spoken(key)).collect();
            self.widen(&heading);
            self.widen(&cells);
            self.push_row(&mut text, &heading, &is_number);
        }
        self.widen(&cells);
        self.push_row(&mut text, &cells, &is_number);
        text
    }

    fn widen(&mut self, cells: &[String]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            // One long text does not push all that follow out of sight.
            let width = cell.chars().count().min(LONGEST_IN_ROW_BYTES);
            column.width = column.width.max(width);
        }
    }

    /// Two spaces before each column, numbers to the right, as in a table.
    fn push_row(&self, text: &mut String, cells: &[String], is_number: &[bool]) {
        let start = text.len();
        for ((column, cell), is_number) in self.columns.iter().zip(cells).zip(is_number) {
            let width = column.width;
            let _ = match is_number {
                true => write!(text, "  {cell:>width$}"),
                false => write!(text, "  {cell:<width$}"),
            };
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
}

const fn is_number(node: &Node) -> bool {
    matches!(node, Node::Unsigned(_) | Node::Signed(_) | Node::Float(_))
}

fn section(text: &mut String, title: Option<&str>, node: &Node) {
    let (scalars, nested): (Vec<_>, Vec<_>) = match node {
        Node::Map(entries) => entries.iter().partition(|(_, value)| fits_a_row(value)),
        Node::List(rows) if rows.iter().any(|row| matches!(row, Node::Map(_))) => {
            heading(text, title);
            return push_table(text, &rows_table(rows));
        }
        Node::List(items) if items.is_empty() => {
            heading(text, title);
            text.push_str("none\n");
            return;
        }
        Node::List(items) => {
            heading(text, title);
            for item in items {
                let _ = writeln!(text, "{}", cell(item));
            }
            return;
        }
        scalar => {
            heading(text, title);
            let _ = writeln!(text, "{}", cell(scalar));
            return;
        }
    };
    if !scalars.is_empty() {
        heading(text, title);
        let mut table = plain_table();
        for (key, value) in scalars {
            table.add_row(vec![spoken(key), cell(value)]);
        }
        align(&mut table);
        push_table(text, &table);
    }
    for (key, value) in nested {
        section(text, Some(key), value);
    }
}

fn heading(text: &mut String, title: Option<&str>) {
    if let Some(title) = title {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", spoken(title));
    }
}

/// A text that is longer than a line of a terminal, such as a token, stands on a line of its own, where
/// it can be copied whole.
fn fits_a_row(node: &Node) -> bool {
    match node {
        Node::List(_) | Node::Map(_) => false,
        Node::Text(text) => text.len() <= LONGEST_IN_ROW_BYTES,
        _ => true,
    }
}

/// Rows of maps; the columns are the keys in the order in which they first appear.
fn rows_table(rows: &[Node]) -> Table {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows {
        if let Node::Map(entries) = row {
            for (key, _) in entries {
                if !columns.contains(&key.as_str()) {
                    columns.push(key);
                }
            }
        }
    }
    let mut table = plain_table();
    table.set_header(columns.iter().map(|column| spoken(column)));
    for row in rows {
        table.add_row(match row {
            Node::Map(entries) => columns
                .iter()
                .map(|column| {
                    let value = entries.iter().find(|(key, _)| key == column);
                    value.map(|(_, value)| cell(value)).unwrap_or_default()
                })
                .collect(),
            other => vec![cell(other)],
        });
    }
    align(&mut table);
    table
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Two spaces between columns, none at the edge; numbers to the right.
fn align(table: &mut Table) {
    let numeric: Vec<bool> = (0..table.column_count())
        .map(|index| {
            table
                .column_cells_iter(index)
                .flatten()
                .all(|cell| cell.content().parse::<f64>().is_ok())
        })
        .collect();
    for (column, numeric) in table.column_iter_mut().zip(numeric) {
        column.set_padding((2, 0));
        if numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn push_table(text: &mut String, table: &Table) {
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// `top_paths` as people say it.
fn spoken(key: &str) -> String {
    visible(&key.replace('_', " "))
}

/// Control characters are shown, not sent: output may come from anywhere, its keys as well, and a terminal obeys them.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// One value on one line.
fn cell(node: &Node) -> String {
    match node {
        Node::Null => "-".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Unsigned(value) => value.to_string(),
        Node::Signed(value) => value.to_string(),
        Node::Float(value) => value.to_string(),
        Node::Text(text) => visible(text),
        Node::List(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Node::Map(entries) => entries
            .iter()
            .map(|(key, value)| format!("{}: {}", spoken(key), cell(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        let value = serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
        Node::parse(&value).unwrap()
    }

    fn rendered(json: &str) -> String {
        render(&node(json))
    }

    #[test]
    fn scalars_make_one_table_and_rows_another() {
        let json = r#"{"requests":3,"top_paths":[{"path":"/a","requests":2},{"path":"/bb","requests":11}]}"#;
        let text = rendered(json);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "  requests  3",
                "",
                "top paths",
                "  path  requests",
                "  /a           2",
                "  /bb         11",
            ]
        );
    }

    #[test]
    fn a_long_text_is_a_line_of_its_own() {
        let token = "t".repeat(LONGEST_IN_ROW_BYTES + 1);
        let text = rendered(&format!(r#"{{"subject":"a","token":"{token}","id":"b"}}"#));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            ["  subject  a", "  id       b", "", "token", token.as_str()]
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(rendered("\"a\\u001b[2Jb\""), "a\\u{1b}[2Jb\n");
        let key = r#"{"\u001b[2J":1}"#;
        assert_eq!(rendered(key), "  \\u{1b}[2J  1\n");
        assert_eq!(rendered(&format!("[{key}]")), "  \\u{1b}[2J\n          1\n");
        assert_eq!(
            Rows::default().render(&node(key)),
            "  \\u{1b}[2J\n          1\n"
        );
    }

    #[test]
    fn rows_of_a_stream_stand_under_a_heading() {
        let mut rows = Rows::default();
        let mut shown = |json: &str| rows.render(&node(json));
        assert_eq!(
            shown(r#"{"top_path":"/a\nb","hits":2,"by":"c"}"#),
            "  top path  hits  by\n  /a\\nb        2  c\n"
        );
        assert_eq!(
            shown(r#"{"top_path":"/longer/one","hits":10,"by":"d"}"#),
            "  /longer/one    10  d\n"
        );
        assert_eq!(
            shown(r#"{"top_path":"/","hits":3,"by":"e"}"#),
            "  /               3  e\n"
        );
        assert_eq!(shown(r#"{"lines":1}"#), "  lines\n      1\n");
        assert_eq!(shown("\"a\\nb\""), "a\\nb\n");
        let long = "x".repeat(200);
        shown(&format!(r#"{{"text":"{long}","n":1}}"#));
        assert!(shown(r#"{"text":"x","n":1}"#).len() < 120);
    }
}

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

/// The value on one line, for a stream.
pub(super) fn render_line(node: &Node) -> String {
    let mut line = match node {
        Node::Map(entries) => entries
            .iter()
            .map(|(_, value)| cell(value))
            .collect::<Vec<_>>()
            .join("  "),
        other => cell(other),
    };
    line.push('\n');
    line
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
    key.replace('_', " ")
}

/// One value on one line. Control characters are shown, not sent: output may come from anywhere, and
/// a terminal obeys them.
fn cell(node: &Node) -> String {
    match node {
        Node::Null => "-".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Unsigned(value) => value.to_string(),
        Node::Signed(value) => value.to_string(),
        Node::Float(value) => value.to_string(),
        Node::Text(text) => text
            .chars()
            .map(|c| {
                if c.is_control() {
                    c.escape_default().to_string()
                } else {
                    c.to_string()
                }
            })
            .collect(),
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
    }

    #[test]
    fn a_stream_item_is_one_line() {
        let node = node(r#"{"status":200,"path":"/a\nb"}"#);
        assert_eq!(render_line(&node), "200  /a\\nb\n");
    }
}

//! Output in the columns users know: left-aligned, two spaces apart, no trailing spaces.

use comfy_table::Table;

/// A table with a header line.
pub fn columns<R, C>(header: &[&str], rows: R) -> String
where
    R: IntoIterator<Item = C>,
    C: IntoIterator<Item = String>,
{
    let mut table = plain();
    table.add_row(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    finish(table)
}

/// `Key = value` lines, the equal signs under each other.
pub fn pairs<K: AsRef<str>, V: AsRef<str>>(rows: &[(K, V)]) -> String {
    let width = rows.iter().map(|(key, _)| key.as_ref().chars().count()).max().unwrap_or(0);
    let lines: Vec<_> =
        rows.iter().map(|(key, value)| format!("{:width$} = {}", key.as_ref(), value.as_ref())).collect();
    lines.join("\n")
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table
}

fn finish(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_two_spaces_apart() {
        let rows = [["168711f9".to_owned(), "running".to_owned()], ["8b".to_owned(), "x".to_owned()]];
        assert_eq!(columns(&["ID", "Status"], rows), "ID        Status\n168711f9  running\n8b        x");
    }

    #[test]
    fn pairs_align() {
        assert_eq!(pairs(&[("ID", "a"), ("Name", "b")]), "ID   = a\nName = b");
    }
}

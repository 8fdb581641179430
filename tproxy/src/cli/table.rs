//! Rows of texts in columns that line up.
//!
//! Must never print.

/// The rows below `headings`, each column as wide as its widest text; the last one is not filled up.
pub(super) fn aligned<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let texts = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        texts.chain(headings.get(column).copied()).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: [&str; N]| {
        let cells = row.iter().zip(widths).map(|(text, width)| format!("{text:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(headings);
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

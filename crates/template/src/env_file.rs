//! Files of `KEY=VALUE` lines: what a template with `env = true` renders.

use thiserror::Error;

/// Most lines that such a file may have.
const MAX_LINES: usize = 100_000;

/// A line that is not an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct EnvFileError {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// Reads `KEY=VALUE` lines, in order; a later value of the same key wins with whoever applies them.
///
/// Empty lines and lines that start with `#` are skipped, a leading `export` is dropped, `KEY: VALUE` is
/// accepted. Values in single quotes are taken as they are; in double quotes `\n`, `\r`, `\t`, `\"`, `\\`
/// and `\$` are escapes; both may run over several lines. An unquoted value ends before ` #`. Nothing is
/// expanded: `$NAME` stays.
pub fn parse_env_file(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut values = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    while !rest.is_empty() {
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let fault = |message: String| EnvFileError { line, message };
        if values.len() >= MAX_LINES {
            return Err(fault(format!("more than {MAX_LINES} variables")));
        }
        let end = rest.find('\n').unwrap_or(rest.len());
        let statement = rest[..end].trim();
        if statement.is_empty() || statement.starts_with('#') {
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        let start = rest.trim_start();
        let start = match start.strip_prefix("export") {
            Some(after) if after.starts_with([' ', '\t']) => after.trim_start_matches([' ', '\t']),
            _ => start,
        };
        let mark = start
            .find(['=', ':', '\n'])
            .filter(|at| !start[*at..].starts_with('\n'))
            .ok_or_else(|| fault(format!("expected KEY=VALUE, found {statement:?}")))?;
        let key = start[..mark].trim_end();
        if !is_name(key) {
            return Err(fault(format!("{key:?} is not a variable's name")));
        }
        let value = start[mark + 1..].trim_start_matches([' ', '\t']);
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                quoted(&value[1..], quote).ok_or_else(|| fault(format!("the value of {key} has no closing {quote}")))?
            }
            _ => plain(value),
        };
        let trailing = after[..after.find('\n').unwrap_or(after.len())].trim();
        if !trailing.is_empty() && !trailing.starts_with('#') {
            return Err(fault(format!("unexpected {trailing:?} after the value of {key}")));
        }
        values.push((key.to_owned(), value));
        rest = after.find('\n').map_or("", |at| &after[at + 1..]);
    }
    Ok(values)
}

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The value up to its closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, &text[at + 1..])),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// The value up to the line's end or a comment.
fn plain(text: &str) -> (String, &str) {
    let end = text.find('\n').unwrap_or(text.len());
    let line = &text[..end];
    let cut = if line.starts_with('#') { 0 } else { line.find(" #").or_else(|| line.find("\t#")).unwrap_or(end) };
    (line[..cut].trim_end().to_owned(), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "# a comment\n\nexport A=1\nB = two words  # why\nC='$HOME # x'\nD=\"a\\nb \\\"q\\\" \\d\"\n\
                    E=\nF: yaml\nG=\"two\nlines\" # end\r\nH=a#b\nI=x=y";
        let values = parse_env_file(text).unwrap();
        let wanted = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$HOME # x"),
            ("D", "a\nb \"q\" \\d"),
            ("E", ""),
            ("F", "yaml"),
            ("G", "two\nlines"),
            ("H", "a#b"),
            ("I", "x=y"),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(values, wanted);
    }

    #[test]
    fn faults_carry_their_line() {
        for (text, line, message) in [
            ("A=1\nnonsense\n", 2, "expected KEY=VALUE, found \"nonsense\""),
            ("\n\n1A=2", 3, "\"1A\" is not a variable's name"),
            ("A=\"open\nB=2", 1, "the value of A has no closing \""),
            ("A='x' y", 1, "unexpected \"y\" after the value of A"),
        ] {
            let error = parse_env_file(text).unwrap_err();
            assert_eq!((error.line, error.message.as_str()), (line, message));
        }
    }
}

//! A coarse reader of HCL that never fails: what is open at a byte of the text. It explains errors; it decides nothing.

/// What surrounds a byte of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Attributes and blocks, or an expression outside any template; the start of the innermost open brace or bracket.
    Code {
        open: Option<(char, usize)>,
        body: bool,
    },
    Quoted {
        start: usize,
    },
    Heredoc {
        start: usize,
        marker: String,
    },
    /// Between `${` or `%{` (at `start`) and its `}`.
    Sequence {
        start: usize,
        open: Option<(char, usize)>,
    },
    Comment {
        start: usize,
    },
}

/// What the scanner passes.
pub(super) enum Event {
    /// The start of a quoted string that a line break ends.
    Broken(usize),
    /// The start of `${` or `%{`.
    Sequence(usize),
    /// A key of the object that begins there.
    Key(usize),
}

/// What is open at `offset`.
pub(super) fn context_at(text: &str, offset: usize) -> Context {
    scan(text, offset, &mut |_| {})
}

/// Scans the text up to `offset` and says what is open there. `seen` hears of what it passes.
pub(super) fn scan(text: &str, offset: usize, seen: &mut dyn FnMut(Event)) -> Context {
    let bytes = text.as_bytes();
    let mut stack = vec![Context::Code { open: None, body: true }];
    let mut brackets: Vec<(char, usize, bool)> = Vec::new();
    let mut depth_at_sequence: Vec<usize> = Vec::new();
    let mut last_code = b'\n';
    let mut i = 0;
    while i < offset.min(bytes.len()) {
        let rest = &bytes[i..];
        match stack.last() {
            Some(Context::Quoted { start }) => match rest[0] {
                b'\\' => i += 1,
                b'"' => {
                    stack.pop();
                    last_code = b'"';
                }
                b'\n' => {
                    seen(Event::Broken(*start));
                    stack.pop();
                }
                b'$' | b'%' if rest.get(1) == Some(&rest[0]) && rest.get(2) == Some(&b'{') => i += 2,
                b'$' | b'%' if rest.get(1) == Some(&b'{') => {
                    seen(Event::Sequence(i));
                    stack.push(Context::Sequence { start: i, open: None });
                    depth_at_sequence.push(brackets.len());
                    i += 1;
                }
                _ => {}
            },
            Some(Context::Heredoc { marker, .. }) => {
                let at_line_start = i == 0 || bytes[i - 1] == b'\n';
                if at_line_start {
                    let line = text[i..].lines().next().unwrap_or_default();
                    if line.trim() == marker {
                        i += line.len();
                        stack.pop();
                        last_code = b'E';
                        continue;
                    }
                }
                match rest[0] {
                    b'$' | b'%' if rest.get(1) == Some(&rest[0]) && rest.get(2) == Some(&b'{') => i += 2,
                    b'$' | b'%' if rest.get(1) == Some(&b'{') => {
                        seen(Event::Sequence(i));
                        stack.push(Context::Sequence { start: i, open: None });
                        depth_at_sequence.push(brackets.len());
                        i += 1;
                    }
                    _ => {}
                }
            }
            Some(Context::Comment { .. }) => {
                if rest.starts_with(b"*/") {
                    stack.pop();
                    i += 1;
                }
            }
            _ => match rest[0] {
                b'#' => i += line_length(rest),
                b'/' if rest.get(1) == Some(&b'/') => i += line_length(rest),
                b'/' if rest.get(1) == Some(&b'*') => {
                    stack.push(Context::Comment { start: i });
                    i += 1;
                }
                b'"' => stack.push(Context::Quoted { start: i }),
                b'<' if rest.starts_with(b"<<") => {
                    let indented = rest.get(2) == Some(&b'-');
                    let from = i + if indented { 3 } else { 2 };
                    let marker: String =
                        text.get(from..).unwrap_or_default().lines().next().unwrap_or_default().trim().to_owned();
                    if !marker.is_empty() && marker.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
                        let start = i;
                        i += line_length(rest);
                        stack.push(Context::Heredoc { start, marker });
                    }
                }
                bracket @ (b'{' | b'[' | b'(') => {
                    let body = bracket == b'{' && !matches!(last_code, b'=' | b'[' | b'(' | b',' | b':' | b'?' | b'>');
                    let body = body && brackets.last().is_none_or(|(_, _, body)| *body) && depth_at_sequence.is_empty();
                    brackets.push((bracket as char, i, body));
                    last_code = bracket;
                }
                b'}' if matches!(stack.last(), Some(Context::Sequence { .. }))
                    && depth_at_sequence.last() == Some(&brackets.len()) =>
                {
                    depth_at_sequence.pop();
                    stack.pop();
                }
                bracket @ (b'}' | b']' | b')') => {
                    if brackets.len() > depth_at_sequence.last().copied().unwrap_or(0) {
                        brackets.pop();
                    }
                    last_code = bracket;
                }
                byte if !byte.is_ascii_whitespace() => {
                    let separates = byte == b':' || byte == b'=' && !matches!(rest.get(1), Some(b'=' | b'>'));
                    if let Some(('{', start, false)) = brackets.last()
                        && separates
                        && !matches!(last_code, b'=' | b'!' | b'<' | b'>')
                    {
                        seen(Event::Key(*start));
                    }
                    last_code = byte;
                }
                _ => {}
            },
        }
        i += 1;
    }
    let inner = brackets.get(depth_at_sequence.last().copied().unwrap_or(0)..).and_then(|open| open.last());
    match stack.pop() {
        Some(Context::Code { .. }) | None => Context::Code {
            open: inner.map(|(bracket, at, _)| (*bracket, *at)),
            body: inner.is_none_or(|(_, _, body)| *body),
        },
        Some(Context::Sequence { start, .. }) => {
            Context::Sequence { start, open: inner.map(|(bracket, at, _)| (*bracket, *at)) }
        }
        Some(other) => other,
    }
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

pub(super) fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

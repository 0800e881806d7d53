//! What can go wrong with a template, with the place in its text.

/// Why a template could not be read or rendered.
///
/// Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text is not a template: unbalanced blocks, unknown function or variable, bad literal.
    #[error("template {name}:{line}:{column}: {message}")]
    Parse { name: String, line: usize, column: usize, message: String },
    /// The template is well formed, but an action failed while rendering.
    #[error("template {name}:{line}:{column}: {message}")]
    Render { name: String, line: usize, column: usize, message: String },
}

impl TemplateError {
    /// Line of the mistake, counted from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Parse { line, .. } | Self::Render { line, .. } => *line,
        }
    }

    /// The message without the place.
    pub fn message(&self) -> &str {
        match self {
            Self::Parse { message, .. } | Self::Render { message, .. } => message,
        }
    }
}

/// Line and column (from 1) of a byte offset in `text`.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

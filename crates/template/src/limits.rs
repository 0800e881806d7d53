//! Named bounds on what one rendering may cost, so that no template can hang or fill the memory.

/// Longest template text, in bytes.
pub const MAX_TEMPLATE: usize = 4 << 20;
/// Longest rendered output, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;
/// Largest single value (text, list, map with everything inside), in bytes or elements.
pub const MAX_VALUE: usize = 16 << 20;
/// Deepest nesting of lists and maps.
pub const MAX_NESTING: usize = 100;
/// Most rounds of one `range` or `loop`, and most numbers of `sprig_until` and `sprig_seq`.
pub const MAX_LOOP: i64 = 1_000_000;
/// Deepest nesting of blocks and `template` calls while rendering.
pub const MAX_DEPTH: usize = 100;
/// Total work of one rendering: bytes and elements that pass through functions, plus [`NODE_COST`] per action.
pub const MAX_WORK: usize = 256 << 20;
/// Work charged per executed action.
pub const NODE_COST: usize = 16;
/// Largest compiled regular expression, in bytes.
pub const MAX_REGEX: usize = 1 << 20;
/// Work charged for compiling a regular expression that was not used before.
pub const REGEX_COST: usize = 256 << 10;
/// Work charged for hashing a password.
pub const PASSWORD_COST: usize = 16 << 20;
/// Work charged for each byte that a regular expression is tried on.
pub const MATCH_COST: usize = 16;

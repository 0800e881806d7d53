//! The functions that templates call, by name and set.

mod args;
mod catalog;
mod compare;
mod convert;
mod environment;
mod format;
mod grouping;
mod hash;
mod list;
mod math;
mod moment;
mod network;
mod path;
mod regexes;
pub(crate) mod scratch;
mod sprig_dicts;
mod sprig_lists;
mod sprig_math;
mod sprig_strings;
mod strings;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::context::Context;
use crate::value::Value;

pub(crate) use list::list_contains;

/// Which functions a template may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionSet {
    /// A job's template: Go's own, consul-template's, and sprig's behind `sprig_`.
    ConsulTemplate,
    /// A proxy's file or default rule: Go's own, sprig's by their own names, `split` and `normalize`.
    Sprig,
}

type Run = fn(&mut Context<'_>, &[Value]) -> Result<Value, String>;

/// A function with the number of arguments it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    least: usize,
    most: usize,
    run: Run,
}

/// A row of a function table: name, least and most arguments, body.
pub(crate) type Row = (&'static str, usize, usize, Run);

/// No upper bound on arguments.
pub(crate) const MANY: usize = usize::MAX;

impl Function {
    /// Checks the arguments' number, calls, and checks the result's size.
    pub(crate) fn call(self, context: &mut Context<'_>, name: &str, args: &[Value]) -> Result<Value, String> {
        if args.len() < self.least || args.len() > self.most {
            let wanted = match (self.least, self.most) {
                (least, most) if least == most => least.to_string(),
                (least, MANY) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(format!("{name}: wants {wanted} argument(s), got {}", args.len()));
        }
        let size = if looks_inside(name) { Value::weight } else { Value::breadth };
        let weight = args.iter().fold(0usize, |sum, arg| sum.saturating_add(size(arg)));
        context.work(weight)?;
        let value = (self.run)(context, args).map_err(|message| format!("{name}: {message}"))?;
        context.admit(&value).map_err(|message| format!("{name}: {message}"))?;
        Ok(value)
    }
}

/// Functions whose work grows with everything inside their arguments, while their result may stay small.
fn looks_inside(name: &str) -> bool {
    let name = name.strip_prefix("sprig_").unwrap_or(name);
    let compares = ["eq", "ne", "deepEqual", "in", "has", "mustHas", "without", "uniq", "mustUniq"].contains(&name);
    compares || name.starts_with("contains") || name.starts_with("merge") || name.starts_with("mustMerge")
}

type Table = BTreeMap<String, Function>;

fn add(table: &mut Table, prefix: &str, rows: &[Row]) {
    for (name, least, most, run) in rows {
        table.insert(format!("{prefix}{name}"), Function { least: *least, most: *most, run: *run });
    }
}

/// Go's own functions.
const BUILTIN: [&[Row]; 2] = [compare::ROWS, format::ROWS];
/// sprig's functions.
const SPRIG: [&[Row]; 8] = [
    sprig_strings::ROWS,
    sprig_lists::ROWS,
    sprig_dicts::ROWS,
    sprig_math::ROWS,
    convert::SPRIG,
    hash::SPRIG,
    path::ROWS,
    regexes::SPRIG,
];
/// consul-template's functions.
const CONSUL: [&[Row]; 11] = [
    catalog::ROWS,
    environment::ROWS,
    strings::ROWS,
    convert::ROWS,
    grouping::ROWS,
    hash::ROWS,
    list::ROWS,
    math::ROWS,
    network::ROWS,
    regexes::ROWS,
    scratch::ROWS,
];

/// sprig's functions that also exist with `must` in front; here both fail on bad input.
const MUST: [&str; 26] = [
    "append",
    "chunk",
    "compact",
    "deepCopy",
    "first",
    "fromJson",
    "has",
    "initial",
    "last",
    "merge",
    "mergeOverwrite",
    "prepend",
    "push",
    "regexFind",
    "regexFindAll",
    "regexMatch",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
    "rest",
    "reverse",
    "slice",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "uniq",
];

fn add_sprig(table: &mut Table, prefix: &str) {
    SPRIG.iter().for_each(|rows| add(table, prefix, rows));
    for name in MUST {
        if let Some(function) = table.get(&format!("{prefix}{name}")).copied() {
            let (first, rest) = name.split_at(1);
            table.insert(format!("{prefix}must{}{rest}", first.to_uppercase()), function);
        }
    }
}

static CONSUL_TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    BUILTIN.iter().for_each(|rows| add(&mut table, "", rows));
    add_sprig(&mut table, "sprig_");
    CONSUL.iter().for_each(|rows| add(&mut table, "", rows));
    table
});

static SPRIG_TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    BUILTIN.iter().for_each(|rows| add(&mut table, "", rows));
    add_sprig(&mut table, "");
    add(&mut table, "", environment::SPRIG);
    add(&mut table, "", moment::SPRIG);
    add(&mut table, "", strings::PROXY);
    table
});

fn table(set: FunctionSet) -> &'static Table {
    match set {
        FunctionSet::ConsulTemplate => &CONSUL_TABLE,
        FunctionSet::Sprig => &SPRIG_TABLE,
    }
}

/// The function of that name.
pub(crate) fn find(set: FunctionSet, name: &str) -> Option<Function> {
    table(set).get(name).copied().or_else(|| {
        // `and` and `or` are evaluated by the interpreter; here they only have to be known.
        matches!(name, "and" | "or").then_some(Function {
            least: 1,
            most: MANY,
            run: |_, args| Ok(args.last().cloned().unwrap_or(Value::Nil)),
        })
    })
}

/// Names of all functions in a set, sorted.
pub fn names(set: FunctionSet) -> Vec<&'static str> {
    let mut names: Vec<&str> = table(set).keys().map(String::as_str).collect();
    names.extend(["and", "or"]);
    names.sort_unstable();
    names
}

/// sprig's functions that are left out, with the reason.
const ABSENT: [(&str, &[&str]); 4] = [
    (
        "it gives another value each time, so the file would never settle",
        &["rand", "shuffle", "uuidv4", "derivePassword", "bcrypt", "htpasswd", "gen", "buildCustomCert", "encryptAES"],
    ),
    ("it asks the machine behind the template's back", &["getHostByName", "expandenv", "os"]),
    (
        "there are no dates here but timestamp",
        &["now", "date", "must_date", "mustDate", "htmlDate", "ago", "duration", "toDate", "mustToDate", "unixEpoch"],
    ),
    (
        "it is not there",
        &[
            "abbrevboth",
            "add1f",
            "adler32sum",
            "b32",
            "decryptAES",
            "maxf",
            "minf",
            "semver",
            "typeIsLike",
            "url",
            "wrap",
        ],
    ),
];

fn absent(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("sprig_").unwrap_or(name);
    let fits = |known: &str| {
        let rest = name.strip_prefix(known);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| !c.is_ascii_lowercase()) || known == "b32"
        })
    };
    ABSENT.iter().find(|(_, names)| names.iter().any(|known| fits(known))).map(|(reason, _)| *reason)
}

/// The message for a name that no function has, with the nearest one that exists.
pub(crate) fn unknown(set: FunctionSet, name: &str) -> String {
    if let Some(reason) = absent(name).filter(|_| set == FunctionSet::Sprig || name.starts_with("sprig_")) {
        return format!("function {name:?} is not supported: {reason}");
    }
    let folded = |text: &str| text.replace('_', "").to_lowercase();
    let near = names(set).into_iter().find(|known| folded(known) == folded(name));
    let sprig = format!("sprig_{name}");
    match near {
        Some(near) => format!("function {name:?} not defined; did you mean {near:?}?"),
        None if find(set, &sprig).is_some() => {
            format!("function {name:?} not defined; did you mean {sprig:?}?")
        }
        None => format!("function {name:?} not defined"),
    }
}

/// Functions that change their first argument; if that is a variable, it gets the result.
pub(crate) fn changes_in_place(name: &str) -> bool {
    matches!(name, "set" | "unset" | "sprig_set" | "sprig_unset")
}

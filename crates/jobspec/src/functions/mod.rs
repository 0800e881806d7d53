//! The functions that expressions may call, by name. `try`, `can` and `convert`'s type argument are the evaluator's.

mod collections;
mod dates;
mod digests;
mod encoding;
mod files;
mod formatting;
mod networks;
mod numbers;
mod strings;

use std::collections::BTreeMap;

use crate::eval::{Host, Number, Value};

/// Longest text that a function makes, in bytes.
const LONGEST_TEXT: usize = 8 << 20;

/// Why a call did not work out.
#[derive(Debug)]
pub(crate) enum CallError {
    Count(String),
    /// Which argument (from 0), and why.
    Argument(usize, String),
    Failed(String),
}

type Outcome = Result<Value, CallError>;

#[derive(Clone, Copy)]
enum Body {
    Pure(fn(&Args<'_>) -> Outcome),
    Hosted(fn(&Args<'_>, &dyn Host) -> Outcome),
}

/// A function with the least and the most arguments it takes.
pub(crate) struct Function {
    name: &'static str,
    least: usize,
    most: usize,
    body: Body,
}

const ANY: usize = usize::MAX;

const fn pure(name: &'static str, least: usize, most: usize, body: fn(&Args<'_>) -> Outcome) -> Function {
    Function { name, least, most, body: Body::Pure(body) }
}

const fn hosted(name: &'static str, least: usize, most: usize, body: fn(&Args<'_>, &dyn Host) -> Outcome) -> Function {
    Function { name, least, most, body: Body::Hosted(body) }
}

/// Sorted by name.
static FUNCTIONS: &[Function] = &[
    pure("abs", 1, 1, numbers::abs),
    hosted("abspath", 1, 1, files::abspath),
    pure("base64decode", 1, 1, encoding::base64decode),
    pure("base64encode", 1, 1, encoding::base64encode),
    hosted("basename", 1, 1, files::basename),
    hosted("bcrypt", 1, 2, digests::bcrypt),
    pure("ceil", 1, 1, numbers::ceil),
    pure("chomp", 1, 1, strings::chomp),
    pure("chunklist", 2, 2, collections::chunklist),
    pure("cidrhost", 2, 2, networks::cidrhost),
    pure("cidrnetmask", 1, 1, networks::cidrnetmask),
    pure("cidrsubnet", 3, 3, networks::cidrsubnet),
    pure("cidrsubnets", 1, ANY, networks::cidrsubnets),
    pure("coalesce", 1, ANY, collections::coalesce),
    pure("coalescelist", 1, ANY, collections::coalescelist),
    pure("compact", 1, 1, collections::compact),
    pure("concat", 1, ANY, collections::concat),
    pure("contains", 2, 2, collections::contains),
    pure("csvdecode", 1, 1, encoding::csvdecode),
    hosted("dirname", 1, 1, files::dirname),
    pure("distinct", 1, 1, collections::distinct),
    pure("element", 2, 2, collections::element),
    hosted("file", 1, 1, files::file),
    hosted("filebase64", 1, 1, files::filebase64),
    hosted("fileexists", 1, 1, files::fileexists),
    hosted("fileset", 2, 2, files::fileset),
    pure("flatten", 1, 1, collections::flatten),
    pure("floor", 1, 1, numbers::floor),
    pure("format", 1, ANY, formatting::format),
    pure("formatdate", 2, 2, dates::formatdate),
    pure("formatlist", 1, ANY, formatting::formatlist),
    pure("indent", 2, 2, strings::indent),
    pure("index", 2, 2, collections::index),
    pure("join", 1, ANY, strings::join),
    pure("jsondecode", 1, 1, encoding::jsondecode),
    pure("jsonencode", 1, 1, encoding::jsonencode),
    pure("keys", 1, 1, collections::keys),
    pure("length", 1, 1, collections::length),
    pure("log", 2, 2, numbers::log),
    pure("lookup", 3, 3, collections::lookup),
    pure("lower", 1, 1, strings::lower),
    pure("max", 1, ANY, numbers::max),
    pure("md5", 1, 1, digests::md5),
    pure("merge", 0, ANY, collections::merge),
    pure("min", 1, ANY, numbers::min),
    pure("parseint", 2, 2, numbers::parseint),
    hosted("pathexpand", 1, 1, files::pathexpand),
    pure("pow", 2, 2, numbers::pow),
    pure("range", 1, 3, collections::range),
    pure("regex_replace", 3, 3, strings::regex_replace),
    pure("replace", 3, 3, strings::replace),
    pure("reverse", 1, 1, strings::reverse),
    pure("rsadecrypt", 2, 2, digests::rsadecrypt),
    pure("setintersection", 1, ANY, collections::setintersection),
    pure("setproduct", 1, ANY, collections::setproduct),
    pure("setunion", 1, ANY, collections::setunion),
    pure("sha1", 1, 1, digests::sha1),
    pure("sha256", 1, 1, digests::sha256),
    pure("sha512", 1, 1, digests::sha512),
    pure("signum", 1, 1, numbers::signum),
    pure("slice", 3, 3, collections::slice),
    pure("sort", 1, 1, collections::sort),
    pure("split", 2, 2, strings::split),
    pure("strlen", 1, 1, strings::strlen),
    pure("strrev", 1, 1, strings::reverse),
    pure("substr", 3, 3, strings::substr),
    pure("timeadd", 2, 2, dates::timeadd),
    pure("title", 1, 1, strings::title),
    pure("trim", 2, 2, strings::trim),
    pure("trimprefix", 2, 2, strings::trimprefix),
    pure("trimspace", 1, 1, strings::trimspace),
    pure("trimsuffix", 2, 2, strings::trimsuffix),
    pure("upper", 1, 1, strings::upper),
    pure("urlencode", 1, 1, encoding::urlencode),
    hosted("uuidv4", 0, 0, digests::uuidv4),
    pure("uuidv5", 2, 2, digests::uuidv5),
    pure("values", 1, 1, collections::values),
    pure("yamldecode", 1, 1, encoding::yamldecode),
    pure("yamlencode", 1, 1, encoding::yamlencode),
    pure("zipmap", 2, 2, collections::zipmap),
];

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|index| &FUNCTIONS[index])
}

/// Every name, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name).chain(["can", "convert", "try"])
}

pub(crate) fn call(function: &Function, values: &[Value], host: &dyn Host) -> Outcome {
    let name = function.name;
    if values.len() < function.least {
        let wanted = function.least;
        let at_least = if function.most > wanted { "at least " } else { "" };
        let detail =
            format!("Function {name:?} expects {at_least}{wanted} argument(s), but {} were given.", values.len());
        return Err(CallError::Count(detail));
    }
    if values.len() > function.most {
        let detail =
            format!("Function {name:?} expects only {} argument(s), but {} were given.", function.most, values.len());
        return Err(CallError::Count(detail));
    }
    match function.body {
        Body::Pure(body) => body(&Args(values)),
        Body::Hosted(body) => body(&Args(values), host),
    }
}

/// What a call costs beyond the size of its result, in the evaluator's steps.
pub(crate) fn work(function: &Function, values: &[Value]) -> u64 {
    match function.name {
        "bcrypt" => digests::work(values),
        "fileset" => files::WALK_WORK,
        "regex_replace" => strings::pattern_work(values),
        _ => 0,
    }
}

/// The arguments of a call, with cty's conversions.
struct Args<'a>(&'a [Value]);

impl Args<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn value(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    fn text(&self, index: usize) -> Result<String, CallError> {
        match self.value(index) {
            Value::Null => Err(CallError::Argument(index, "argument must not be null".to_owned())),
            value => value.to_text().map_err(|_| CallError::Argument(index, "string required".to_owned())),
        }
    }

    fn number(&self, index: usize) -> Result<Number, CallError> {
        match self.value(index) {
            Value::Null => Err(CallError::Argument(index, "argument must not be null".to_owned())),
            value => value.to_number().map_err(|why| CallError::Argument(index, why)),
        }
    }

    fn whole(&self, index: usize) -> Result<i64, CallError> {
        self.number(index)?.as_i64().ok_or_else(|| CallError::Argument(index, "a whole number is required".to_owned()))
    }

    fn list(&self, index: usize) -> Result<&[Value], CallError> {
        match self.value(index) {
            Value::List(items) | Value::Set(items) => Ok(items),
            Value::Null => Err(CallError::Argument(index, "argument must not be null".to_owned())),
            other => Err(CallError::Argument(index, format!("list required, but have {}", other.kind()))),
        }
    }

    /// A list, and no set: its elements have no places.
    fn sequence(&self, index: usize) -> Result<&[Value], CallError> {
        match self.value(index) {
            Value::Set(_) => Err(CallError::Argument(index, "list required, but have set".to_owned())),
            _ => self.list(index),
        }
    }

    fn map(&self, index: usize) -> Result<&BTreeMap<String, Value>, CallError> {
        match self.value(index) {
            Value::Map(items) => Ok(items),
            Value::Null => Err(CallError::Argument(index, "argument must not be null".to_owned())),
            other => Err(CallError::Argument(index, format!("map required, but have {}", other.kind()))),
        }
    }

    fn texts(&self, index: usize) -> Result<Vec<String>, CallError> {
        self.list(index)?
            .iter()
            .map(|value| value.to_text().map_err(|_| CallError::Argument(index, "list of string required".to_owned())))
            .collect()
    }
}

fn text(text: impl Into<String>) -> Outcome {
    Ok(Value::String(text.into()))
}

/// Whether a text of that length may be made.
fn within(length: usize) -> Result<(), CallError> {
    match length > LONGEST_TEXT {
        true => failed(format!("the result is longer than {LONGEST_TEXT} bytes")),
        false => Ok(()),
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::Failed(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_calls_cost_more() {
        let cost = |name: &str, values: &[Value]| work(find(name).unwrap(), values);
        assert_eq!(cost("upper", &[Value::text("x")]), 0);
        assert!(cost("bcrypt", &[Value::text("x"), Value::whole(14)]) > 100_000);
        let nested = [Value::text("x"), Value::text("(a{100}){90}"), Value::text("")];
        assert!(cost("regex_replace", &nested) > 1_500);
        let long = [Value::String("x".repeat(100_000)), Value::text("(x?){1000}y"), Value::text("")];
        assert!(cost("regex_replace", &long) > 100_000);
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}

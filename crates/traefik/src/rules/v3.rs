//! The v3 vocabulary.

use baton_routing::{Rule, rule::Pattern, table::validate::parse_range};

use super::{
    RuleError, expect_arguments, name_of,
    syntax::{Argument, Call},
    template::{self, Extent},
};

const MATCHERS: &[&str] = &[
    "Host",
    "HostRegexp",
    "Path",
    "PathPrefix",
    "PathRegexp",
    "Method",
    "Header",
    "HeaderRegexp",
    "Query",
    "QueryRegexp",
    "ClientIP",
];

pub(super) fn matcher(call: &Call, warnings: &mut Vec<String>) -> Result<Rule, RuleError> {
    let name = name_of(call, MATCHERS)?;
    let (low, high) = match name {
        "Header" | "HeaderRegexp" => (2, 2),
        "Query" | "QueryRegexp" => (1, 2),
        _ => (1, 1),
    };
    expect_arguments(call, low, high)?;
    let first = &call.arguments[0];
    let second = call.arguments.get(1);
    Ok(match name {
        "Host" => Rule::Host(host(first)?),
        "HostRegexp" if template::is_template(&first.text) => {
            warnings.push(format!(
                "HostRegexp(`{}`) is written in the v2 syntax and read as such: set ruleSyntax: v2 or write a plain expression",
                first.text
            ));
            Rule::HostRegexp(template::pattern(&lowered(first), "[^.]+", Extent::Whole)?)
        }
        "HostRegexp" => Rule::HostRegexp(host_expression(first)?),
        "Path" => Rule::Path(path(first)?),
        "PathPrefix" => Rule::PathPrefix(path(first)?),
        "PathRegexp" => Rule::PathRegexp(expression(first)?),
        "Method" => Rule::Method(first.text.to_ascii_uppercase()),
        "Header" => Rule::Header(first.text.clone(), second.map(|a| a.text.clone()).unwrap_or_default()),
        "HeaderRegexp" => Rule::HeaderRegexp(first.text.clone(), expression(second.unwrap_or(first))?),
        "ClientIP" => Rule::ClientIp(network(first)?),
        "QueryRegexp" if second.is_some() => {
            Rule::QueryRegexp(first.text.clone(), expression(second.unwrap_or(first))?)
        }
        // One argument: the parameter is there with an empty value.
        _ => Rule::Query(first.text.clone(), second.map(|a| a.text.clone()).unwrap_or_default()),
    })
}

pub(super) fn host(argument: &Argument) -> Result<String, RuleError> {
    let text = &argument.text;
    if !text.is_ascii() {
        let message = format!("invalid value {text:?} for Host matcher, non-ASCII characters are not allowed");
        return Err(RuleError::new(argument.offset, message));
    }
    Ok(text.trim_end_matches('.').to_ascii_lowercase())
}

pub(super) fn path(argument: &Argument) -> Result<String, RuleError> {
    if argument.text.starts_with('/') {
        return Ok(argument.text.clone());
    }
    Err(RuleError::new(argument.offset, format!("path {:?} does not start with a '/'", argument.text)))
}

fn host_expression(argument: &Argument) -> Result<Pattern, RuleError> {
    let text = &argument.text;
    if !text.is_ascii() {
        let message = format!("invalid value {text:?} for HostRegexp matcher, non-ASCII characters are not allowed");
        return Err(RuleError::new(argument.offset, message));
    }
    expression(argument)
}

pub(super) fn expression(argument: &Argument) -> Result<Pattern, RuleError> {
    Pattern::new(&argument.text).map_err(|reason| RuleError::new(argument.offset, reason))
}

pub(super) fn network(argument: &Argument) -> Result<ipnet::IpNet, RuleError> {
    parse_range(&argument.text).ok_or_else(|| {
        RuleError::new(argument.offset, format!("{:?} is neither an address nor a CIDR range", argument.text))
    })
}

/// Literal text of a host template in lower case; expressions in braces stay as they are.
pub(super) fn lowered(argument: &Argument) -> Argument {
    let mut depth = 0usize;
    let text = argument
        .text
        .chars()
        .map(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 { c.to_ascii_lowercase() } else { c }
        })
        .collect();
    Argument { text, offset: argument.offset }
}

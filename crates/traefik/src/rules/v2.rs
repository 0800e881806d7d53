//! The v2 vocabulary: several arguments mean any of them, hosts and paths may be templates.

use baton_routing::{Rule, rule::Pattern};

use super::{
    RuleError, all_of, any_of, expect_arguments, name_of,
    syntax::{Argument, Call},
    template::{self, Extent},
    v3::{host, lowered, network, path},
};

const MATCHERS: &[&str] = &[
    "Host",
    "HostHeader",
    "HostRegexp",
    "Path",
    "PathPrefix",
    "Method",
    "Headers",
    "HeadersRegexp",
    "Query",
    "ClientIP",
];

pub(super) fn matcher(call: &Call) -> Result<Rule, RuleError> {
    let name = name_of(call, MATCHERS)?;
    expect_arguments(call, 1, usize::MAX)?;
    let each = |build: fn(&Argument) -> Result<Rule, RuleError>| {
        call.arguments.iter().map(build).collect::<Result<Vec<_>, _>>()
    };
    Ok(match name {
        "Host" | "HostHeader" => any_of(each(|a| host(a).map(Rule::Host))?),
        "HostRegexp" => any_of(each(host_template)?),
        "Path" => any_of(each(|a| path_template(a, Extent::Whole))?),
        "PathPrefix" => any_of(each(|a| path_template(a, Extent::Start))?),
        "Method" => any_of(each(|a| Ok(Rule::Method(a.text.to_ascii_uppercase())))?),
        "ClientIP" => any_of(each(|a| network(a).map(Rule::ClientIp))?),
        "Query" => all_of(each(query)?),
        "Headers" => all_of(pairs(call, |name, value| Ok(Rule::Header(name.text.clone(), value.text.clone())))?),
        _ => all_of(pairs(call, |name, value| {
            let pattern = Pattern::new(&value.text).map_err(|reason| RuleError::new(value.offset, reason))?;
            Ok(Rule::HeaderRegexp(name.text.clone(), pattern))
        })?),
    })
}

fn host_template(argument: &Argument) -> Result<Rule, RuleError> {
    if argument.text.contains('{') {
        return template::pattern(&lowered(argument), "[^.]+", Extent::Whole).map(Rule::HostRegexp);
    }
    host(argument).map(Rule::Host)
}

fn path_template(argument: &Argument, extent: Extent) -> Result<Rule, RuleError> {
    let text = path(argument)?;
    if text.contains('{') {
        return template::pattern(argument, "[^/]+", extent).map(Rule::PathRegexp);
    }
    Ok(if extent == Extent::Whole { Rule::Path(text) } else { Rule::PathPrefix(text) })
}

fn query(argument: &Argument) -> Result<Rule, RuleError> {
    let Some((name, value)) = argument.text.split_once('=') else {
        let message = format!("{:?} is not of the form name=value", argument.text);
        return Err(RuleError::new(argument.offset, message));
    };
    let value = Argument { text: value.to_owned(), offset: argument.offset + name.len() + 1 };
    Ok(match value.text.as_str() {
        // An empty template asks for the parameter, whatever its value.
        "" => Rule::QueryRegexp(name.to_owned(), anything(&value)?),
        text if text.contains('{') => {
            Rule::QueryRegexp(name.to_owned(), template::pattern(&value, ".*", Extent::Whole)?)
        }
        text => Rule::Query(name.to_owned(), text.to_owned()),
    })
}

fn anything(argument: &Argument) -> Result<Pattern, RuleError> {
    Pattern::new("").map_err(|reason| RuleError::new(argument.offset, reason))
}

fn pairs(call: &Call, build: fn(&Argument, &Argument) -> Result<Rule, RuleError>) -> Result<Vec<Rule>, RuleError> {
    if !call.arguments.len().is_multiple_of(2) {
        let message = format!("{} takes pairs of name and value, got {} arguments", call.name, call.arguments.len());
        return Err(RuleError::new(call.offset, message));
    }
    call.arguments.chunks_exact(2).map(|pair| build(&pair[0], &pair[1])).collect()
}

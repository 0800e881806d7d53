//! The vocabulary for TCP routers, in both versions.

use baton_routing::rule::TcpRule;

use super::{
    RuleError, Syntax, any_of, expect_arguments, name_of,
    syntax::{Argument, Call},
    template::{self, Extent},
    v3::{expression, host, lowered, network},
};

const MATCHERS: &[&str] = &["HostSNI", "HostSNIRegexp", "ClientIP", "ALPN"];

pub(super) fn matcher(call: &Call, syntax: Syntax) -> Result<TcpRule, RuleError> {
    let name = name_of(call, MATCHERS)?;
    expect_arguments(call, 1, if syntax == Syntax::V2 { usize::MAX } else { 1 })?;
    let one = |argument: &Argument| {
        Ok(match name {
            "HostSNI" => TcpRule::HostSni(host(argument)?),
            "HostSNIRegexp" if syntax == Syntax::V2 || template::is_template(&argument.text) => {
                TcpRule::HostSniRegexp(template::pattern(&lowered(argument), "[^.]+", Extent::Whole)?)
            }
            "HostSNIRegexp" => TcpRule::HostSniRegexp(expression(argument)?),
            "ClientIP" => TcpRule::ClientIp(network(argument)?),
            _ if argument.text == "acme-tls/1" => {
                let message = "acme-tls/1 is answered by the certificate resolvers and cannot be routed";
                return Err(RuleError::new(argument.offset, message));
            }
            _ => TcpRule::Alpn(argument.text.clone()),
        })
    };
    call.arguments.iter().map(one).collect::<Result<Vec<_>, _>>().map(any_of)
}

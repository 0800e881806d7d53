//! The left and right sides of constraints, affinities and spreads: what `${…}` means on a node.

use std::borrow::Cow;

use baton_model::Node;

/// The value of a target on `node`: a literal as it is, `${…}` looked up. `None` when the node lacks it or the name is not
/// one that a node has.
pub(crate) fn resolve<'a>(target: &'a str, node: &'a Node) -> Option<Cow<'a, str>> {
    let Some(name) = target.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return Some(Cow::Borrowed(target));
    };
    let name = name.trim();
    let value = match name {
        "node.unique.id" => &node.id,
        "node.unique.name" => &node.name,
        "node.datacenter" => &node.datacenter,
        "node.class" => &node.node_class,
        "node.pool" => return Some(Cow::Borrowed(pool_of(node))),
        _ => {
            if let Some(key) = name.strip_prefix("attr.") {
                node.attributes.get(key)?
            } else if let Some(key) = name.strip_prefix("meta.") {
                node.meta.get(key)?
            } else {
                return None;
            }
        }
    };
    Some(Cow::Borrowed(value))
}

/// The pool a node belongs to; `default` when its configuration names none.
pub(crate) fn pool_of(node: &Node) -> &str {
    if node.node_pool.is_empty() { "default" } else { &node.node_pool }
}

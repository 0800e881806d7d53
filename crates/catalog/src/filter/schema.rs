//! What selectors exist in each kind of answer.

use Schema::{Bool, List, Map, Number, Record, Text, Texts};

/// The shape a selector walks through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schema {
    Text,
    Number,
    Bool,
    /// A list of texts.
    Texts,
    /// Names to values of one shape.
    Map(&'static Schema),
    Record(&'static [(&'static str, Schema)]),
    /// A list of records.
    List(&'static [(&'static str, Schema)]),
}

const TAGGED: Schema = Map(&Record(&[("Address", Text), ("Port", Number)]));
const WEIGHTS: Schema = Record(&[("Passing", Number), ("Warning", Number)]);

const NODE_FIELDS: &[(&str, Schema)] = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", Map(&Text)),
    ("Meta", Map(&Text)),
    ("CreateIndex", Number),
    ("ModifyIndex", Number),
];

const SERVICE_FIELDS: &[(&str, Schema)] = &[
    ("Kind", Text),
    ("ID", Text),
    ("Service", Text),
    ("Tags", Texts),
    ("Address", Text),
    ("TaggedAddresses", TAGGED),
    ("Meta", Map(&Text)),
    ("Port", Number),
    ("Weights", WEIGHTS),
    ("EnableTagOverride", Bool),
    ("CreateIndex", Number),
    ("ModifyIndex", Number),
];

const CHECK_FIELDS: &[(&str, Schema)] = &[
    ("Node", Text),
    ("CheckID", Text),
    ("Name", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("Type", Text),
    ("CreateIndex", Number),
    ("ModifyIndex", Number),
];

/// `catalog/nodes`.
pub const NODE: Schema = Record(NODE_FIELDS);
/// `catalog/node/…`, `agent/services`.
pub const SERVICE: Schema = Record(SERVICE_FIELDS);
/// `health/{checks,node,state}`, `agent/checks`.
pub const CHECK: Schema = Record(CHECK_FIELDS);
/// `health/service`.
pub const ENTRY: Schema =
    Record(&[("Node", Record(NODE_FIELDS)), ("Service", Record(SERVICE_FIELDS)), ("Checks", List(CHECK_FIELDS))]);
/// `catalog/service`.
pub const CATALOG_SERVICE: Schema = Record(&[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", Map(&Text)),
    ("NodeMeta", Map(&Text)),
    ("ServiceKind", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("ServiceAddress", Text),
    ("ServiceTaggedAddresses", TAGGED),
    ("ServiceWeights", WEIGHTS),
    ("ServiceMeta", Map(&Text)),
    ("ServicePort", Number),
    ("ServiceEnableTagOverride", Bool),
    ("CreateIndex", Number),
    ("ModifyIndex", Number),
]);

impl Schema {
    /// The shape at the end of `path`, if there is one.
    pub(crate) fn at(&self, path: &[String]) -> Option<Schema> {
        let Some((first, rest)) = path.split_first() else { return Some(*self) };
        match self {
            Record(fields) | List(fields) => fields.iter().find(|(name, _)| name == first)?.1.at(rest),
            Map(values) => values.at(rest),
            Text | Number | Bool | Texts => None,
        }
    }
}

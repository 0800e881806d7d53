//! Declares option records: a struct, its serde form and its defaults in one place.

use indexmap::IndexMap;
use serde_json::Value;

use super::Timespan;

/// Whether a value says nothing when shown, as an unset option does.
pub trait Omit {
    fn omit(&self) -> bool;
}

macro_rules! omit_if {
    ($($type:ty => $test:expr),* $(,)?) => {
        $(impl Omit for $type {
            fn omit(&self) -> bool {
                let test: fn(&Self) -> bool = $test;
                test(self)
            }
        })*
    };
}

omit_if! {
    bool => |v| !*v,
    u16 => |v| *v == 0,
    u32 => |v| *v == 0,
    u64 => |v| *v == 0,
    i32 => |v| *v == 0,
    i64 => |v| *v == 0,
    f64 => |v| *v == 0.0,
    String => |v| v.is_empty(),
    Timespan => |v| v.is_zero(),
    Value => |v| v.is_null(),
}

impl<T> Omit for Option<T> {
    fn omit(&self) -> bool {
        self.is_none()
    }
}

impl<T> Omit for Vec<T> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Omit for IndexMap<K, V> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
}

/// `record! { pub struct Name { pub a: u64 = 5, pub b: String, } }`: a field with `=` has that default and is
/// always shown, a field without has its type's default and is left out when it has that value.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        record! { @munch [$(#[$meta])*] $name [] [] $($body)* }
    };
    (@munch [$($meta:tt)*] $name:ident [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$fmeta:meta])* pub $field:ident : $type:ty = $default:expr, $($rest:tt)*) => {
        record! { @munch [$($meta)*] $name
            [$($fields)* $(#[$fmeta])* pub $field: $type,]
            [$($defaults)* $field: $default,] $($rest)* }
    };
    (@munch [$($meta:tt)*] $name:ident [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$fmeta:meta])* pub $field:ident : $type:ty, $($rest:tt)*) => {
        record! { @munch [$($meta)*] $name
            [$($fields)* $(#[$fmeta])*
             #[serde(skip_serializing_if = "crate::config::Omit::omit")] pub $field: $type,]
            [$($defaults)* $field: Default::default(),] $($rest)* }
    };
    (@munch [$($meta:tt)*] $name:ident [$($fields:tt)*] [$($defaults:tt)*]) => {
        $($meta)*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($fields)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($defaults)* }
            }
        }
    };
}

pub(crate) use record;

//! The JSON Schema of what a verb returns, where its type has one.
//!
//! An expansion calls `Returned::<R>::NEW.schema()` with [`Described`] and [`Undescribed`] in scope. A method of the value
//! itself comes before one of a reference to it, so the second answers for what the first does not.

use std::marker::PhantomData;

use serde_json::Value;

/// The schema of a returned value; `None` where its type says nothing.
pub type OutputSchema = Option<Value>;

/// What a verb returns, as a type.
#[derive(Debug)]
pub struct Returned<R>(PhantomData<R>);

impl<R> Returned<R> {
    /// The only one.
    pub const NEW: Self = Self(PhantomData);
}

/// Types that have a schema: with the feature `schema`, every `Result<T, E>` where `T` implements `schemars::JsonSchema`.
pub trait Described {
    /// The schema.
    fn schema(self) -> OutputSchema;
}

/// Every type.
pub trait Undescribed {
    /// No schema.
    fn schema(self) -> OutputSchema;
}

impl<R> Undescribed for &Returned<R> {
    fn schema(self) -> OutputSchema {
        None
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema, E> Described for Returned<Result<T, E>> {
    fn schema(self) -> OutputSchema {
        Some(schema_of::<T>())
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema, E> Described for Returned<Result<super::output::Drawn<T>, E>> {
    fn schema(self) -> OutputSchema {
        Some(schema_of::<T>())
    }
}

/// The schema of the value as it is written, in one piece: only what contains itself is referred to.
#[cfg(feature = "schema")]
fn schema_of<T: schemars::JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The name of a Rust type says nothing to callers.
    schema.remove("title");
    schema.to_value()
}

//! The classes of capabilities as types, so that the compiler knows what a permit allows.

use crate::capability::CapabilityClass;

mod sealed {
    /// Nobody else adds a class.
    pub trait Sealed {}
}

/// A [`CapabilityClass`] as a type: [`Pure`], [`ReadOnly`], [`ReadWrite`], [`Network`] or [`Dangerous`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no class of capabilities",
    label = "a class stands here",
    note = "the classes are `Pure`, `ReadOnly`, `ReadWrite`, `Network` and `Dangerous` of `cnv::attestation`"
)]
pub trait Class: sealed::Sealed + Send + Sync + 'static {
    /// The class as a value.
    const CLASS: CapabilityClass;
}

/// That holding this class is enough where `Required` is needed: the order of [`CapabilityClass::covers`], for the
/// compiler.
///
/// Functions that need a permit ask for it in a bound:
///
/// ```
/// use cnv::attestation::{Covers, Network, Permit};
///
/// fn resolve(permit: &Permit<'_, impl Covers<Network>>, host: &str) -> String {
///     format!("{host}, for {}", permit.subject())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a permit for `{Self}` does not allow what needs `{Required}`",
    label = "this needs a permit for `{Required}`",
    note = "a permit has the class that its function's `#[requires_attestation(..)]` names: name a class there that covers \
            `{Required}`, and in the parameter's type `Permit<'_, ..>`"
)]
pub trait Covers<Required: Class>: Class {}

macro_rules! classes {
    ($($(#[$doc:meta])+ $class:ident,)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug)]
            pub enum $class {}

            impl sealed::Sealed for $class {}

            impl Class for $class {
                const CLASS: CapabilityClass = CapabilityClass::$class;
            }
        )+
    };
}

classes! {
    /// Computes from its arguments alone.
    Pure,
    /// Reads files and other local state.
    ReadOnly,
    /// Reads and changes files and other local state.
    ReadWrite,
    /// Talks to other machines; touches no files.
    Network,
    /// Anything: starts processes, changes the system, all of the above at once.
    Dangerous,
}

// One by one and not in the macro, because the compiler shows them to whoever has a permit of the wrong class.
impl Covers<Pure> for Pure {}
impl Covers<Pure> for ReadOnly {}
impl Covers<Pure> for ReadWrite {}
impl Covers<Pure> for Network {}
impl Covers<Pure> for Dangerous {}
impl Covers<ReadOnly> for ReadOnly {}
impl Covers<ReadOnly> for ReadWrite {}
impl Covers<ReadOnly> for Dangerous {}
impl Covers<ReadWrite> for ReadWrite {}
impl Covers<ReadWrite> for Dangerous {}
impl Covers<Network> for Network {}
impl Covers<Network> for Dangerous {}
impl Covers<Dangerous> for Dangerous {}

#[cfg(test)]
mod tests {
    use core::marker::PhantomData;

    use super::{Class, Covers, Dangerous, Network, Pure, ReadOnly, ReadWrite};

    struct Pair<Wide, Narrow>(PhantomData<(Wide, Narrow)>);

    /// What is found where the constant below is not.
    trait Otherwise {
        const COVERS: bool = false;
    }

    impl<Wide, Narrow> Otherwise for Pair<Wide, Narrow> {}

    impl<Wide: Covers<Narrow>, Narrow: Class> Pair<Wide, Narrow> {
        const COVERS: bool = true;
    }

    macro_rules! compare {
        ($($wide:ident: $($narrow:ident),+;)+) => {
            $($(
                assert_eq!(
                    Pair::<$wide, $narrow>::COVERS,
                    $wide::CLASS.covers($narrow::CLASS),
                    concat!(stringify!($wide), " and ", stringify!($narrow)),
                );
            )+)+
        };
    }

    #[test]
    fn types_are_ordered_as_values_are() {
        compare! {
            Pure: Pure, ReadOnly, ReadWrite, Network, Dangerous;
            ReadOnly: Pure, ReadOnly, ReadWrite, Network, Dangerous;
            ReadWrite: Pure, ReadOnly, ReadWrite, Network, Dangerous;
            Network: Pure, ReadOnly, ReadWrite, Network, Dangerous;
            Dangerous: Pure, ReadOnly, ReadWrite, Network, Dangerous;
        }
    }
}

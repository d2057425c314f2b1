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
/// # let _ = resolve::<Network>;
/// ```
#[diagnostic::on_unimplemented(
    message = "a permit for `{Self}` does not allow what needs `{Required}`",
    label = "this needs a permit for `{Required}`",
    note = "a permit has the class that its function's `#[requires_attestation(..)]` names: name a class there that covers \
            `{Required}`, and in the parameter's type `Permit<'_, ..>`"
)]
pub trait Covers<Required: Class>: Class {}

macro_rules! classes {
    ($($(#[$doc:meta])+ $class:ident covers $($narrower:ident),+;)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug)]
            pub enum $class {}

            impl sealed::Sealed for $class {}

            impl Class for $class {
                const CLASS: CapabilityClass = CapabilityClass::$class;
            }

            $(
                impl Covers<$narrower> for $class {}

                const _: () = assert!(CapabilityClass::$class.covers(CapabilityClass::$narrower));
            )+
        )+

        /// Every pair that [`Covers`] relates.
        #[cfg(test)]
        const COVERED: &[(CapabilityClass, CapabilityClass)] =
            &[$($((CapabilityClass::$class, CapabilityClass::$narrower)),+),+];
    };
}

classes! {
    /// Computes from its arguments alone.
    Pure covers Pure;
    /// Reads files and other local state.
    ReadOnly covers Pure, ReadOnly;
    /// Reads and changes files and other local state.
    ReadWrite covers Pure, ReadOnly, ReadWrite;
    /// Talks to other machines; touches no files.
    Network covers Pure, Network;
    /// Anything: starts processes, changes the system, all of the above at once.
    Dangerous covers Pure, ReadOnly, ReadWrite, Network, Dangerous;
}

#[cfg(test)]
mod tests {
    use super::{COVERED, CapabilityClass};

    #[test]
    fn types_are_ordered_as_values_are() {
        for &wide in CapabilityClass::ALL {
            for &narrow in CapabilityClass::ALL {
                let in_types = COVERED.contains(&(wide, narrow));
                assert_eq!(in_types, wide.covers(narrow), "{wide} and {narrow}");
            }
        }
    }
}

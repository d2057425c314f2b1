//! The contract: one value of each dimension, and the order they make together.

use core::fmt;
use core::str::FromStr;

use super::{CapabilityClass, ResourceBand, Safety, Stability, UnknownName};

/// What a command requires, or what an attestation grants: class, resource band, stability and safety.
///
/// The constructors name the class and pick the other three so that a wider class covers a narrower one:
///
/// | constructor | band | stability | safety |
/// |---|---|---|---|
/// | [`pure`](Self::pure) | unlimited | stable | harmless |
/// | [`read_only`](Self::read_only) | unlimited | stable | harmless |
/// | [`read_write`](Self::read_write) | unlimited | stable | reversible |
/// | [`network`](Self::network) | unlimited | stable | irreversible |
/// | [`dangerous`](Self::dangerous) | unlimited | experimental | irreversible |
///
/// `dangerous()` covers every contract there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CapabilityContract {
    class: CapabilityClass,
    band: ResourceBand,
    stability: Stability,
    safety: Safety,
}

impl CapabilityContract {
    /// Computes from its arguments alone and leaves nothing behind.
    #[must_use]
    pub const fn pure() -> Self {
        Self::of(CapabilityClass::Pure, Stability::Stable, Safety::Harmless)
    }

    /// Reads files and other local state.
    #[must_use]
    pub const fn read_only() -> Self {
        Self::of(
            CapabilityClass::ReadOnly,
            Stability::Stable,
            Safety::Harmless,
        )
    }

    /// Reads and changes files and other local state.
    #[must_use]
    pub const fn read_write() -> Self {
        Self::of(
            CapabilityClass::ReadWrite,
            Stability::Stable,
            Safety::Reversible,
        )
    }

    /// Talks to other machines. What was sent cannot be taken back.
    #[must_use]
    pub const fn network() -> Self {
        Self::of(
            CapabilityClass::Network,
            Stability::Stable,
            Safety::Irreversible,
        )
    }

    /// Everything: the widest contract, which covers every other.
    #[must_use]
    pub const fn dangerous() -> Self {
        Self::of(
            CapabilityClass::Dangerous,
            Stability::Experimental,
            Safety::Irreversible,
        )
    }

    /// The contract that the class's own constructor makes.
    #[must_use]
    pub const fn for_class(class: CapabilityClass) -> Self {
        match class {
            CapabilityClass::Pure => Self::pure(),
            CapabilityClass::ReadOnly => Self::read_only(),
            CapabilityClass::ReadWrite => Self::read_write(),
            CapabilityClass::Network => Self::network(),
            CapabilityClass::Dangerous => Self::dangerous(),
        }
    }

    const fn of(class: CapabilityClass, stability: Stability, safety: Safety) -> Self {
        Self {
            class,
            band: ResourceBand::Unlimited,
            stability,
            safety,
        }
    }

    /// The same contract with this resource band.
    #[must_use]
    pub const fn with_band(self, band: ResourceBand) -> Self {
        Self { band, ..self }
    }

    /// The same contract with this stability.
    #[must_use]
    pub const fn with_stability(self, stability: Stability) -> Self {
        Self { stability, ..self }
    }

    /// The same contract with this safety.
    #[must_use]
    pub const fn with_safety(self, safety: Safety) -> Self {
        Self { safety, ..self }
    }

    /// What may be done.
    #[must_use]
    pub const fn class(&self) -> CapabilityClass {
        self.class
    }

    /// How much may be spent.
    #[must_use]
    pub const fn band(&self) -> ResourceBand {
        self.band
    }

    /// How settled the command is, or has to be.
    #[must_use]
    pub const fn stability(&self) -> Stability {
        self.stability
    }

    /// How far the command's effects reach, or may reach.
    #[must_use]
    pub const fn safety(&self) -> Safety {
        self.safety
    }

    /// Whether holding this contract is enough where `required` is needed: every dimension covers its counterpart.
    ///
    /// A partial order: every contract covers itself, two that cover each other are equal, and covering is transitive.
    ///
    /// ```
    /// use cnv::capability::CapabilityContract;
    ///
    /// const ENOUGH: bool = CapabilityContract::read_write().covers(&CapabilityContract::read_only());
    /// assert!(ENOUGH);
    /// assert!(!CapabilityContract::network().covers(&CapabilityContract::read_only()));
    /// ```
    #[must_use]
    pub const fn covers(&self, required: &Self) -> bool {
        self.first_gap(required).is_none()
    }

    /// The first dimension in which this contract is not enough for `required`, or `None` where it covers it.
    ///
    /// Dimensions are compared in the order class, band, stability, safety.
    #[must_use]
    pub const fn first_gap(&self, required: &Self) -> Option<Gap> {
        if !self.class.covers(required.class) {
            return Some(Gap::Class {
                held: self.class,
                needed: required.class,
            });
        }
        if !self.band.covers(required.band) {
            return Some(Gap::Band {
                held: self.band,
                needed: required.band,
            });
        }
        if !self.stability.covers(required.stability) {
            return Some(Gap::Stability {
                held: self.stability,
                needed: required.stability,
            });
        }
        if !self.safety.covers(required.safety) {
            return Some(Gap::Safety {
                held: self.safety,
                needed: required.safety,
            });
        }
        None
    }

    /// The widest contract that both cover: what is left when one narrows the other.
    ///
    /// ```
    /// use cnv::capability::{CapabilityContract, ResourceBand};
    ///
    /// let narrowed = CapabilityContract::dangerous()
    ///     .with_band(ResourceBand::Small)
    ///     .meet(&CapabilityContract::network());
    /// assert_eq!(narrowed, CapabilityContract::network().with_band(ResourceBand::Small));
    /// ```
    #[must_use]
    pub const fn meet(&self, other: &Self) -> Self {
        Self {
            class: self.class.meet(other.class),
            band: self.band.meet(other.band),
            stability: self.stability.meet(other.stability),
            safety: self.safety.meet(other.safety),
        }
    }
}

/// `class/band/stability/safety`, for example `network/medium/stable/irreversible`.
impl fmt::Display for CapabilityContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.class, self.band, self.stability, self.safety
        )
    }
}

/// Reads what `Display` prints, and shorter forms: what is left off the end is what the class's constructor sets.
///
/// ```
/// use cnv::capability::{CapabilityContract, ResourceBand};
///
/// let whole: CapabilityContract = "read_only".parse()?;
/// assert_eq!(whole, CapabilityContract::read_only());
///
/// let narrow: CapabilityContract = "read_only/small".parse()?;
/// assert_eq!(narrow, CapabilityContract::read_only().with_band(ResourceBand::Small));
/// assert_eq!(narrow.to_string().parse::<CapabilityContract>()?, narrow);
/// # Ok::<(), cnv::capability::UnknownName>(())
/// ```
impl FromStr for CapabilityContract {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A fifth part stays inside the fourth and is refused there as a name.
        let mut parts = text.splitn(4, '/');
        let mut contract = Self::for_class(parts.next().unwrap_or_default().parse()?);
        if let Some(band) = parts.next() {
            contract.band = band.parse()?;
        }
        if let Some(stability) = parts.next() {
            contract.stability = stability.parse()?;
        }
        if let Some(safety) = parts.next() {
            contract.safety = safety.parse()?;
        }
        Ok(contract)
    }
}

/// The dimension in which a contract is not enough, with what is held and what is needed.
///
/// `Display` says it in one line, fit for a message to the person who has to ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gap {
    /// The class does not include the needed one.
    Class {
        /// The class of the grant.
        held: CapabilityClass,
        /// The class of the requirement.
        needed: CapabilityClass,
    },
    /// The band is too small.
    Band {
        /// The largest band of the grant.
        held: ResourceBand,
        /// The band of the requirement.
        needed: ResourceBand,
    },
    /// The command is less settled than the grant allows.
    Stability {
        /// The least settled command that the grant reaches.
        held: Stability,
        /// The stability of the requirement.
        needed: Stability,
    },
    /// The command is less safe than the grant allows.
    Safety {
        /// The least safe command that the grant reaches.
        held: Safety,
        /// The safety of the requirement.
        needed: Safety,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class { held, needed } => {
                write!(f, "class `{needed}` is needed, `{held}` is held")
            }
            Self::Band { held, needed } => write!(
                f,
                "resource band `{needed}` is needed, at most `{held}` is held"
            ),
            Self::Stability { held, needed } => {
                write!(
                    f,
                    "the command is `{needed}`, commands at least `{held}` are allowed"
                )
            }
            Self::Safety { held, needed } => {
                write!(
                    f,
                    "the command is `{needed}`, commands at least `{held}` are allowed"
                )
            }
        }
    }
}

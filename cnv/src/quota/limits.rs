//! What a piece of work may use, one number per resource.

use core::fmt;

use super::resource::{Resource, UNLIMITED};

/// The most that a piece of work may use of each resource.
///
/// [`UNLIMITED`] stands for no limit and 0 for "not at all". [`Display`](fmt::Display) writes exact
/// values with the units people use; KB is 1000 bytes.
///
/// ```
/// use cnv::quota::Limits;
///
/// let limits = Limits { memory_bytes: 1_000_000, cpu_ns: 200_000, io_ops: 100, network_bytes: 0 };
/// assert_eq!(limits.to_string(), "memory 1 MB, cpu 200 us, io 100, network none");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Heap memory at its peak, in bytes.
    pub memory_bytes: u64,
    /// Processor time, in nanoseconds.
    pub cpu_ns: u64,
    /// Input and output operations.
    pub io_ops: u64,
    /// Bytes over the network, both ways together.
    pub network_bytes: u64,
}

impl Limits {
    /// Limits that limit nothing.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            memory_bytes: UNLIMITED,
            cpu_ns: UNLIMITED,
            io_ops: UNLIMITED,
            network_bytes: UNLIMITED,
        }
    }

    /// The limit of one resource, in its unit.
    #[must_use]
    pub const fn limit(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Memory => self.memory_bytes,
            Resource::Cpu => self.cpu_ns,
            Resource::Io => self.io_ops,
            Resource::Network => self.network_bytes,
        }
    }

    /// The limit of one resource as people write it: "1 MB", "200 us", "100k", "unlimited".
    ///
    /// ```
    /// use cnv::quota::{Limits, Resource};
    ///
    /// let limits = Limits { cpu_ns: 200_000, ..Limits::unlimited() };
    /// assert_eq!(limits.shown(Resource::Cpu).to_string(), "200 us");
    /// ```
    #[must_use]
    pub const fn shown(&self, resource: Resource) -> impl fmt::Display {
        resource.shown(self.limit(resource))
    }

    /// Whether every limit is at most the one that `limit` sets.
    ///
    /// ```
    /// use cnv::quota::Limits;
    ///
    /// let small = Limits { memory_bytes: 1_000, cpu_ns: 1_000, io_ops: 1, network_bytes: 0 };
    /// assert!(small.fits_within(&Limits::unlimited()));
    /// assert!(!Limits::unlimited().fits_within(&small));
    /// ```
    #[must_use]
    pub const fn fits_within(&self, limit: &Self) -> bool {
        self.first_over(limit).is_none()
    }

    /// The first resource, in the order of [`Resource::ALL`], of which this asks for more than
    /// `limit` allows.
    #[must_use]
    pub const fn first_over(&self, limit: &Self) -> Option<Resource> {
        let mut i = 0;
        while i < Resource::ALL.len() {
            let resource = Resource::ALL[i];
            if self.limit(resource) > limit.limit(resource) {
                return Some(resource);
            }
            i += 1;
        }
        None
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, resource) in Resource::ALL.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            let amount = resource.shown(self.limit(resource));
            write!(f, "{separator}{resource} {amount}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Limits = Limits {
        memory_bytes: 500_000,
        cpu_ns: 1_000,
        io_ops: 100_000,
        network_bytes: 0,
    };

    #[test]
    fn limits_read_as_people_write_them() {
        assert_eq!(
            HALF.to_string(),
            "memory 500 KB, cpu 1 us, io 100k, network none"
        );
        assert_eq!(
            Limits::unlimited().to_string(),
            "memory unlimited, cpu unlimited, io unlimited, network unlimited"
        );
    }

    #[test]
    fn first_over_names_the_first_resource_in_order() {
        for (i, resource) in Resource::ALL.into_iter().enumerate() {
            let mut asked = HALF;
            asked.network_bytes += 1;
            for later in &Resource::ALL[i..] {
                match later {
                    Resource::Memory => asked.memory_bytes = 500_001,
                    Resource::Cpu => asked.cpu_ns = 1_001,
                    Resource::Io => asked.io_ops = UNLIMITED,
                    Resource::Network => asked.network_bytes = 1,
                }
            }
            assert_eq!(asked.first_over(&HALF), Some(resource));
        }
        assert_eq!(HALF.first_over(&HALF), None);
    }
}

//! A pool at one moment.

use crate::quota::limits::Limits;
use crate::quota::resource::{Resource, UNLIMITED};

/// A pool at one moment: the four numbers belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    pub(super) limits: Limits,
    pub(super) used: Limits,
}

impl PoolStats {
    /// What the pool started with, in the resource's unit.
    #[must_use]
    pub const fn limit(&self, resource: Resource) -> u64 {
        self.limits.limit(resource)
    }

    /// What has been taken and not given back; above the limit where work was
    /// [settled](super::Reservation::settle) with more than it had reserved. It stops counting at `u64::MAX`.
    #[must_use]
    pub const fn used(&self, resource: Resource) -> u64 {
        self.used.limit(resource)
    }

    /// What is left; [`UNLIMITED`] of an unlimited resource, whatever was taken.
    #[must_use]
    pub const fn remaining(&self, resource: Resource) -> u64 {
        match self.limit(resource) {
            UNLIMITED => UNLIMITED,
            limit => limit.saturating_sub(self.used(resource)),
        }
    }

    /// The first resource, in the order of [`Resource::ALL`], of which more is used than the pool has.
    #[must_use]
    pub const fn first_over(&self) -> Option<Resource> {
        self.used.first_over(&self.limits)
    }

    /// The part of the limit that is used, from 0.0; above 1.0 where the pool is
    /// [over](Self::first_over). 0.0 where there is no limit, and where the limit is 0.
    #[must_use]
    pub fn utilization(&self, resource: Resource) -> f64 {
        match self.limit(resource) {
            0 | UNLIMITED => 0.0,
            limit => self.used(resource) as f64 / limit as f64,
        }
    }

    /// The part of the memory that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn memory_utilization(&self) -> f64 {
        self.utilization(Resource::Memory)
    }

    /// The part of the processor time that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn cpu_utilization(&self) -> f64 {
        self.utilization(Resource::Cpu)
    }

    /// The part of the I/O operations that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn io_utilization(&self) -> f64 {
        self.utilization(Resource::Io)
    }

    /// The part of the network bytes that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn network_utilization(&self) -> f64 {
        self.utilization(Resource::Network)
    }
}

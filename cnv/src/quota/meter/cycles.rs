//! The processor's cycle counter.
//!
//! On x86-64 under Linux, and only where both say that it can be trusted: the processor that it runs evenly whatever
//! the processor does, and the kernel that it is in step on all of them, by telling the time by it itself. A program that
//! is moved to another processor then reads on as if nothing had been. Elsewhere there is none.
#![allow(
    unsafe_code,
    reason = "the instructions are intrinsics; they touch no memory"
)]

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod counter {
    use core::arch::x86_64::{__cpuid, _mm_lfence, _rdtsc};
    use std::fs::File;
    use std::io::Read;

    /// The reading now. The processor may take it while instructions before it still wait for their data.
    #[inline]
    pub fn ticks() -> u64 {
        // SAFETY: every x86-64 has the instruction. Whoever forbids it to a process takes the time from it as well: what
        // `Instant` calls reads the same counter, where `is_steady` is true.
        unsafe { _rdtsc() }
    }

    /// The reading once all instructions before it are done.
    #[inline]
    pub fn ticks_after() -> u64 {
        // SAFETY: SSE2, which `lfence` is part of, belongs to every x86-64.
        unsafe { _mm_lfence() };
        ticks()
    }

    /// Whether it can be trusted. Allocates nothing, because that would count in whatever is measured.
    pub fn is_steady() -> bool {
        is_invariant() && is_time_told_by_it().unwrap_or(false)
    }

    /// Whether it runs at one pace in every state of the processor (Intel SDM volume 3, "Invariant TSC").
    fn is_invariant() -> bool {
        const POWER_MANAGEMENT: u32 = 0x8000_0007;
        #[allow(unused_unsafe, reason = "safe in newer versions of Rust")]
        // SAFETY: every x86-64 has the instruction.
        let (most, power) = unsafe { (__cpuid(0x8000_0000).eax, __cpuid(POWER_MANAGEMENT).edx) };
        most >= POWER_MANAGEMENT && power & (1 << 8) != 0
    }

    fn is_time_told_by_it() -> Option<bool> {
        let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let mut name = [0; 8];
        let len = File::open(path).ok()?.read(&mut name).ok()?;
        Some(name.get(..len)? == b"tsc\n")
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
mod counter {
    pub fn ticks() -> u64 {
        0
    }

    pub fn ticks_after() -> u64 {
        0
    }

    pub fn is_steady() -> bool {
        false
    }
}

pub(super) use counter::{is_steady, ticks, ticks_after};

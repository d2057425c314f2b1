//! A warm guarded call allocates nothing, and neither does a look at a remembered token.
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use cnv::attestation::{
    CapabilityAttestation, Evidence, PrivateKey, SystemClock, TrustStore, Verifier,
};
use cnv::capability::CapabilityContract;

/// The system's allocator, and how often this thread asked it for memory.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to `System` with the arguments that the caller vouches for; the count
// is a plain number of the thread, whose access allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates when it is done a second time.
fn allocations<R>(mut work: impl FnMut() -> R) -> u64 {
    black_box(work());
    let before = ALLOCATIONS.get();
    black_box(work());
    ALLOCATIONS.get() - before
}

#[test]
fn a_warm_call_allocates_nothing() {
    assert_eq!(allocations(|| Box::new(1)), 1);

    let (key, public) = PrivateKey::generate();
    let mut store = TrustStore::new();
    store.add("root", public).unwrap();
    let network = CapabilityContract::network();
    let token = CapabilityAttestation::new(network, "agent-42", 60, &key).to_string();
    let verifier = Verifier::builder(store, Arc::new(SystemClock))
        .accept_bearer()
        .without_revocation()
        .build();
    let evidence = Evidence::new(&verifier).with_token(token);
    let permit = evidence.authorise(&network).unwrap();
    assert_eq!(allocations(|| evidence.authorise(&network).is_ok()), 0);
    assert_eq!(allocations(|| permit.recheck().is_ok()), 0);

    // Nor does the check after a change.
    verifier.set_accept_bearer(true);
    let before = ALLOCATIONS.get();
    assert!(evidence.authorise(&network).is_ok());
    assert_eq!(ALLOCATIONS.get(), before);
}

//! The whole of the first interface in one function, as a downstream crate writes it.

use cnv::attestation::{CapabilityAttestation, PrivateKey};
use cnv::capability::CapabilityContract;
use cnv::frame::{AlignedBuffer, Frame, FramePayload, FrameSerializer};
use cnv::quota::{
    BudgetPool, CpuQuota, IoQuota, MediumBudget, MemoryQuota, NetworkQuota, Operation,
    ResourceBudget, SmallBudget, require_budget_fit,
};

type MyBudget = ResourceBudget<
    MemoryQuota<1_000_000>,
    CpuQuota<1_000_000>,
    IoQuota<100>,
    NetworkQuota<100_000>,
>;

#[test]
fn the_first_interface_holds() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(size_of::<MyBudget>(), 0);
    Operation::<MyBudget>::new("test").execute(|| {});
    require_budget_fit::<SmallBudget, MediumBudget>();
    cnv::require_budget_fit!(SmallBudget, MediumBudget);

    let pool = BudgetPool::from_budget(&MediumBudget::default());
    pool.allocate_memory(100_000)?;
    pool.consume_cpu(50_000)?;
    pool.consume_io(10)?;
    assert!((pool.stats().memory_utilization() - 0.1).abs() < 1e-9);
    assert!(pool.consume_io(91).is_err());
    pool.consume_io(90)?;

    let (authority_key, authority_pub) = PrivateKey::generate();
    let attestation = CapabilityAttestation::new(
        CapabilityContract::network(),
        "agent-42",
        3600,
        &authority_key,
    );
    assert!(attestation.verify(&authority_pub) && !attestation.is_expired());
    assert!(attestation.to_json()?.contains("agent-42"));

    let frame = Frame::new([1; 16], 2, 3, 4, FramePayload::Data(vec![7; 100]));
    let mut serializer = FrameSerializer::new();
    let mut buffer = AlignedBuffer::with_capacity(4096);
    let written = serializer.serialize(&frame, &mut buffer)?;
    assert_eq!(written, buffer.as_slice().len());
    let back = serializer.deserialize(buffer.as_slice())?;
    assert_eq!(back, frame);
    for shorter in 0..written {
        assert!(
            serializer
                .deserialize(&buffer.as_slice()[..shorter])
                .is_err()
        );
    }
    assert_eq!(Frame::default(), Frame::default());
    Ok(())
}

//! What a permit is: of a class, as long as its evidence, and asked again.

use std::sync::Arc;

use cnv::attestation::{
    Class, Covers, DenialReason, Denied, Evidence, Network, Permit, Pure, ReadOnly, ReadWrite,
    Requirement,
};
use cnv::capability::{CapabilityClass, CapabilityContract};
use cnv::prelude::*;
use cnv::requires_attestation;

use crate::{Session, distrust, evidence, reason};

fn class<C: Class>(_: &Permit<'_, C>) -> CapabilityClass {
    C::CLASS
}

fn reads(permit: &Permit<'_, impl Covers<ReadOnly>>) -> CapabilityClass {
    class(&permit.narrow::<ReadOnly>())
}

/// The parameter asks for less than the attestation has to cover.
#[requires_attestation(read_write, via = evidence)]
fn narrower(evidence: &Evidence, permit: Permit<'_, ReadOnly>) -> Result<CapabilityClass, Denied> {
    Ok(class(&permit))
}

/// Without a class it is one for `Pure`.
#[requires_attestation(read_write, via = evidence)]
fn unnamed(evidence: &Evidence, permit: Permit<'_>) -> Result<CapabilityClass, Denied> {
    let _: &Permit<'_, Pure> = &permit;
    Ok(class(&permit))
}

/// A pattern is as good as a name.
#[requires_attestation(read_write, via = evidence)]
fn unused(evidence: &Evidence, _: Permit<'_, ReadWrite>) -> Result<(), Denied> {
    Ok(())
}

/// What is borrowed from a reference outlives the call.
#[requires_attestation(network, via = evidence)]
fn subject<'a>(evidence: &'a Evidence, permit: Permit<'a, Network>) -> Result<&'a str, Denied> {
    Ok(permit.subject())
}

/// A permit that the caller lends is an argument like any other.
#[requires_attestation(network, via = evidence)]
fn lent(
    evidence: &Evidence,
    permit: &Permit<'_, ReadOnly>,
    own: Permit<'_, Network>,
) -> Result<(CapabilityClass, CapabilityClass), Denied> {
    Ok((class(permit), class(&own)))
}

#[test]
fn a_permit_has_the_class_that_its_type_names() {
    let writer = evidence(CapabilityContract::read_write());
    assert_eq!(narrower(&writer).unwrap(), CapabilityClass::ReadOnly);
    assert_eq!(unnamed(&writer).unwrap(), CapabilityClass::Pure);
    unused(&writer).unwrap();
    // The attribute decides what is asked for, not the parameter.
    let reader = evidence(CapabilityContract::read_only());
    assert!(narrower(&reader).is_err() && unnamed(&reader).is_err() && unused(&reader).is_err());

    let permit = writer.permit(&Requirement::<ReadWrite>::new()).unwrap();
    assert_eq!(reads(&permit), CapabilityClass::ReadOnly);
    let networker = evidence(CapabilityContract::network());
    assert_eq!(
        lent(&networker, &permit.narrow()).unwrap(),
        (CapabilityClass::ReadOnly, CapabilityClass::Network)
    );
    assert_eq!(subject(&networker).unwrap(), "agent-42");
    assert_eq!(
        class(&writer.authorise(&CapabilityContract::read_write()).unwrap()),
        CapabilityClass::Pure
    );
}

/// Three steps, of which the second may not happen any more.
#[requires_attestation(network, via = session)]
fn in_steps(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    session.ran()?;
    let narrow = permit.narrow::<Pure>();
    distrust(&session.evidence);
    let again = narrow.recheck();
    assert_eq!(again.is_ok(), permit.recheck().is_ok(), "both ask the same");
    again?;
    session.ran()
}

#[test]
fn a_permit_is_rechecked_inside_the_body() {
    let session = Session::allowed();
    assert!(matches!(
        reason(in_steps(&session)),
        DenialReason::UnknownIssuer { .. }
    ));
    assert_eq!(session.runs(), 1);
}

/// A verb whose callers see nothing of the permit.
#[verb(noun = "permit", effect = "network")]
#[requires_attestation(network)]
#[budget(cpu = "10ms", network = "1KB")]
async fn show(
    cx: Context,
    /// The guard's
    permit: Permit<'_, Network>,
    count: u32,
) -> Result<String, Failure> {
    drop(cx);
    permit.recheck()?;
    Ok(format!("{} {count}", permit.subject()))
}

#[test]
fn a_verb_gets_a_permit_and_its_callers_do_not_pass_one() {
    let app = App::new("permits").verbs(verbs![show]).development();
    let reply = app.call_blocking(["permit", "show", "3"]);
    assert_eq!(reply.result.unwrap().as_json(), "\"development 3\"");
}

#[test]
fn a_permit_may_be_lent_to_a_thread_that_ends_before_it() {
    let evidence = Arc::new(evidence(CapabilityContract::network()));
    let permit = evidence.permit(&Requirement::<Network>::new()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| permit.recheck().unwrap());
    });
    assert_eq!(
        format!("{permit:?}").split(", required").next(),
        Some("Permit { class: Network")
    );
}

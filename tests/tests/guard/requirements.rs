//! What a guard asks beside the class: the other dimensions, and the audience.

use cnv::attestation::{DenialReason, Denied, Evidence, Network, Requirement};
use cnv::capability::{CapabilityContract, ResourceBand, Safety, Stability};
use cnv::requires_attestation;

use crate::{evidence, reason, token, verifier};

#[requires_attestation(network, via = evidence)]
fn plain(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, band = "small", via = evidence)]
fn small(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(read_write, safety = "irreversible", via = evidence)]
fn destroys(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(read_write, stability = "experimental", via = evidence)]
fn unsettled(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(
    read_write,
    band = "medium",
    stability = "frozen",
    safety = "harmless",
    via = evidence
)]
fn undemanding(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[test]
fn each_dimension_is_asked_for() {
    let network = CapabilityContract::network();
    let write = CapabilityContract::read_write();
    let little = evidence(network.with_band(ResourceBand::Small));
    assert!(plain(&little).is_err());
    assert!(small(&little).is_ok());
    assert!(small(&evidence(network.with_band(ResourceBand::Tiny))).is_err());

    assert!(destroys(&evidence(write)).is_err());
    assert!(destroys(&evidence(write.with_safety(Safety::Irreversible))).is_ok());

    assert!(unsettled(&evidence(write)).is_err());
    assert!(unsettled(&evidence(write.with_stability(Stability::Experimental))).is_ok());

    let cautious = write
        .with_band(ResourceBand::Medium)
        .with_stability(Stability::Frozen)
        .with_safety(Safety::Harmless);
    assert!(undemanding(&evidence(cautious)).is_ok());
    for less in [
        cautious.with_band(ResourceBand::Small),
        CapabilityContract::read_only(),
    ] {
        assert!(undemanding(&evidence(less)).is_err(), "{less}");
    }
}

#[requires_attestation(network, audience = "fetcher", via = evidence)]
fn for_the_fetcher(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, audience = "fetcher", via = evidence)]
async fn later_for_the_fetcher(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[test]
fn an_audience_is_named_by_the_attestation_and_answered_to_by_the_verifier() {
    let names = [None, Some("fetcher"), Some("mailer"), Some("fetcher2")];
    for this in names {
        for named in names {
            let evidence = Evidence::new(&verifier(this))
                .with_token(token(CapabilityContract::network(), named));
            let fits = named == Some("fetcher") && this == named;
            assert_eq!(
                for_the_fetcher(&evidence).is_ok(),
                fits,
                "{named:?} at {this:?}"
            );
            // The same on the second call, which finds the session open.
            assert_eq!(
                for_the_fetcher(&evidence).is_ok(),
                fits,
                "{named:?} at {this:?}"
            );
            assert_eq!(
                crate::at_once(later_for_the_fetcher(&evidence)).is_ok(),
                fits
            );
            let without = named.is_none() || named == this;
            assert_eq!(plain(&evidence).is_ok(), without, "{named:?} at {this:?}");
        }
    }
}

#[test]
fn a_missing_audience_is_told_to_the_operator_alone() {
    let anywhere = Evidence::new(&verifier(Some("fetcher")))
        .with_token(token(CapabilityContract::network(), None));
    plain(&anywhere).unwrap();
    let denied = for_the_fetcher(&anywhere).unwrap_err();
    assert_eq!(denied.to_string(), "attestation refused");
    assert_eq!(
        denied.reason().to_string(),
        "the command is for attestations that name the audience `fetcher`, and this one names none"
    );
    let requirement = Requirement::<Network>::new().for_audience("mailer");
    let named = Evidence::new(&verifier(Some("fetcher")))
        .with_token(token(CapabilityContract::network(), Some("fetcher")));
    assert_eq!(
        reason(named.permit(&requirement)),
        DenialReason::AudienceRequired {
            required: "mailer",
            named: Some("fetcher".to_owned())
        }
    );
}

#[test]
fn a_verifier_that_gets_another_name_refuses_what_named_the_old_one() {
    let verifier = verifier(Some("fetcher"));
    let evidence =
        Evidence::new(&verifier).with_token(token(CapabilityContract::network(), Some("fetcher")));
    for_the_fetcher(&evidence).unwrap();
    verifier.set_audience(Some("mailer"));
    assert!(matches!(
        reason(for_the_fetcher(&evidence)),
        DenialReason::WrongAudience { .. }
    ));
}

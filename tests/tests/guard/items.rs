//! Whatever the item, the body runs for an allowed caller and for no other.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cnv::attestation::{CarriesEvidence, DenialReason, Denied, Evidence, Network, Permit};
use cnv::{budget, requires_attestation};

use crate::{Session, at_once, distrust, reason};

/// Calls with a session that may and with one that may not, and looks whether the body ran.
macro_rules! check {
    ($($name:ident: |$session:ident| $call:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let call = |$session: &Arc<Session>| -> Result<u32, Denied> { $call };
                let allowed = Arc::new(Session::allowed());
                assert_eq!(call(&allowed).unwrap(), 1);
                assert_eq!(allowed.runs(), 1);
                let refused = Arc::new(Session::refused());
                assert!(matches!(reason(call(&refused)), DenialReason::Insufficient { .. }));
                assert_eq!(refused.runs(), 0, "the body ran");
            }
        )+
    };
}

check! {
    a_free_function: |session| free(session);
    a_free_function_with_a_permit: |session| free_with_permit(session);
    an_async_function: |session| at_once(later(session));
    an_async_function_with_a_permit: |session| at_once(later_with_permit(session.clone()));
    an_unsafe_function: |session| {
        // SAFETY: it asks for nothing.
        #[allow(unsafe_code, reason = "to call it")]
        unsafe { raw(session) }
    };
    a_generic_function: |session| generic::<_, 3>(&**session, [0; 3]);
    an_argument_of_any_type: |session| any(session.clone(), |runs| runs);
    a_return_type_without_a_name: |session| nameless(session)?.next().ok_or_else(|| unreachable!());
    a_function_inside_another: |session| outer(session);
    a_function_from_a_macro: |session| from_macro(session);
    an_associated_function: |session| Methods::associated(session);
    an_associated_function_of_its_own_type: |session| Methods::of_itself(&Methods(session.clone()));
    a_method: |session| Methods(session.clone()).shared();
    a_method_of_a_borrowed_arc: |session| Arc::new(Methods(session.clone())).of_a_borrowed_arc();
    a_mutable_method: |session| Methods(session.clone()).exclusive();
    a_consuming_method: |session| Methods(session.clone()).consuming();
    a_method_of_an_arc: |session| Arc::new(Methods(session.clone())).of_an_arc();
    a_method_of_an_rc: |session| Rc::new(Methods(session.clone())).of_an_rc();
    a_method_of_a_box: |session| Box::new(Methods(session.clone())).of_a_box();
    a_method_of_a_pin: |session| pin!(Methods(session.clone())).of_a_pin();
    an_async_method: |session| at_once(Methods(session.clone()).later());
    a_generic_method: |session| Methods(session.clone()).generic::<u32>();
    a_method_of_a_trait: |session| Methods(session.clone()).required();
    a_method_that_the_trait_provides: |session| Methods(session.clone()).provided();
    a_function_of_a_trait: |session| <Methods as Service>::function(session);
    an_async_method_of_a_trait: |session| at_once(Methods(session.clone()).eventually());
    a_generic_caller_of_a_trait: |session| through(&Methods(session.clone()));
    a_trait_object: |session| (&Methods(session.clone()) as &dyn Object).call();
    a_trait_object_with_the_provided_method: |session| {
        (Box::new(Methods(session.clone())) as Box<dyn Object>).call_provided()
    };
    a_budget_below: |session| cnv::run!(budget_below(session));
    a_budget_above: |session| cnv::run!(budget_above(session));
    an_async_budget: |session| at_once(cnv::run!(async_budget(session)));
    a_plain_call_of_an_open_budget: |session| open_budget(session);
}

#[requires_attestation(network, via = session)]
fn free(session: &Session) -> Result<u32, Denied> {
    session.ran()
}

#[requires_attestation(network, via = session)]
fn free_with_permit(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    assert_eq!(permit.subject(), "agent-42");
    session.ran()
}

#[requires_attestation(network, via = session)]
async fn later(session: &Session) -> Result<u32, Denied> {
    session.ran()
}

/// The permit borrows nothing that the body could not move.
#[requires_attestation(network, via = session)]
async fn later_with_permit(
    permit: Permit<'_, Network>,
    session: Arc<Session>,
) -> Result<u32, Denied> {
    let moved = session;
    std::future::ready(()).await;
    permit.recheck()?;
    moved.ran()
}

/// # Safety
///
/// It asks for nothing.
#[allow(unsafe_code, reason = "a guard stands before it as before any other")]
#[requires_attestation(network, via = session)]
unsafe fn raw(session: &Session) -> Result<u32, Denied> {
    session.ran()
}

#[requires_attestation(network, via = session)]
fn generic<'a, S, const N: usize>(session: &'a S, numbers: [u8; N]) -> Result<u32, Denied>
where
    S: CarriesEvidence + AsSession + 'a,
{
    assert_eq!(numbers.len(), N);
    session.as_session().ran()
}

#[requires_attestation(network, via = session)]
fn any(
    session: impl CarriesEvidence + AsSession,
    with: impl FnOnce(u32) -> u32,
) -> Result<u32, Denied> {
    session.as_session().ran().map(with)
}

#[requires_attestation(network, via = session)]
fn nameless(session: &Session) -> Result<impl Iterator<Item = u32> + use<>, Denied> {
    Ok(session.ran().into_iter())
}

trait AsSession {
    fn as_session(&self) -> &Session;
}

impl AsSession for Session {
    fn as_session(&self) -> &Session {
        self
    }
}

impl AsSession for Arc<Session> {
    fn as_session(&self) -> &Session {
        self
    }
}

fn outer(session: &Session) -> Result<u32, Denied> {
    #[requires_attestation(network, via = session)]
    fn inner(session: &Session) -> Result<u32, Denied> {
        session.ran()
    }
    inner(session)
}

macro_rules! guarded {
    ($name:ident, $session:ident) => {
        #[requires_attestation(network, via = $session)]
        fn $name($session: &Session) -> Result<u32, Denied> {
            $session.ran()
        }
    };
}
guarded!(from_macro, session);

struct Methods(Arc<Session>);

impl CarriesEvidence for Methods {
    fn evidence(&self) -> &Evidence {
        self.0.evidence()
    }
}

impl Methods {
    #[requires_attestation(network, via = session)]
    fn associated(session: &Session) -> Result<u32, Denied> {
        session.ran()
    }

    #[requires_attestation(network, via = methods)]
    fn of_itself(methods: &Self) -> Result<u32, Denied> {
        methods.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn shared(&self) -> Result<u32, Denied> {
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn of_a_borrowed_arc(self: &Arc<Self>, permit: Permit<'_, Network>) -> Result<u32, Denied> {
        permit.recheck()?;
        self.0.ran()
    }

    /// The permit leaves the body free to change what carried the evidence.
    #[requires_attestation(network, via = self)]
    fn exclusive(&mut self, permit: Permit<'_, Network>) -> Result<u32, Denied> {
        let session = std::mem::replace(&mut self.0, Arc::new(Session::refused()));
        permit.recheck()?;
        session.ran()
    }

    #[requires_attestation(network, via = self)]
    fn consuming(self, permit: Permit<'_, Network>) -> Result<u32, Denied> {
        let Self(session) = self;
        permit.recheck()?;
        session.ran()
    }

    #[requires_attestation(network, via = self)]
    fn of_an_arc(self: Arc<Self>) -> Result<u32, Denied> {
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn of_an_rc(self: Rc<Self>) -> Result<u32, Denied> {
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn of_a_box(self: Box<Self>) -> Result<u32, Denied> {
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn of_a_pin(self: Pin<&mut Self>) -> Result<u32, Denied> {
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    async fn later(&self, permit: Permit<'_, Network>) -> Result<u32, Denied> {
        std::future::ready(()).await;
        permit.recheck()?;
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    fn generic<T: TryFrom<u32>>(&self) -> Result<T, Denied> {
        self.0
            .ran()
            .map(|runs| T::try_from(runs).unwrap_or_else(|_| panic!("it is 1")))
    }
}

trait Service: CarriesEvidence {
    fn required(&self) -> Result<u32, Denied>;

    /// A body that is guarded once, for every type.
    #[requires_attestation(network, via = self)]
    fn provided(&self) -> Result<u32, Denied> {
        self.run()
    }

    #[requires_attestation(network, via = session)]
    fn function(session: &Session) -> Result<u32, Denied>
    where
        Self: Sized,
    {
        session.ran()
    }

    fn eventually(&self) -> impl Future<Output = Result<u32, Denied>>;

    fn run(&self) -> Result<u32, Denied>;
}

impl Service for Methods {
    /// The trait's declaration has no permit, and neither has this one once the guard took it.
    #[requires_attestation(network, via = self)]
    fn required(&self, permit: Permit<'_, Network>) -> Result<u32, Denied> {
        permit.recheck()?;
        self.0.ran()
    }

    #[requires_attestation(network, via = self)]
    async fn eventually(&self) -> Result<u32, Denied> {
        self.0.ran()
    }

    fn run(&self) -> Result<u32, Denied> {
        self.0.ran()
    }
}

fn through<S: Service>(service: &S) -> Result<u32, Denied> {
    service.required()
}

trait Object: CarriesEvidence {
    fn call(&self) -> Result<u32, Denied>;

    fn run(&self) -> Result<u32, Denied>;

    #[requires_attestation(network, via = self)]
    fn call_provided(&self) -> Result<u32, Denied> {
        self.run()
    }
}

impl Object for Methods {
    #[requires_attestation(network, via = self)]
    fn call(&self) -> Result<u32, Denied> {
        self.0.ran()
    }

    fn run(&self) -> Result<u32, Denied> {
        self.0.ran()
    }
}

#[requires_attestation(network, via = session)]
#[budget(cpu = "1ms")]
fn budget_below(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    permit.recheck()?;
    session.ran()
}

#[budget(cpu = "1ms")]
#[requires_attestation(network, via = session)]
fn budget_above(permit: Permit<'_, Network>, session: &Session) -> Result<u32, Denied> {
    permit.recheck()?;
    session.ran()
}

#[budget(cpu = "1ms")]
#[requires_attestation(network, via = session)]
async fn async_budget(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    std::future::ready(()).await;
    permit.recheck()?;
    session.ran()
}

#[budget(cpu = "1ms", open)]
#[requires_attestation(network, via = session)]
fn open_budget(session: &Session) -> Result<u32, Denied> {
    session.ran()
}

/// A body that leaves as early as it can, in every way that there is.
#[requires_attestation(network, via = session)]
#[allow(clippy::needless_return, unreachable_code)]
fn early(session: &Session, how: u32) -> Result<u32, Denied> {
    let leave = || -> Result<u32, Denied> { return session.ran() };
    match how {
        0 => return leave(),
        1 => Err(DenialReason::Missing.into()),
        2 => 'out: {
            break 'out leave();
        }
        _ => {
            leave()?;
            return session.ran();
        }
    }
}

#[test]
fn no_way_out_of_the_body_leads_past_the_guard() {
    for how in 0..4 {
        let refused = Session::refused();
        assert!(matches!(
            reason(early(&refused, how)),
            DenialReason::Insufficient { .. }
        ));
        assert_eq!(refused.runs(), 0);
    }
    assert_eq!(early(&Session::allowed(), 0).unwrap(), 1);
    assert_eq!(early(&Session::allowed(), 3).unwrap(), 2);
}

/// Items that have the names of what the expansion uses.
#[requires_attestation(network, via = session)]
#[allow(
    dead_code,
    non_camel_case_types,
    unused_imports,
    non_upper_case_globals
)]
fn disguised(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    mod cnv {}
    mod core {}
    mod __cnv_attestation {}
    struct Network;
    struct Permit;
    static granted: u8 = 0;
    static denied: u8 = 0;
    fn guard() {}
    fn refuse() {}
    fn lend() {}
    fn disguised() {}
    disguised();
    permit.recheck()?;
    session.ran()
}

#[test]
fn no_item_of_the_body_stands_in_for_the_guard() {
    assert_eq!(disguised(&Session::allowed()).unwrap(), 1);
    let refused = Session::refused();
    assert!(disguised(&refused).is_err());
    assert_eq!(refused.runs(), 0);
}

#[test]
fn a_future_decides_when_it_is_first_polled() {
    let session = Session::allowed();
    drop(later(&session));
    assert_eq!(session.runs(), 0);
    assert!(session.evidence.verified().is_none(), "it was decided");

    // What is taken back between the call and the poll is taken back.
    let future = later(&session);
    distrust(&session.evidence);
    assert!(matches!(
        reason(at_once(future)),
        DenialReason::UnknownIssuer { .. }
    ));
    assert_eq!(session.runs(), 0);
}

/// Waits once between the guard and the end.
#[requires_attestation(network, via = session)]
async fn in_two_polls(session: &Session, permit: Permit<'_, Network>) -> Result<u32, Denied> {
    let mut waited = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    permit.recheck()?;
    session.ran()
}

#[test]
fn a_permit_held_over_an_await_is_rechecked_behind_it() {
    let mut context = Context::from_waker(Waker::noop());
    for still_trusted in [true, false] {
        let session = Session::allowed();
        let mut future = pin!(in_two_polls(&session));
        assert!(future.as_mut().poll(&mut context).is_pending());
        if !still_trusted {
            distrust(&session.evidence);
        }
        let Poll::Ready(result) = future.as_mut().poll(&mut context) else {
            panic!("it waits once");
        };
        assert_eq!(result.is_ok(), still_trusted);
        assert_eq!(session.runs(), u32::from(still_trusted));
    }
}

/// Every call of itself is a call.
#[requires_attestation(network, via = session)]
fn recursive(session: &Session, depth: u32) -> Result<u32, Denied> {
    let runs = session.ran()?;
    if runs == 2 {
        distrust(&session.evidence);
    }
    if depth == 0 {
        return Ok(runs);
    }
    recursive(session, depth - 1)
}

#[test]
fn recursion_asks_every_time() {
    let session = Session::allowed();
    assert!(matches!(
        reason(recursive(&session, 5)),
        DenialReason::UnknownIssuer { .. }
    ));
    assert_eq!(session.runs(), 2, "the third call was refused");
}

#[test]
fn guarded_futures_may_change_threads() {
    fn is_send<T: Send>(_: &T) {}
    let session = Arc::new(Session::allowed());
    let methods = Methods(session.clone());
    is_send(&in_two_polls(&session));
    is_send(&later_with_permit(session.clone()));
    is_send(&methods.later());
    is_send(&cnv::run!(async_budget(&session)));
}

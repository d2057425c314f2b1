//! The client's part of a session's beginning.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ClientOptions;
use crate::attestation::{AttestationChain, Nonce, Possession, Timestamp};
use crate::session::address::Address;
use crate::session::close::Close;
use crate::session::error::SessionError;
use crate::session::handshake::{Handshake, check_answer, request_digest};
use crate::session::limits::SessionLimits;
use crate::session::message::{Auth, ClientHello, Ready, Resume, ServerHello, decode, encode};
use crate::session::wire::{Kind, PROTOCOL};

/// What the handshake came to.
pub(super) struct Begun<S> {
    pub(super) stream: S,
    pub(super) arrived: BytesMut,
    pub(super) server: ServerHello,
    /// What may be in flight.
    pub(super) agreed: SessionLimits,
    pub(super) ready: Ready,
}

/// The client's part of the handshake.
pub(super) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    options: &ClientOptions,
    limits: &SessionLimits,
    resume: Option<Resume>,
) -> Result<Begun<S>, SessionError> {
    let mut handshake = Handshake::new(stream);
    let hello = encode(&ClientHello {
        protocol: (PROTOCOL, PROTOCOL),
        application: options.application.clone(),
        grammar: options.grammar.clone(),
        is_resumable: !options.is_single,
        resume,
        attests: options.token.is_some(),
        window_bytes: limits.window_bytes,
        call_window_bytes: limits.call_window_bytes,
        max_frame_bytes: limits.max_frame_bytes,
        max_item_bytes: limits.max_item_bytes,
    });
    handshake.send(Kind::Hello, &hello).await?;
    let answer = handshake.expect(Kind::Hello).await?;
    let server: ServerHello = decode("the server's hello", &answer)?;
    check_answer(&server)?;
    let agreed = limits.agreed(
        server.window_bytes,
        server.call_window_bytes,
        server.max_frame_bytes,
        server.max_item_bytes,
    )?;
    if let Some(token) = &options.token {
        let auth = prove(token, options, &server, &hello, &answer)?;
        handshake.send(Kind::Auth, &encode(&auth)).await?;
    }
    let ready = handshake.expect(Kind::Ready).await?;
    let ready = decode("the server's answer", &ready)?;
    let Handshake { stream, arrived } = handshake;
    Ok(Begun {
        stream,
        arrived,
        server,
        agreed,
        ready,
    })
}

/// Whether a bearer's token stays on this machine. Whoever reads one on its way can use it.
pub(super) fn check_that_nobody_reads(
    address: &Address,
    options: &ClientOptions,
) -> Result<(), SessionError> {
    let (Address::Tcp(address), Some(token)) = (address, &options.token) else {
        return Ok(());
    };
    if options.is_plaintext || address.ip().is_loopback() {
        return Ok(());
    }
    // What cannot be read is no token that is known to need a key.
    let chain = token.parse::<AttestationChain>().ok();
    match chain.and_then(|chain| chain.leaf().holder_key()) {
        Some(_) => Ok(()),
        None => Err(SessionError::Plaintext { address: *address }),
    }
}

fn prove(
    token: &str,
    options: &ClientOptions,
    server: &ServerHello,
    hello: &Bytes,
    answer: &Bytes,
) -> Result<Auth, SessionError> {
    let unfit = |why: String| SessionError::Attestation(why);
    let chain: AttestationChain = token.parse().map_err(|error| unfit(format!("{error}")))?;
    let Some(needed) = chain.leaf().holder_key() else {
        return Ok(Auth {
            token: token.to_owned(),
            proof: None,
        });
    };
    let Some(key) = &options.key else {
        return Err(unfit(format!(
            "it is held by the key {needed}, and no key was given"
        )));
    };
    if key.public_key().id() != needed {
        let given = key.public_key().id();
        return Err(unfit(format!(
            "it is held by the key {needed}, and {given} was given"
        )));
    }
    let Some(application) = options.application.as_deref() else {
        return Err(unfit(
            "a proof names the application that it is for, and none was given".to_owned(),
        ));
    };
    let nonce = server.nonce.as_deref().unwrap_or_default();
    let nonce: Nonce = nonce
        .parse()
        .map_err(|error| Close::protocol(format!("the server's nonce is none: {error}")))?;
    let possession = Possession {
        token,
        audience: Some(application),
        nonce,
        request: request_digest(hello, answer),
        signed_at: Timestamp::now(),
    };
    Ok(Auth {
        token: token.to_owned(),
        proof: Some(possession.sign(key).to_string()),
    })
}

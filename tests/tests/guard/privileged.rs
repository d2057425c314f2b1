//! What a permit opens, and what it is charged for.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use cnv::attestation::{Dangerous, Evidence, Network, Permit, ReadWrite, Requirement};
use cnv::capability::CapabilityContract;
use cnv::privileged::{environment, file, network, process};
use cnv::quota::{BudgetExceeded, Limits, measure};

use crate::evidence;

fn everything() -> Evidence {
    evidence(CapabilityContract::dangerous())
}

fn is_over_budget(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::QuotaExceeded && BudgetExceeded::in_chain(error).is_some()
}

#[test]
fn files_are_charged_call_by_call() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = everything();
    let permit: Permit<'_, ReadWrite> = evidence.permit(&Requirement::new()).unwrap();
    let path = folder.path().join("deep").join("a");
    let moved = folder.path().join("b");
    let (text, usage) = measure("files", Limits::unlimited(), || {
        file::create_dir_all(&permit, path.parent().unwrap()).unwrap();
        let mut written = file::create(&permit, &path).unwrap();
        written.write_all(b"text").unwrap();
        assert_eq!(file::metadata(&permit, &path).unwrap().len(), 4);
        file::rename(&permit, &path, &moved).unwrap();
        assert_eq!(file::read_dir(&permit, folder.path()).unwrap().count(), 2);
        let options = std::fs::OpenOptions::new().read(true).clone();
        let mut opened = file::open_with(&permit, &options, &moved).unwrap();
        opened.seek(SeekFrom::Start(1)).unwrap();
        let mut text = [0; 3];
        opened.read_exact(&mut text).unwrap();
        file::remove_file(&permit, &moved).unwrap();
        text
    });
    assert_eq!(&text, b"ext");
    assert_eq!(usage.io_ops, 10);
    assert!(file::open(&permit, &moved).is_err(), "it is gone");
}

#[test]
fn nothing_is_done_without_an_operation_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "kept").unwrap();
    let evidence = everything();
    let permit: Permit<'_, Dangerous> = evidence.permit(&Requirement::new()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        io_ops: 0,
        ..Limits::unlimited()
    };
    let mut command = Command::new("touch");
    command.arg(folder.path().join("made"));
    let second = Duration::from_secs(1);
    let (errors, _) = measure("none", limits, || {
        [
            file::open(&permit, &path).err(),
            file::create(&permit, &path).err(),
            file::open_with(&permit, std::fs::OpenOptions::new().write(true), &path).err(),
            file::metadata(&permit, &path).err(),
            file::read_dir(&permit, folder.path()).err(),
            file::create_dir_all(&permit, folder.path().join("new")).err(),
            file::rename(&permit, &path, folder.path().join("moved")).err(),
            file::remove_file(&permit, &path).err(),
            network::connect(&permit, address).err(),
            network::connect_timeout(&permit, &address, second).err(),
            network::datagrams(&permit, "127.0.0.1:0", address).err(),
            process::spawn(&permit, &mut command).err(),
            process::status(&permit, &mut command).err(),
            process::output(&permit, &mut command).err(),
        ]
    });
    for (place, error) in errors.iter().enumerate() {
        assert!(error.as_ref().is_some_and(is_over_budget), "{place}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn connections_are_held_to_their_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let evidence = evidence(CapabilityContract::network());
    let permit: Permit<'_, Network> = evidence.permit(&Requirement::new()).unwrap();
    let limits = Limits {
        network_bytes: 6,
        ..Limits::unlimited()
    };
    let (refused, usage) = measure("talk", limits, || {
        let mut stream = network::connect(&permit, address).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.write_all(b"ping").unwrap();
        let mut received = [0; 4];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"ping");
        let refused = stream.write_all(b"pong").unwrap_err();
        let timely = network::connect_timeout(&permit, &address, Duration::from_secs(5));
        timely.unwrap().write_all(b"ok").unwrap();
        refused
    });
    assert!(is_over_budget(&refused));
    assert_eq!((usage.io_ops, usage.network_bytes), (2, 6));
}

#[test]
fn datagrams_are_held_to_their_bytes() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let evidence = evidence(CapabilityContract::network());
    let permit: Permit<'_, Network> = evidence.permit(&Requirement::new()).unwrap();
    let limits = Limits {
        network_bytes: 10,
        ..Limits::unlimited()
    };
    let (refused, usage) = measure("datagrams", limits, || {
        let address = peer.local_addr().unwrap();
        let mut socket = network::datagrams(&permit, "127.0.0.1:0", address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(socket.send(b"ping").unwrap(), 4);
        let mut buffer = [0; 6];
        let (len, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(
            (&buffer[..len], from),
            (&b"ping"[..], socket.local_addr().unwrap())
        );
        peer.send_to(b"pong", from).unwrap();
        assert_eq!(socket.receive(&mut buffer).unwrap(), 4);
        // Two bytes are left, and neither of these fits.
        let sent = socket.send(b"more").unwrap_err();
        let received = socket.receive(&mut buffer).unwrap_err();
        [sent, received]
    });
    assert!(refused.iter().all(is_over_budget));
    assert_eq!((usage.io_ops, usage.network_bytes), (1, 8));
}

#[test]
#[cfg(unix)]
fn children_are_started() {
    let evidence = everything();
    let permit: Permit<'_, Dangerous> = evidence.permit(&Requirement::new()).unwrap();
    let ((), usage) = measure("children", Limits::unlimited(), || {
        let output = process::output(&permit, Command::new("echo").arg("out")).unwrap();
        assert_eq!(output.stdout, b"out\n");
        assert!(
            process::status(&permit, &mut Command::new("true"))
                .unwrap()
                .success()
        );
        let mut child = process::spawn(&permit, &mut Command::new("false")).unwrap();
        assert!(!child.wait().unwrap().success());
    });
    assert_eq!(usage.io_ops, 3);
}

#[test]
fn variables_are_read() {
    let evidence = everything();
    let permit: Permit<'_, Dangerous> = evidence.permit(&Requirement::new()).unwrap();
    assert_eq!(
        environment::var(&permit, "CARGO_PKG_NAME").ok(),
        std::env::var("CARGO_PKG_NAME").ok()
    );
    assert!(environment::var_os(&permit, "CARGO_MANIFEST_DIR").is_some());
    assert!(environment::var(&permit, "NO_SUCH_VARIABLE_OF_CNV").is_err());
}

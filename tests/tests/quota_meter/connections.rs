//! The standard library's connections.

use super::*;

#[test]
fn connecting_and_accepting_are_operations_and_bytes_are_network() {
    let ((near, mut far), usage) = measure("connect", Limits::unlimited(), connection);
    assert_eq!((usage.io_ops, usage.network_bytes), (3, 0));
    let ((), usage) = measure("talk", Limits::unlimited(), || {
        let mut near = near;
        near.write_all(&[7; 1_000]).unwrap();
        drop(near);
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 1_000);
    });
    assert_eq!((usage.io_ops, usage.network_bytes), (0, 2_000));
}

#[test]
fn without_an_operation_left_nobody_is_called_or_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ((), usage) = measure("connect", io_ops(0), || {
        exceeded(&TcpStream::connect(address).unwrap_err());
        let timeout = std::time::Duration::from_secs(9);
        exceeded(&TcpStream::connect_timeout(&address, timeout).unwrap_err());
        exceeded(&TcpListener::bind("127.0.0.1:0").unwrap_err());
        exceeded(&listener.accept().unwrap_err());
    });
    assert_eq!(usage.io_ops, 0);
    listener.get_ref().set_nonblocking(true).unwrap();
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
}

//! Tokio's connections and files.

use super::*;
use cnv::quota::tokio_net::{TcpListener, TcpStream};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex,
};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
        .block_on(future)
}

async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await;
    (near.unwrap(), listener.accept().await.unwrap().0)
}

fn poll<T>(poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
    poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn connections_count_as_those_of_the_standard_library() {
    block_on(async {
        let ((mut near, mut far), usage) =
            metered("connect", Limits::unlimited(), connection()).await;
        assert_eq!((usage.io_ops, usage.network_bytes), (3, 0));
        let (refused, usage) = metered("talk", network(1_500), async move {
            near.write_all(&[7; 1_000]).await.unwrap();
            near.shutdown().await.unwrap();
            far.read_to_end(&mut Vec::new()).await.unwrap_err()
        })
        .await;
        let refused = exceeded(&refused);
        assert_eq!((refused.resource, refused.used), (Resource::Network, 1_500));
        assert_eq!((usage.io_ops, usage.network_bytes), (0, 1_500));

        let (refused, usage) = metered("connect", io_ops(0), async {
            exceeded(&TcpStream::connect("127.0.0.1:1").await.unwrap_err());
            exceeded(&TcpListener::bind("127.0.0.1:0").await.unwrap_err())
        })
        .await;
        assert_eq!((refused.used, usage.io_ops), (0, 0));
    });
}

#[test]
fn a_poll_that_is_not_ready_is_not_counted() {
    let (near, mut far) = duplex(4);
    let mut near = Metered::new(near);
    let mut buffer = [0; 4];
    let mut read = |near: &mut Metered<_>| {
        let mut buffer = ReadBuf::new(&mut buffer);
        poll(|context| Pin::new(near).poll_read(context, &mut buffer)).map(Result::unwrap)
    };
    let write = |near: &mut Metered<_>| {
        poll(|context| Pin::new(near).poll_write(context, b"abcd")).map(Result::unwrap)
    };
    let ((), usage) = measure("talk", io_ops(2), || {
        assert_eq!(read(&mut near), Poll::Pending);
        assert_eq!(read(&mut near), Poll::Pending);
        assert_eq!(write(&mut near), Poll::Ready(4));
        assert_eq!(write(&mut near), Poll::Pending, "full");
        block_on(far.write_all(b"x")).unwrap();
        assert_eq!(read(&mut near), Poll::Ready(()));
    });
    assert_eq!(usage.io_ops, 2);

    let mut near = Metered::network(near.into_inner());
    let ((), usage) = measure("talk", network(2), || {
        assert_eq!(read(&mut near), Poll::Pending);
        block_on(far.write_all(b"xy")).unwrap();
        assert_eq!(read(&mut near), Poll::Ready(()));
    });
    assert_eq!(usage.network_bytes, 2);
}

#[test]
fn a_read_is_shortened_and_a_write_is_refused_whole() {
    let (mut near, far) = duplex(100);
    let mut far = Metered::network(far);
    block_on(async {
        near.write_all(b"0123456789abcdefghij").await.unwrap();
        let ((), usage) = metered("talk", network(12), async {
            let mut eight = [0; 8];
            assert_eq!(far.read(&mut eight).await.unwrap(), 8);
            assert_eq!(&eight, b"01234567");
            let refused = exceeded(&far.write(b"12345").await.unwrap_err());
            assert_eq!((refused.used, refused.requested), (8, 5));
            let parts = [io::IoSlice::new(b"123"), io::IoSlice::new(b"45")];
            exceeded(&far.write_vectored(&parts).await.unwrap_err());
            assert_eq!(far.write_vectored(&parts[1..]).await.unwrap(), 2);
            // Shortened to the two that are left, after what is there already.
            let mut bytes = [0; 9];
            let mut buffer = ReadBuf::new(&mut bytes);
            buffer.put_slice(b"> ");
            let read = poll(|context| Pin::new(&mut far).poll_read(context, &mut buffer));
            assert!(matches!(read, Poll::Ready(Ok(()))));
            assert_eq!(buffer.filled(), b"> 89");
            exceeded(&far.read(&mut [0; 20]).await.unwrap_err());
            assert_eq!(far.read(&mut []).await.unwrap(), 0, "nothing needs nothing");
        })
        .await;
        assert_eq!(usage.network_bytes, 12);
        drop(far);
        let mut sent = Vec::new();
        near.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"45");
    });
}

#[test]
fn reads_writes_and_seeks_of_a_file_are_operations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let (rest, usage) = block_on(metered("files", io_ops(3), async {
        let file = tokio::fs::File::create_new(&path).await.unwrap();
        let mut file = Metered::new(file);
        file.write_all(b"abcdef").await.unwrap();
        file.flush().await.unwrap();
        file.seek(io::SeekFrom::Start(4)).await.unwrap();
        drop(file);
        let file = tokio::fs::File::open(&path).await.unwrap();
        let mut file = Metered::new(file);
        let mut rest = [0; 6];
        file.read_exact(&mut rest).await.unwrap();
        exceeded(&file.read(&mut [0]).await.unwrap_err());
        exceeded(&file.seek(io::SeekFrom::Start(0)).await.unwrap_err());
        rest
    }));
    assert_eq!(&rest, b"abcdef");
    assert_eq!(usage.io_ops, 3);
}

#[test]
fn an_overdraft_stops_what_is_polled() {
    let (near, _far) = duplex(4);
    let mut near = Metered::network(near);
    let (refused, usage) = cooperative("load", memory(1_000), || {
        drop(allocate(1_001));
        poll(|context| Pin::new(&mut near).poll_write(context, b"abcd"))
    });
    let Poll::Ready(Err(refused)) = refused else {
        panic!("wrote, or waits");
    };
    assert_eq!(exceeded(&refused).resource, Resource::Memory);
    assert_eq!(usage.network_bytes, 0);
}

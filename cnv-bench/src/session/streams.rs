//! Goals 1 to 3: what a frame of a stream takes.

use std::io;
use std::path::Path;

use cnv::session::{Address, Call, Client, ClientOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::served::{last_socket, request};
use super::{goal, peers, socket};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

const CNV: &str = "cnv, four calls";
const CNV_ONE: &str = "cnv, one call";
const BARE: &str = "one write an item";
const YAMUX: &str = "yamux, four streams";
const H2: &str = "h2, four streams";

/// Calls and streams that take turns.
pub const STREAMS: usize = 4;

pub fn run(
    settings: Settings,
    runtime: &Runtime,
    folder: &Path,
) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let small = measure_of(settings, runtime, folder, 64, 16_384)?;
    let large = measure_of(settings, runtime, folder, 64 << 10, 512)?;
    let goals = vec![
        goal(
            1,
            "ns a frame of 64 bytes",
            "four calls",
            Wanted::AtMost(150.0),
            small.ns(CNV),
        ),
        goal(
            2,
            "times as fast as one write a frame",
            "64 bytes",
            Wanted::AtLeast(15.0),
            small.speed_over(CNV, &[BARE]),
        ),
        goal(
            3,
            "speed, as a part of the bare socket's",
            "64 KiB",
            Wanted::AtLeast(0.7),
            large.speed_over(CNV, &[BARE]),
        ),
        goal(
            3,
            "times as fast as yamux",
            "64 KiB",
            Wanted::AtLeast(1.0),
            large.speed_over(CNV, &[YAMUX]),
        ),
        goal(
            3,
            "times as fast as HTTP/2",
            "64 KiB",
            Wanted::AtLeast(1.0),
            large.speed_over(CNV, &[H2]),
        ),
        goal(
            3,
            "times as fast as yamux",
            "64 bytes",
            Wanted::ForInformation,
            small.speed_over(CNV, &[YAMUX]),
        ),
    ];
    Ok((vec![(&small).into(), (&large).into()], goals))
}

fn measure_of(
    settings: Settings,
    runtime: &Runtime,
    folder: &Path,
    len: usize,
    count: usize,
) -> io::Result<crate::rounds::Measured> {
    let (client, mut bare, yamux, h2) = runtime.block_on(async {
        let address = Address::Unix(last_socket(folder));
        let client = Client::connect(&address, ClientOptions::new()).await;
        let client = client.map_err(io::Error::other)?;
        let bare = UnixStream::connect(socket(folder, "bare")).await?;
        let yamux = peers::Yamux::connect(&socket(folder, "yamux")).await?;
        let h2 = peers::H2::connect(&socket(folder, "h2")).await?;
        io::Result::Ok((client, bare, yamux, h2))
    })?;
    let mut yamux = yamux;
    let mut h2 = h2;
    let mut buffer = vec![0; 256 << 10];
    let mut contenders = vec![
        Contender::new(CNV, || {
            runtime.block_on(cnv_items(&client, STREAMS, count, len))
        }),
        Contender::new(CNV_ONE, || {
            runtime.block_on(cnv_items(&client, 1, count, len))
        }),
        Contender::new(BARE, || {
            runtime.block_on(async {
                let asked = request(count as u64, len as u64);
                bare.write_all(&asked).await.expect("the server is there");
                let mut left = count * len;
                while left > 0 {
                    let most = left.min(buffer.len());
                    let read = bare.read(&mut buffer[..most]).await;
                    left -= read.expect("the server is there");
                }
            });
        }),
        Contender::new(YAMUX, || runtime.block_on(yamux.items(STREAMS, count, len))),
    ];
    // A client of h2 takes small frames in such numbers for an attack, and ends the connection.
    if len >= 1024 {
        contenders.push(Contender::new(H2, || {
            runtime.block_on(h2.items(STREAMS, count, len));
        }));
    }
    let name = format!("{count} items of {len} bytes");
    Ok(measure(name, count, settings, contenders))
}

async fn cnv_items(client: &Client, calls: usize, count: usize, len: usize) -> usize {
    let tasks: Vec<_> = (0..calls)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let count = (count / calls).to_string();
                let call = client
                    .call(["items", "send", &count, &len.to_string()])
                    .await;
                take_all(call.expect("the server is there")).await
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += task.await.expect("no call panics");
    }
    assert!(taken >= count * len, "{taken} bytes of {count} items");
    taken
}

async fn take_all(mut call: Call) -> usize {
    let mut taken = 0;
    while let Some(item) = call.next().await.expect("the call succeeds") {
        taken += item.bytes().len();
    }
    taken
}

//! Goal 5: what a call takes, over a round trip of the bare socket.

use std::io;
use std::path::Path;

use cnv::session::{Address, Client, ClientOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::served::{last_socket, request};
use super::{goal, socket};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

const CALL: &str = "a call";
const BARE: &str = "a round trip of the bare socket";

pub fn run(settings: Settings, runtime: &Runtime, folder: &Path) -> io::Result<(Group, Goal)> {
    let (client, mut bare) = runtime.block_on(async {
        let address = Address::Unix(last_socket(folder));
        let client = Client::connect(&address, ClientOptions::new()).await;
        let bare = UnixStream::connect(socket(folder, "bare")).await?;
        io::Result::Ok((client.map_err(io::Error::other)?, bare))
    })?;
    let contenders = vec![
        Contender::new(CALL, || {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    let call = client.call(["items", "none"]).await;
                    let call = call.expect("the server is there");
                    call.collect().await.expect("the call succeeds");
                }
            });
        }),
        Contender::new(BARE, || {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    bare.write_all(&request(0, 0))
                        .await
                        .expect("the server is there");
                    let answer = bare.read_u8().await;
                    answer.expect("the server is there");
                }
            });
        }),
    ];
    let measured = measure("a call without arguments", CALLS, settings, contenders);
    let ratio = measured.time_over(CALL, &[BARE]);
    let goal = goal(
        5,
        "time over a bare round trip",
        "a call",
        Wanted::AtMost(2.0),
        ratio,
    );
    Ok(((&measured).into(), goal))
}

/// Calls of a pass.
const CALLS: usize = 100;

//! `ops serve` and `cnv call` as processes.
#![cfg(unix)]

mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use cnv::attestation::{CapabilityAttestation, PrivateKey};
use cnv::capability::CapabilityContract;
use cnv::session::{Channel, Client, ClientOptions};
use programs::server::Server;
use programs::{Folder, cnv, expect, expect_of, ops_alone};

#[test]
fn a_call_has_the_output_and_the_exit_code_that_it_would_have_here() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tree")).unwrap();
    folder.file("tree/a", "a");
    let (tree, socket) = (folder.path("tree"), folder.path("ops.sock"));
    let mut server = Server::start(&socket);
    let address = format!("unix:{}", socket.display());
    let call = |code, words: &[&str]| {
        let mut command = cnv(["-q", "--json", "call", &address]);
        expect(code, command.args(words))
    };
    let tree = tree.to_str().unwrap();
    let here = expect(0, &mut ops_alone(["-q", "--json", "tree", "digest", tree])).json();
    assert_eq!(call(0, &["tree", "digest", tree]).json(), here);
    call(2, &["tree", "digset", tree]);
    call(2, &["tree", "digest"]);
    let grammar = call(0, &["--grammar"]).json();
    assert_eq!(grammar["application"], "ops");
    // What is guarded is denied to who presents nothing.
    call(8, &["log", "scan", "access.log"]);
    let mut other = cnv([
        "-q",
        "call",
        "--application",
        "others",
        &address,
        "tree",
        "digest",
    ]);
    expect(1, other.arg(tree)).says("this is the server of `ops`, and not of `others`");

    server.signal("-TERM");
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
    let mut gone = cnv(["-q", "call", &address, "tree", "digest", "."]);
    expect(1, &mut gone).says("no server answers at unix:");
}

#[test]
fn a_server_tells_where_its_metrics_are_and_keeps_them_on_the_machine() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let serve = |options: &[&str]| {
        let mut command = ops_alone(["serve", "--unix"]);
        command.arg(&socket).args(options);
        command
    };
    expect(1, &mut serve(&["--metrics", "0.0.0.0:0"]))
        .says("0.0.0.0:0 can be reached from elsewhere");
    expect(2, &mut serve(&["--plaintext"])).says("--metrics <IP:PORT>");
    expect(2, &mut ops_alone(["serve", "--metrics", "127.0.0.1:0"])).says("--unix <PATH>");

    let mut child = serve(&["--metrics", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let _server = Server(child);
    let told = stderr.lines().map(Result::unwrap);
    let url = told
        .filter_map(|line| Some(line.split_once("metrics at http://")?.1.to_owned()))
        .next();
    let url = url.unwrap();
    let address = url.strip_suffix("/metrics").unwrap();
    let tree = folder.path("").display().to_string();
    let mut call = cnv([
        "-q",
        "call",
        &format!("unix:{}", socket.display()),
        "tree",
        "digest",
        &tree,
    ]);
    expect(0, &mut call);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let sample = "cnv_calls_total{noun=\"tree\",verb=\"digest\",outcome=\"ok\"} 1\n";
    assert!(answer.contains(sample), "{answer}");
}

/// A server that is asked to end does not wait for what has no end.
#[test]
fn who_watches_is_told_when_the_server_ends() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let mut server = Server::start(&socket);
    let address = format!("unix:{}", socket.display());
    let mut watch = cnv(["-q", "--json", "call", &address, "recovery", "watch"]);
    let mut watch = Server(watch.stdout(Stdio::piped()).spawn().unwrap());
    let mut rows = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    assert!(rows.next().unwrap().unwrap().contains("breaker"));
    server.signal("-TERM");
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
    assert_eq!(
        server.0.wait().unwrap().code(),
        Some(0),
        "nothing was cut off"
    );
}

#[test]
fn a_call_ends_when_its_server_was_killed() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let server = Server::start(&socket);
    let address = format!("unix:{}", socket.display());
    let mut watch = cnv(["-q", "call", "--reconnect", "50ms", &address]);
    watch.args(["recovery", "watch"]);
    watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut first = [0];
    let mut stdout = watch.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    server.signal("-KILL");
    // What it still writes.
    std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
    let ended = watch.wait_with_output().unwrap();
    expect_of(1, ended).says("nobody listens at unix:");
}

/// What another machine says is shown by a terminal, and not obeyed.
#[test]
fn errors_from_elsewhere_turn_no_terminal_around() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let _server = Server::start(&socket);
    let address = format!("unix:{}", socket.display());
    let mut call = cnv(["-q", "call", &address, "tree", "di\u{1b}[2Jgest"]);
    let failed = expect(2, &mut call);
    failed.says("`tree di\\u{1b}[2Jgest`");
}

#[test]
fn a_bearers_token_is_not_sent_to_other_machines() {
    let folder = Folder::new();
    let root = PrivateKey::from_seed(&[1; 32]);
    let bearer = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .bearer()
        .sign(&root)
        .unwrap();
    let token = folder.file("token", bearer.to_string());
    let token = format!("@{}", token.display());
    let mut call = cnv(["-q", "call", "--present", &token]);
    call.args(["tcp:192.0.2.1:7", "tree", "digest"]);
    expect(2, &mut call).says("say with --plaintext that something does");
}

#[test]
fn a_second_server_does_not_take_the_socket() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let server = Server::start(&socket);
    let mut second = ops_alone(["serve", "--unix"]);
    expect(1, second.arg(&socket)).says("a server listens at");
    // One that was killed leaves its socket, which the next takes away.
    server.signal("-KILL");
    drop(server);
    assert!(socket.exists());
    Server::start(&socket);
    let file = folder.file("a-file", "mine");
    let mut third = ops_alone(["serve", "--unix"]);
    expect(1, third.arg(&file)).says("is no socket");
}

#[test]
fn standard_input_and_output_are_a_session() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tree")).unwrap();
    folder.file("tree/a", "a");
    let tree = folder.path("tree");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut command = ops_alone(["serve", "--stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Server(command.spawn().unwrap());
        let input = tokio::process::ChildStdin::from_std(server.0.stdin.take().unwrap());
        let output = tokio::process::ChildStdout::from_std(server.0.stdout.take().unwrap());
        let stream = tokio::io::join(output.unwrap(), input.unwrap());
        let client = Client::over(stream, ClientOptions::new()).await.unwrap();
        for _ in 0..20 {
            let call = client.call([
                "tree".into(),
                "digest".into(),
                tree.clone().into_os_string(),
            ]);
            let reply = call.await.unwrap().collect().await.unwrap();
            assert_eq!(reply.result.channel(), Channel::Result);
        }
        // It is asked to end while its input is open still.
        server.signal("-TERM");
        assert_eq!(server.0.wait().unwrap().code(), Some(0));
    });
}

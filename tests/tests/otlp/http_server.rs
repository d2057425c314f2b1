//! A server of HTTP/1.1 that answers as it is told, or does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first line, and the headers, whose names are in lower case.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| &**value)
    }
}

/// What follows on a request.
pub enum Reply {
    /// These bytes, and the next request on the same connection.
    Bytes(Vec<u8>),
    /// These bytes, and the end of the connection.
    Last(Vec<u8>),
    /// Nothing, for as long as the other end waits.
    Nothing,
}

/// An answer as it is written.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

type Replies = Arc<Mutex<dyn FnMut(&Request) -> Reply + Send>>;

pub struct HttpServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    pub fn start(reply: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::default());
        let replies: Replies = Arc::new(Mutex::new(reply));
        let all = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (replies, all) = (Arc::clone(&replies), Arc::clone(&all));
                thread::spawn(move || serve(&stream.unwrap(), &replies, &all));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, replies: &Replies, requests: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        requests.lock().unwrap().push(request.clone());
        let reply = (replies.lock().unwrap())(&request);
        let mut writer = stream;
        match reply {
            Reply::Bytes(bytes) => writer.write_all(&bytes).unwrap(),
            Reply::Last(bytes) => return writer.write_all(&bytes).unwrap(),
            Reply::Nothing => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        line: line.trim_end().to_owned(),
        headers,
        body: Vec::new(),
    };
    request.body = vec![0; request.header("content-length")?.parse().unwrap()];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

//! `traceparent`: what is read is printed as the same ids, and what is refused is wrong at the byte that the error names.
#![no_main]

use arbitrary::Arbitrary;
use cnv::trace::TraceParent;
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

const GOOD: [&str; 2] = [
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02-more",
];

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    is_higher: bool,
    changes: Vec<Change<'a>>,
}

fn check(bytes: &[u8]) {
    match TraceParent::parse(bytes) {
        Ok(parent) => {
            let text = parent.to_text();
            assert_eq!(TraceParent::parse(text.as_bytes()), Ok(parent));
            assert_eq!(text.as_bytes()[2..53], bytes[2..53]);
            assert!(bytes.len() == 55 || (&bytes[..2] != b"00" && bytes[55] == b'-'));
        }
        Err(error) => {
            assert!(error.at() <= bytes.len().min(55));
            // What stands before it would do, or do as a beginning.
            let before = TraceParent::parse(&bytes[..error.at()]);
            assert!(before.is_ok() || before.unwrap_err().at() == error.at());
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    check(input.bytes);
    let good = GOOD[usize::from(input.is_higher)].as_bytes();
    check(&Change::apply_all(&input.changes, good));
});

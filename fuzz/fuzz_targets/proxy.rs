//! Any bytes at the start of a connection: what is a PROXY header is one whatever follows it, no part of it is one
//! already, and no client is waited for without end.

#![no_main]

use countersign_server::fuzz::proxy_header;
use libfuzzer_sys::fuzz_target;

/// Longer than the longest header of either version.
const ENOUGH: usize = 16 + 2048;

fuzz_target!(|bytes: &[u8]| {
    let read = proxy_header(bytes);
    let (header, rest) = match &read {
        Ok(Some((_, length))) => bytes.split_at(*length),
        Ok(None) => {
            assert!(bytes.len() < ENOUGH);
            (bytes, &[][..])
        }
        // Nothing that follows makes it better.
        Err(_) => {
            assert!(proxy_header(&[bytes, b"\r\n"].concat()).is_err());
            return;
        }
    };
    assert_eq!(
        proxy_header(header),
        read,
        "the rest is {} bytes",
        rest.len()
    );
    for end in 0..header.len() {
        assert_eq!(proxy_header(&header[..end]), Ok(None), "{end} bytes");
    }
});

use tokio::io::duplex;
use tokio::runtime::Builder;

use super::*;

/// What an inbox makes of these pieces, each of which comes alone.
fn take(pieces: &[&[u8]], answers: usize) -> Vec<Result<Answer, String>> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        // As small as it gets, so that a piece is read before the next one comes.
        let (mut near, mut far) = duplex(1024);
        let send = async move {
            for piece in pieces {
                // Who has read enough hangs up.
                if far.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let receive = async move {
            let mut inbox = Inbox::new();
            let mut taken = Vec::new();
            for _ in 0..answers {
                let answer = inbox.answer(&mut near).await;
                taken.push(answer.map_err(|broken| broken.to_string()));
            }
            taken
        };
        tokio::join!(send, receive).1
    })
}

fn ok(bytes: u64, close: bool) -> Result<Answer, String> {
    Ok(Answer {
        status: 200,
        bytes,
        close,
    })
}

#[test]
fn answers_are_taken_as_their_pieces_come() {
    let taken = take(
        &[
            b"HTTP/1.1 200 OK\r\ncontent-le",
            b"ngth: 3\r\n\r\na",
            b"bc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r",
            b"\nab\r\n0\r\n\r\n",
        ],
        2,
    );
    assert_eq!(taken, [ok(3, false), ok(2, false)]);
}

#[test]
fn bodies_larger_than_the_buffer_are_drained() {
    let body = vec![b'x'; 5 * BUFFER + 17];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let taken = take(&[head.as_bytes(), &body], 1);
    assert_eq!(taken, [ok(body.len() as u64, false)]);
}

#[test]
fn an_end_is_an_error_unless_the_answer_ends_with_it() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(take(&[head, b"to the end"], 1), [ok(10, true)]);
    let told = |pieces: &[&[u8]]| take(pieces, 1).remove(0).expect_err("broken");
    assert!(told(&[]).contains("without an answer"));
    assert!(told(&[b"HTTP/1.1 200"]).contains("without an answer"));
    let cut: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    assert!(told(&[cut, b"half"]).contains("in the middle"));
}

#[test]
fn more_than_an_answer_is_an_error() {
    let two = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1";
    let told = take(&[two], 1).remove(0).expect_err("too much");
    assert!(told.contains("8 bytes after the answer"), "{told}");
    let head = [&b"HTTP/1.1 200 OK\r\na: "[..], &vec![b'x'; BUFFER]].concat();
    let told = take(&[&head], 1).remove(0).expect_err("too long");
    assert!(told.contains("a head of more than"), "{told}");
}

//! How long a client may be silent in the middle of a body; hours of it, in
//! the time of a test.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use super::super::bounds::Bounds;
use super::super::progress::Fault;
use super::super::upload::{Terms, Upload};

const KNOWN: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const HOUR: Duration = Duration::from_secs(3600);

/// What became of a body, and after how many seconds. The backend takes a
/// rest of so many seconds behind the first piece.
fn upload<C>(
    idle: Duration,
    rest: u64,
    client: impl FnOnce(DuplexStream) -> C,
) -> (Option<Fault>, u64)
where
    C: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let told = Rc::new(Cell::new(None));
    let answer = told.clone();
    let take = service_fn(move |request: Request<Incoming>| {
        let told = told.clone();
        async move {
            let terms = Terms {
                most: None,
                idle,
                bounds: Bounds::new(None, Rc::default(), HOUR),
                identity: Rc::default(),
            };
            let start = Instant::now();
            let (mut upload, progress) = Upload::stream(request.into_body(), terms, None);
            let mut rest = Duration::from_secs(rest);
            while let Some(Ok(_)) = upload.frame().await {
                sleep(std::mem::take(&mut rest)).await;
            }
            told.set(Some((progress.fault(), start.elapsed().as_secs())));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (near, far) = duplex(64);
    let client = client(near);
    LocalSet::new().block_on(&runtime, async {
        spawn_local(client);
        let served = http1::Builder::new().serve_connection(TokioIo::new(far), take);
        // What was left of the body breaks the connection off.
        let _end = served.await;
    });
    answer.take().unwrap()
}

/// Sends these, so many seconds after one another, and stays.
fn slowly<const N: usize>(
    pieces: [&'static str; N],
    pause: u64,
) -> impl FnOnce(DuplexStream) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    move |mut stream| {
        Box::pin(async move {
            for piece in pieces {
                if stream.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(pause)).await;
            }
            sleep(10 * HOUR).await;
        })
    }
}

#[test]
fn a_body_whose_length_is_known_does_not_keep_a_backend_waiting_for_long() {
    assert_eq!(
        upload(HOUR, 0, slowly([KNOWN], 0)),
        (Some(Fault::Stalled), 60)
    );
    let half = slowly([KNOWN, "12345"], 30);
    assert_eq!(upload(HOUR, 0, half), (Some(Fault::Stalled), 90));
    let short = Duration::from_secs(10);
    assert_eq!(
        upload(short, 0, slowly([KNOWN], 0)),
        (Some(Fault::Stalled), 10)
    );
    let slow = slowly([KNOWN, "12", "34", "56", "78", "90"], 50);
    assert_eq!(upload(HOUR, 0, slow), (None, 250));
}

/// A stream says what it has to say when there is something to say.
#[test]
fn a_body_of_unknown_length_may_be_silent_for_as_long_as_a_connection() {
    let stream = slowly([CHUNKED, "1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n"], 3000);
    assert_eq!(upload(HOUR, 0, stream), (None, 9000));
    assert_eq!(
        upload(HOUR, 0, slowly([CHUNKED], 0)),
        (Some(Fault::Stalled), 3600)
    );
}

/// The client was not even asked for more meanwhile.
#[test]
fn the_silence_of_a_backend_is_not_the_client_s() {
    let half = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";
    assert_eq!(upload(HOUR, 300, slowly([half, "67890"], 340)), (None, 340));
}

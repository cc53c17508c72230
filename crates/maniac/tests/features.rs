//! What each feature brings, and what a build without it says. `cargo xtask features` runs this once with each of them alone.

use maniac::runtime::Runtime;

#[cfg(not(any(feature = "iouring", feature = "mio")))]
#[test]
fn without_a_driver_the_error_says_what_is_missing() {
    let error = Runtime::builder().worker_count(1).build().unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    assert!(text.contains("feature"), "{text}");
}

#[cfg(any(feature = "iouring", feature = "mio"))]
#[test]
fn with_a_driver_runtimes_run() {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
}

/// Fails to compile unless `T` can be read into and sent from by an operation.
#[allow(dead_code, reason = "only some features have something to show")]
fn is_buffer<T: maniac::buf::RawBufRead + maniac::buf::RawBufWrite>() {}

#[cfg(feature = "bytes")]
#[test]
fn bytes_are_buffers() {
    use maniac::buf::RawBufRead;
    is_buffer::<bytes::BytesMut>();
    assert_eq!(bytes::Bytes::from_static(b"text").buf_len(), 4);
}

#[cfg(all(feature = "futures", unix))]
#[test]
fn streams_have_the_traits_of_futures() {
    fn is_stream<T: futures_io::AsyncRead + futures_io::AsyncWrite>() {}
    is_stream::<maniac::net::TcpStream>();
    is_stream::<maniac::net::UnixStream>();
    is_stream::<maniac::fs::File>();
}

#[cfg(all(feature = "tokio-compat", unix))]
#[test]
fn streams_have_the_traits_of_tokio() {
    fn is_stream<T: tokio::io::AsyncRead + tokio::io::AsyncWrite>() {}
    fn is_ours<T: maniac::io::AsyncRead + maniac::io::AsyncWrite>() {}
    is_stream::<maniac::net::TcpStream>();
    is_stream::<maniac::net::UnixStream>();
    is_stream::<maniac::fs::File>();
    is_ours::<maniac::compat::tokio::TokioCompat<tokio::io::DuplexStream>>();
}

/// Not with this feature alone: a runtime needs a driver.
#[cfg(all(feature = "tracing", any(feature = "iouring", feature = "mio")))]
mod tracing_events {
    use maniac::runtime::Runtime;
    use maniac::time::Duration;
    use std::fmt::{Debug, Write};
    use std::sync::mpsc::{Sender, channel};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    /// Passes the runtime's events on as text.
    struct ToText(Sender<String>);

    impl Subscriber for ToText {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("maniac::")
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(event.metadata().target().to_owned());
            event.record(&mut fields);
            drop(self.0.send(fields.0));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    #[test]
    fn a_stall_is_an_event() {
        let (events, told) = channel();
        tracing::subscriber::set_global_default(ToText(events)).unwrap();
        let runtime =
            Runtime::builder().worker_count(1).stall_after(Duration::from_millis(5)).build().unwrap();
        let _entered = runtime.handle().enter();
        let hog = maniac::task::Builder::new().name("hog").spawn(async move {
            let hogs = |event: &String| event.starts_with("maniac::stall") && event.contains("name=\"hog\"");
            while !told.try_recv().is_ok_and(|event| hogs(&event)) {
                std::hint::spin_loop();
            }
        });
        runtime.block_on(hog.unwrap()).unwrap();
    }
}

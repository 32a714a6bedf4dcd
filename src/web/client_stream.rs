//! The socket of a client, as actix reads and writes it. Reports its activity to the connection table,
//! and reads as closed once the table has ended the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::web::connection_table::{ConnectionHandle, ConnectionTable, TableEntry};
use crate::web::tracked_connection::Activity;

pub(super) struct ClientStream {
    socket: TcpStream,
    entry: TableEntry,
}

impl ClientStream {
    pub(super) fn new(socket: TcpStream, table: &ConnectionTable) -> Self {
        Self {
            socket,
            entry: table.open(),
        }
    }

    /// For the requests on this connection.
    pub(super) fn handle(&self) -> ConnectionHandle {
        self.entry.0.clone()
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &mut *self;
        let handle = &stream.entry.0;
        let connection = &handle.connection;
        if connection.has_ended() && connection.activity() == Activity::Body {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut stream.socket).poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().len() - before;
                if bytes > 0 && connection.has_ended() {
                    handle.continue_after_end();
                }
                if bytes == 0 {
                    connection.note_half_closed();
                }
                connection.received(bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                connection.register(context.waker());
                if connection.has_ended() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = &mut *self;
        let connection = &stream.entry.0.connection;
        let written = Pin::new(&mut stream.socket).poll_write(context, bytes);
        if written.is_pending() {
            connection.block();
            connection.register(context.waker());
            if connection.has_ended() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        } else {
            connection.unblock();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

//! Delivery to a mail server, one recipient a message.
//!
//! lettre speaks the protocol command by command, so that it is always known how far a delivery came: only a failure
//! after the final dot leaves in doubt whether the message was taken.
mod connection;
mod guarded;
mod secrets;
mod server;
mod stage;
mod wire;

pub(super) use server::Server;

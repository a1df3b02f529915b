//! Delivery to a mail server, or to the first of several that can be talked to, one recipient a message.
//!
//! lettre speaks the protocol command by command, so that it is always known how far a delivery came: only a failure
//! after the final dot leaves in doubt whether the message was taken.
mod connection;
mod guarded;
mod secrets;
mod server;
mod servers;
mod stage;
mod wire;

pub(super) use servers::Servers;

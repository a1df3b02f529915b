//! The bytes between daemon and supervisor.

use offhours::process::wire::{PREFIX, decode_event, decode_request, encode_event};

pub fn run(data: &[u8]) {
    if let Ok(event) = decode_event(data) {
        let frame = encode_event(&event);
        let (length, body) = frame.split_at(PREFIX);
        assert_eq!(
            length,
            u32::try_from(body.len()).expect("short").to_le_bytes()
        );
        assert_eq!(decode_event(body), Ok(event));
    }
    if let Ok(request) = decode_request(data) {
        assert!(!request.argv.is_empty());
        // Each stands in the bytes: no number asks for more than was sent.
        let texts = request.argv.len() + request.env.len() + request.locks.len();
        assert!(texts <= data.len());
        let groups = request.user.map_or(0, |user| user.groups.len());
        assert!(groups * 8 <= data.len());
        assert!(request.umask.is_none_or(|mask| mask <= 0o777));
    }
}

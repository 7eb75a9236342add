//! Plain views: text and JSON lines.

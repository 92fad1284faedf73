"""The wire, without any I/O: event stream encoding and decoding, messages and topics."""

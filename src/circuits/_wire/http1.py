r"""HTTP/1.1 in both directions, without input or output (RFC 9110, RFC 9112).

A server decodes requests and encodes responses, a client does the reverse:

    decoder = RequestDecoder()
    decoder.receive_data(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    head = decoder.next_message()          # RequestHead(method='GET', target='/', ...)
    decoder.next_message()                 # None: more bytes are needed
    encode_response_head(200, "OK", [("Content-Length", "0")])

``next_message()`` gives one message at a time: a head, then, only if ``head.has_body``, any number
of `Data` and one `EndOfMessage`. It never looks beyond that, so the next pipelined request
begins when it is asked for, and stays in ``pending_bytes`` until then. ``None`` means that more
bytes are needed, or, when ``state`` is ``CLOSED``, that nothing else will come. A malformed
message raises `RemoteProtocolError` once, and the decoder is closed.

The decoder is strict where leniency would let two parsers disagree. The deliberate choices:

- Lines end in CRLF. A lone CR or LF, a NUL, a space before a colon, a folded line (responses are
  unfolded) are refused as soon as they are seen.
- Content-Length with Transfer-Encoding is refused, and so are repeated Content-Length fields of
  a request even if they agree; responses may repeat the same one.
- The only transfer coding is ``chunked``, once.
- HTTP/1.2 and up count as 1.1, with their own version in the head. Other major versions: 505.

Speed: most requests arrive whole, and their fields have been seen before. Then the head costs
two searches, one look into a memo and one object. Otherwise one compiled expression reads all
fields. Incomplete heads take the slow path, where each byte is still searched only once.
"""

from __future__ import annotations

from circuits._wire import LocalProtocolError, ProtocolError
from circuits._wire._http1_decoder import DEFAULT_LIMITS, State
from circuits._wire._http1_messages import (
    END_OF_MESSAGE,
    Data,
    EndOfMessage,
    Headers,
    Limits,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    SharedHeaders,
)
from circuits._wire._http1_requests import RequestDecoder
from circuits._wire._http1_responses import ResponseDecoder
from circuits._wire._http1_send import (
    LAST_CHUNK,
    BodyEncoder,
    encode_chunk,
    encode_request_head,
    encode_response_head,
)

__all__ = [
    "DEFAULT_LIMITS",
    "END_OF_MESSAGE",
    "LAST_CHUNK",
    "BodyEncoder",
    "Data",
    "EndOfMessage",
    "Headers",
    "Limits",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestDecoder",
    "RequestHead",
    "ResponseDecoder",
    "ResponseHead",
    "SharedHeaders",
    "State",
    "encode_chunk",
    "encode_request_head",
    "encode_response_head",
]
